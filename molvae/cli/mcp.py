"""`molvae mcp`."""

import click

from molvae.cli.options import device_option, reader_option


@click.command()
@reader_option
@device_option
def mcp(model_path: str, device: str) -> None:
    """Serve a model's tools to an assistant on standard input and output (Model Context Protocol).

    The tools sample, encode, reconstruct, interpolate, optimize for the tasks of PMO, and draw. They read and write no
    files, and their sizes are bounded.
    """
    from pathlib import Path

    import molvae
    from molvae.mcp_server import build_server

    build_server(molvae.load(model_path, device=device), name=f"molvae-{Path(model_path).name}").run("stdio")
