"""`molvae push`."""

import click

from molvae.cli.options import console, quiet_option


@click.command()
@click.argument("model_path", metavar="MODEL")
@click.argument("address", metavar="hf:USER/NAME")
@click.option("--private", is_flag=True, help="Make the repository private.")
@click.option("--endpoint", metavar="URL", help="Another hub than the public one.")
@quiet_option
def push(model_path: str, address: str, private: bool, endpoint: str | None, quiet: bool) -> None:
    """Send a run's or a shipped model's checkpoint to the Hugging Face hub, with its card.

    The token of `hf auth login`, or HF_TOKEN, is used. The checkpoint has hashes of the training set, see SECURITY.md.
    """
    from molvae.hub import push as send

    console(quiet).print(f"{model_path} is at {send(model_path, address, private=private, endpoint=endpoint)}")
