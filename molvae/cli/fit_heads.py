"""`molvae fit-heads`."""

from datetime import timedelta

import click

from molvae.cli.options import (
    COUNT,
    DURATION,
    SEED,
    console,
    device_option,
    progress_for,
    quiet_option,
    resumable,
    same_command,
)


@click.command("fit-heads")
@click.option("-m", "--model", "model_path", required=True, metavar="PATH", help="A checkpoint or a run's directory.")
@click.option(
    "--data",
    "data_paths",
    required=True,
    multiple=True,
    metavar="PREPARED",
    help="A prepared folder in the model's vocabulary (repeatable).",
)
@click.option(
    "--property",
    "properties",
    multiple=True,
    metavar="NAME",
    help="Property of the folder (repeatable); all by default.",
)
@click.option("--max-time", type=DURATION, default="00:05:00", show_default=True, metavar="HH:MM:SS")
@click.option("--molecules", type=COUNT, default=200_000, show_default=True, help="Molecules to encode, at most.")
@click.option("--max-epochs", type=COUNT, help="Passes over them, at most.  [default: as the time allows]")
@click.option("--seed", type=SEED, default=0, show_default=True)
@click.option("--resume", is_flag=True, help="Go on with an interrupted fit of the same heads.")
@device_option
@quiet_option
@resumable(lambda: same_command("--resume"))
def fit_heads(
    model_path: str,
    data_paths: tuple[str, ...],
    properties: tuple[str, ...],
    max_time: timedelta,
    molecules: int,
    max_epochs: int | None,
    seed: int,
    resume: bool,
    device: str,
    quiet: bool,
) -> None:
    """Fit property heads to a trained model's latents: its own heads again, or heads for other properties."""
    from rich.table import Table

    from molvae.checkpoint import checkpoint_path
    from molvae.data.shards import open_prepared
    from molvae.files import writing
    from molvae.training.heads import fit_heads_of

    path = checkpoint_path(model_path)
    with writing(path):
        report = fit_heads_of(
            path,
            open_prepared(*data_paths),
            properties=properties or None,
            max_time=max_time,
            max_epochs=max_epochs,
            molecules=molecules,
            seed=seed,
            resume=resume,
            device=device,
            progress=progress_for(quiet),
        )
    table = Table("property", "R² on held-out molecules")
    table.columns[1].justify = "right"
    for name, r2 in report.property_r2.items():
        table.add_row(name, f"{r2:.3f}")
    console(quiet).print(table)
