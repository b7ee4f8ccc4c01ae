"""`molvae models`."""

import click


@click.command()
@click.argument("name", required=False)
def models(name: str | None) -> None:
    """List the models that ship with molvae; with a NAME, print its model card."""
    import json

    from rich.console import Console
    from rich.table import Table

    from molvae.pretrained import USED_FOR, model_card, model_folder, model_names

    if name is not None:
        click.echo(model_card(name))
        return
    table = Table("model", "default of", "encoder", "latent", "prior", "tokens", "heads", "MB")
    table.columns[0].no_wrap = True
    for column in table.columns[5:]:
        column.justify = "right"
    for shipped in model_names():
        folder = model_folder(shipped)
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        size = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
        parts = config["model"]
        table.add_row(
            shipped,
            USED_FOR.get(shipped, ""),
            parts["encoder"]["kind"],
            parts["latent"]["kind"],
            (config.get("prior") or {"kind": "standard"})["kind"],
            f"{config['vocabulary_size']:,}",
            str(len(config["properties"])),
            f"{size:.1f}",
        )
    Console(markup=False).print(table)
