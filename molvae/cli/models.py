"""`molvae models`."""

import re
from typing import TYPE_CHECKING

import click

from molvae.cli.options import completing
from molvae.pretrained import model_names

if TYPE_CHECKING:
    from molvae.checkpoint import Checkpoint

_ATOM = re.compile(r"\[?[=#/\\]*\d*(Cl|Br|[A-Z][a-z]?|[a-z]{1,2})")
_NO_ATOM = re.compile(r"\[[=#/\\-]*(Branch|Ring)|\W?\d|[^\[\w]")  # of SELFIES; of SMILES


@click.command()
@click.argument("name", required=False, shell_complete=completing(model_names))
def models(name: str | None) -> None:
    """List the models that ship with molvae; with a NAME, print its model card."""
    import json

    from rich.console import Console
    from rich.table import Table

    from molvae.checkpoint import load_checkpoint
    from molvae.pretrained import USED_FOR, model_card, model_folder

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
    console = Console(highlight=False)
    console.print(table)
    for shipped in model_names():
        console.print(f"[b]{shipped}[/b] reads {reads(load_checkpoint(shipped))}")


def reads(checkpoint: "Checkpoint") -> str:
    """What a model reads, and what it drops or refuses, from its standard form and its vocabulary."""
    form, vocabulary = checkpoint.standard_form, checkpoint.vocabulary
    symbols = list(vocabulary.symbol_ids)
    atoms = [match[1].capitalize() for s in symbols if not _NO_ATOM.match(s) and (match := _ATOM.match(s))]
    known = sorted(set(atoms) & set(form.elements) if form.elements else set(atoms))
    most = checkpoint.model.encoder.max_tokens
    stereo = "dropped" if form.strip_stereo else "kept" if any("@" in s for s in symbols) else "refused"
    charged = any(re.search(r"\[.*[+-]\d*\]", s) for s in symbols)
    charges = "kept" if charged else "refused"
    if form.neutralize:
        charges = f"removed where protons can balance them, else {charges}"
    return (
        f"molecules of {', '.join(known)}, up to {form.max_atoms} heavy atoms"
        + (f" and {most} fragments" if most else "")
        + f"; stereo: {stereo}; charges: {charges}; "
        + ("counterions and solvents: dropped" if form.largest_fragment else "salts and mixtures: refused")
    )
