"""`molvae pull`."""

import click

from molvae.cli.options import console, quiet_option


@click.command()
@click.argument("address", metavar="hf:USER/NAME")
@click.option("-o", "--output", required=True, metavar="DIR", help="A new folder.")
@click.option("--revision", help="A branch, tag or commit.")
@click.option("--endpoint", metavar="URL", help="Another hub than the public one.")
@quiet_option
def pull(address: str, output: str, revision: str | None, endpoint: str | None, quiet: bool) -> None:
    """Fetch a checkpoint from the Hugging Face hub and check it; then use it with -m DIR."""
    from molvae.hub import pull as fetch

    fetch(address, output, revision=revision, endpoint=endpoint)
    console(quiet).print(f"{address} is in {output}; draw molecules with: molvae sample -m {output} -n 1000 -o new.csv")
