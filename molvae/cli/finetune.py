"""`molvae finetune`."""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from molvae.cli.options import DURATION, SEED, device_option, quiet_option, resumable, same_command

if TYPE_CHECKING:
    from molvae.training.config import TrainingConfig


@click.command()
@click.argument("model_path", metavar="MODEL")
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option("-o", "--output", required=True, metavar="DIR", help="The run's directory.")
@click.option(
    "--max-time",
    type=DURATION,
    default="00:10:00",
    show_default=True,
    metavar="HH:MM:SS",
    help="Time for model and prior.",
)
@click.option("--property", "property_columns", multiple=True, help="Numeric input column to keep (repeatable).")
@click.option("--smiles-column", help="Column with the SMILES, if it is not called smiles.")
@click.option(
    "--unknown",
    type=click.Choice(["extend", "skip", "error"]),
    default="extend",
    show_default=True,
    help="Symbols that the model lacks: learn them, leave their molecules out, or stop.",
)
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="E.g. training.learning_rate=0.0005.")
@click.option("--seed", type=SEED, default=0, show_default=True)
@click.option("--overwrite", is_flag=True, help="Start again even if DIR holds a run.")
@device_option
@quiet_option
@resumable(same_command)
def finetune(
    model_path: str,
    inputs: tuple[str, ...],
    output: str,
    max_time: timedelta,
    property_columns: tuple[str, ...],
    smiles_column: str | None,
    unknown: str,
    overrides: tuple[str, ...],
    seed: int,
    overwrite: bool,
    device: str,
    quiet: bool,
) -> None:
    """Go on training MODEL (a shipped model or a run) on the molecules of INPUT; the result is a new run.

    The molecules are brought into the model's own standard form. The vocabulary is the model's, with the symbols added
    that it lacks. A fitted prior is fitted again in the last third of the time.
    """
    from molvae.checkpoint import load_checkpoint
    from molvae.chem.descriptors import known_descriptors
    from molvae.cli.runs import check_new, join_processes, prepare_data, run_experiment
    from molvae.config import override, parse_config
    from molvae.device import resolve_device
    from molvae.training.config import ExperimentConfig
    from molvae.training.finetune import finetuning_experiment, finetuning_preparation

    out = Path(output)
    check_new(out, overwrite=overwrite)
    resolve_device(device)
    join_processes(_training(overrides), device)
    checkpoint = load_checkpoint(model_path)
    wanted = finetuning_preparation(
        checkpoint,
        known_descriptors(checkpoint.model.heads.names),
        property_columns=property_columns,
        smiles_column=smiles_column,
        unknown=unknown,
    )
    paths = [path if path == "-" else Path(path).resolve() for path in inputs]
    prepared = prepare_data(paths, out / "data", wanted, quiet=quiet, vocabulary=checkpoint.vocabulary)
    config = finetuning_experiment(checkpoint, model_path, prepared, max_time=max_time, seed=seed)
    if overrides:
        values = config.model_dump(mode="json")
        for text in overrides:
            override(values, text)
        config = parse_config(ExperimentConfig, values, where="finetune")
    run_experiment(config, prepared, out, device=device, resume=False, quiet=quiet)


def _training(overrides: tuple[str, ...]) -> "TrainingConfig":
    """The training settings that are asked for, before the others are known."""
    from molvae.config import override, parse_config
    from molvae.training.config import TrainingConfig

    values: dict[str, Any] = {"training": {"max_steps": 1}}
    for text in overrides:
        if text.startswith("training."):
            override(values, text)
    return parse_config(TrainingConfig, values["training"], where="finetune")
