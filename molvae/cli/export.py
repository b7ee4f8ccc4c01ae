"""`molvae export`."""

import click

from molvae.cli.options import console, quiet_option, reader_option


@click.command()
@click.argument("format", type=click.Choice(["onnx"]), metavar="FORMAT")
@reader_option
@click.option("-o", "--output", required=True, metavar="DIR", help="A new folder.")
@click.option("--overwrite", is_flag=True, help="Replace an export that is there.")
@quiet_option
def export(format: str, model_path: str, output: str, overwrite: bool, quiet: bool) -> None:  # noqa: A002
    """Write a model for other runtimes; FORMAT is onnx.

    The folder gets the encoder, the decoder's first state and its step as ONNX graphs, with the vocabulary.
    """
    import molvae
    from molvae.onnx_export import export_onnx, require_onnx

    require_onnx()
    vae = molvae.load(model_path, device="cpu")
    written = export_onnx(vae, output, overwrite=overwrite)
    screen = console(quiet)
    screen.print(f"{', '.join(written)} written to {output}", soft_wrap=True)
    if vae.reads_graphs:
        screen.print("the encoder reads graphs and is not exported; the decoder is")
