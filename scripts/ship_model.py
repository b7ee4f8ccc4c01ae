"""Run: python scripts/ship_model.py runs/moses-cpu moses.

Puts a trained model into the package: half precision, without what only training needs. MODEL_CARD.md is written by
hand and stays.
"""

from pathlib import Path

import click

from molvae.checkpoint import add_prior, load_checkpoint, prior_config, save_checkpoint
from molvae.pretrained import CARD, FOLDER

LIMIT_MB = 25


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("name")
def main(run: Path, name: str) -> None:
    """Write molvae/pretrained/NAME."""
    checkpoint = load_checkpoint(run)
    folder = FOLDER / name
    card = (folder / CARD).read_text(encoding="utf-8") if (folder / CARD).is_file() else None
    diagnostics = {k: v for k, v in checkpoint.diagnostics.items() if k != "prior"}
    diagnostics["training"] = {k: v for k, v in diagnostics["training"].items() if k != "history"}
    save_checkpoint(
        folder,
        checkpoint.model,
        config=checkpoint.config,
        vocabulary=checkpoint.vocabulary,
        max_length=checkpoint.max_length,
        standardise=checkpoint.standardise,
        diagnostics=diagnostics,
        half=True,
    )
    if checkpoint.prior is not None:
        report = checkpoint.diagnostics["prior"]
        add_prior(folder, checkpoint.prior, config=prior_config(run), report=report, half=True)
    if card is not None:
        (folder / CARD).write_text(card, encoding="utf-8")
    size = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
    click.echo(f"{folder}: {size:.1f} MB")
    if size > LIMIT_MB:
        raise SystemExit(f"more than {LIMIT_MB} MB: too large to ship")


if __name__ == "__main__":
    main()
