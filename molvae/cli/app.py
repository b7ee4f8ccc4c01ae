"""`molvae app`."""

import click

from molvae.cli.options import Setting, console, device_option, reader_option
from molvae.config import Port

ON_MAP = 400  # molecules


@click.command()
@reader_option
@click.option(
    "--molecules", metavar="FILE_OR_FOLDER", help="Molecules of the map.  [default: of a run its own, else of ZINC]"
)
@click.option(
    "--port", type=Setting(Port, "integer"), default=0, show_default=True, help="On this computer; 0: a free one."
)
@click.option("--no-browser", is_flag=True, help="Print the address and do not open it.")
@device_option
def app(model_path: str, molecules: str | None, port: int, no_browser: bool, device: str) -> None:
    """Open a page with a map of the latent, samples, paths, neighbors and a search.

    The page is served on 127.0.0.1 to whoever has the printed address with its token, and asks no other computer for
    anything. Ctrl-C ends it.
    """
    from pathlib import Path

    import molvae
    from molvae.app.server import free_port, require_app, serve
    from molvae.cli.tables import read_input
    from molvae.errors import InputError
    from molvae.training.config import sample_folder

    require_app()
    port = free_port(port)
    own = Path(model_path) / "data"
    path = molecules or str(own if own.is_dir() else sample_folder() / "zinc_sample.csv.gz")
    vae = molvae.load(model_path, device=device)
    split = "valid" if Path(path).is_dir() else "test"
    smiles = [s for s in read_input(path, split=split, smiles_column=None) if s][:ON_MAP]
    if not smiles:
        raise InputError(f"{path} holds no molecules of the split {split!r}; name some with --molecules")
    screen = console(False)

    def ready(address: str) -> None:
        screen.print(f"molvae app is at {address}", soft_wrap=True)

    serve(vae, smiles, title=f"molvae: {Path(model_path).name}", port=port, ready=ready, show=not no_browser)
