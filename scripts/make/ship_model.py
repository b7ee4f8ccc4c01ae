"""Run: python scripts/make/ship_model.py runs/moses-cpu moses --data runs/moses-data.

Puts a trained model into the package: in half precision, without what only training needs, and with the reference of
the novelty score measured again. MODEL_CARD.md is written by hand and is kept.
"""

from pathlib import Path

import click

from molvae.checkpoint import add_prior, load_checkpoint, prior_config, save_checkpoint
from molvae.data.batches import ordered_batches
from molvae.data.prepared import PreparedData
from molvae.nn.likelihood import QUANTILES, per_symbol_quantiles
from molvae.pretrained import CARD, FOLDER
from molvae.training.selection import held_out_molecules

LIMIT_MB = 25


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("name")
@click.option(
    "--data", "prepared", type=click.Path(path_type=Path), required=True, help="The folder it was trained on."
)
@click.option("--latent-temperature", type=float, help="Of its prior's draws, in place of the run's own.")
def main(run: Path, name: str, prepared: Path, latent_temperature: float | None) -> None:
    """Write molvae/pretrained/NAME."""
    checkpoint = load_checkpoint(run)
    data = PreparedData.open(prepared)
    held_out = list(
        ordered_batches(data, held_out_molecules(data, 5000, 0, checkpoint.model.encoder.max_tokens), batch_size=500)
    )
    folder = FOLDER / name
    card = (folder / CARD).read_text(encoding="utf-8") if (folder / CARD).is_file() else None
    diagnostics = {k: v for k, v in checkpoint.diagnostics.items() if k != "prior"}
    sampling = checkpoint.sampling
    if latent_temperature is not None:
        sampling = sampling.model_copy(update={"latent_temperature": latent_temperature})
    diagnostics["training"] = {k: v for k, v in diagnostics["training"].items() if k != "history"}
    save_checkpoint(
        folder,
        checkpoint.model,
        config=checkpoint.config,
        vocabulary=checkpoint.vocabulary,
        max_length=checkpoint.max_length,
        standard_form=checkpoint.standard_form,
        sampling=sampling,
        diagnostics=diagnostics,
        known=checkpoint.known,
        half=True,
    )
    if checkpoint.prior is not None:
        counts = checkpoint.vocabulary.symbol_counts
        known = per_symbol_quantiles(checkpoint.model, checkpoint.prior, held_out, counts)
        report = checkpoint.diagnostics["prior"] | {QUANTILES: known}
        add_prior(
            folder,
            checkpoint.prior,
            config=prior_config(run),
            report=report,
            half=True,
        )
    if card is not None:
        (folder / CARD).write_text(card, encoding="utf-8")
    size = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
    click.echo(f"{folder}: {size:.1f} MB")
    if size > LIMIT_MB:
        raise SystemExit(f"more than {LIMIT_MB} MB: too large to ship")


if __name__ == "__main__":
    main()
