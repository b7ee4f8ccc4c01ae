"""`molvae sample`."""

import click

from molvae.cli.options import (
    COUNT,
    TEMPERATURE,
    Setting,
    batch_size_option,
    condition_options,
    console,
    decoding_options,
    device_option,
    keep_option,
    model_option,
    progress_for,
    quiet_option,
    read_conditions,
    seed_option,
    stereo_options,
    table_option,
)
from molvae.config import Share

GRID_MOLECULES = 25


@click.command()
@model_option
@click.option("-n", "n", type=COUNT, default=1000, show_default=True, help="Exactly this many molecules.")
@table_option()
@decoding_options
@click.option(
    "--leave-out",
    type=Setting(Share),
    help="Share of the draws, the least likely ones, to leave out unparsed.  [default: the model's own]",
)
@keep_option
@click.option("--unique", is_flag=True, help="No molecule twice.")
@click.option("--novel", is_flag=True, help="Leave out molecules of the model's training set.")
@click.option("--novel-against", metavar="FILE", multiple=True, help="Leave out molecules of this file (repeatable).")
@condition_options
@click.option(
    "--latent-temperature",
    type=TEMPERATURE,
    help="Below 1: likelier latents, less variety.  [default: the model's own]",
)
@click.option("--prior", type=click.Choice(["learned", "standard"]), help="By default learned, if there is one.")
@stereo_options
@click.option("--grid", metavar="FILE", help=f"Draw the first {GRID_MOLECULES} as .svg or .png.")
@seed_option
@batch_size_option
@device_option
@quiet_option
def sample(
    model_path: str,
    n: int,
    output: str,
    temperature: float | None,
    top_p: float | None,
    greedy: bool,
    leave_out: float | None,
    keep: str | None,
    unique: bool,
    novel: bool,
    novel_against: tuple[str, ...],
    conditions: tuple[str, ...],
    guidance: float,
    latent_temperature: float | None,
    prior: str | None,
    stereo: str,
    max_stereoisomers: int,
    grid: str | None,
    seed: int | None,
    batch_size: int,
    device: str,
    quiet: bool,
) -> None:
    """Draw new molecules, with their QED, logP and SA."""
    import molvae
    from molvae.cli.tables import described, known_molecules, sampling_summary, with_stereoisomers
    from molvae.formats.writers import check_output, write_table
    from molvae.report.grid import check_picture, draw_grid

    check_output(output)
    if grid:
        check_picture(grid)
    condition = read_conditions(conditions)
    vae = molvae.load(model_path, device=device)
    known = known_molecules(novel_against, vae.standardizer)
    drawn = vae.draw(
        n,
        temperature=temperature,
        top_p=top_p,
        greedy=greedy,
        leave_out=leave_out,
        unique=unique,
        novel=novel,
        novel_against=known,
        condition=condition,
        guidance=guidance,
        latent_temperature=latent_temperature,
        prior=prior,
        keep=keep,
        seed=seed,
        batch_size=batch_size,
        progress=progress_for(quiet),
    )
    frame = described(drawn.smiles)
    isomers = with_stereoisomers(frame, max_stereoisomers) if stereo == "enumerate" else frame
    write_table(isomers, output)
    if grid:
        first = frame.head(GRID_MOLECULES)
        legends = [f"QED {r.qed:.2f}  logP {r.logp:.1f}  SA {r.sa:.1f}" for r in first.itertuples()]
        draw_grid(first["smiles"].tolist(), grid, legends=legends)
    console(quiet).print(sampling_summary(frame, drawn, novel=novel or bool(known), diagnostics=vae.diagnostics))
