"""`molvae recipes`."""

from collections.abc import Sequence

import click

from molvae.cli.options import completing


def _names() -> Sequence[str]:
    from molvae.training.recipes import recipe_names

    return recipe_names()


@click.command()
@click.argument("name", required=False, shell_complete=completing(_names))
def recipes(name: str | None) -> None:
    """List the experiments that ship with molvae (`molvae train --recipe NAME`); with a NAME, print its YAML."""
    from rich.console import Console
    from rich.table import Table

    from molvae.training.recipes import recipe_names, recipe_path, recipe_summary

    if name is not None:
        click.echo(recipe_path(name).read_text(encoding="utf-8"), nl=False)
        return
    table = Table("recipe", "what it is")
    table.columns[0].no_wrap = True
    for recipe in recipe_names():
        table.add_row(recipe, recipe_summary(recipe))
    Console(markup=False).print(table)
