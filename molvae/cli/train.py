"""`molvae train`."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from molvae.cli.options import DURATION, console, device_option, quiet_option, resumable, same_command

if TYPE_CHECKING:
    from molvae.data.prepared import PreparedData
    from molvae.training.config import ExperimentConfig, TrainingConfig


@click.command()
@click.argument("inputs", nargs=-1, metavar="[INPUT]...")
@click.option("-o", "--output", required=True, metavar="DIR", help="The run's directory.")
@click.option("-r", "--recipe", metavar="NAME", help="A recipe that ships with molvae, see `molvae recipes`.")
@click.option("-c", "--config", "config_path", metavar="FILE", help="A YAML file with a whole experiment.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="E.g. model.latent.latent_dim=64.")
@click.option(
    "--data", "data_paths", multiple=True, metavar="PREPARED", help="Train on this prepared folder (repeatable)."
)
@click.option(
    "--max-time", type=DURATION, metavar="HH:MM:SS", help="Time budget; learning rate and KL schedule follow it."
)
@click.option("--precision", type=click.Choice(["32-true", "bf16-mixed", "16-mixed"]), help="Numeric precision.")
@click.option("--init-from", metavar="PATH", help="Start from this checkpoint; see also `molvae finetune`.")
@click.option("--resume", is_flag=True, help="Go on with the interrupted run in DIR and its settings.")
@click.option("--overwrite", is_flag=True, help="Start again even if DIR holds a run.")
@device_option
@quiet_option
@resumable(same_command)
def train(
    inputs: tuple[str, ...],
    output: str,
    recipe: str | None,
    config_path: str | None,
    overrides: tuple[str, ...],
    data_paths: tuple[str, ...],
    max_time: timedelta | None,
    precision: str | None,
    init_from: str | None,
    resume: bool,
    overwrite: bool,
    device: str,
    quiet: bool,
) -> None:
    """Train a model on molecules: files (SMI, CSV, SDF, …), a prepared folder, or what the experiment names.

    Without --recipe or --config the default recipe is used, its sizes fitted to the molecules. Files are prepared
    first. How much the latent is used is shown during training. The trained model is DIR/model.

    Several prepared folders, or a folder of them, are read as one. On several cores or GPUs: --set training.devices=N.
    """
    from molvae.cli.runs import EXPERIMENT, check_new, join_processes, run_experiment
    from molvae.device import resolve_device
    from molvae.errors import ConfigError
    from molvae.training.config import load_experiment
    from molvae.training.recipes import recipe_path

    out = Path(output)
    if resume and (inputs or recipe or config_path or data_paths):
        raise click.UsageError("--resume goes on with the experiment in DIR; leave INPUT, --recipe and --config out")
    if (recipe is not None) + (config_path is not None) > 1:
        raise click.UsageError("give --recipe or --config, not both")
    if inputs and data_paths:
        raise click.UsageError("give INPUT or --data, not both")
    if not resume:
        check_new(out, overwrite=overwrite)
    given = _given(inputs, data_paths, max_time, precision, init_from)
    resolve_device(device)  # before anything slow
    if resume:
        config = load_experiment(out / EXPERIMENT, [*overrides, *given])
    elif recipe is not None or config_path is not None:
        config = load_experiment(recipe_path(recipe) if recipe else str(config_path), [*overrides, *given])
    elif inputs or data_paths:
        join_processes(_default_training(overrides), device)
        config, prepared = _default(inputs, data_paths, [*overrides, *given], out, quiet)
        run_experiment(config, prepared, out, device=device, resume=False, quiet=quiet)
        return
    else:
        raise click.UsageError("give INPUT, --data, --recipe or --config; or --resume to go on with the run in DIR")
    if not config.data.prepared_folders and not config.data.inputs:
        raise ConfigError("the experiment names no molecules; give files of them, or --data with a prepared folder")
    join_processes(config.training, device)
    run_experiment(config, _prepared(config, out, quiet), out, device=device, resume=resume, quiet=quiet)


def _default_training(overrides: Sequence[str]) -> "TrainingConfig":
    """The training settings of the default recipe, before its sizes are fitted to the molecules."""
    from molvae.training.config import load_experiment
    from molvae.training.recipes import DEFAULT, recipe_path

    return load_experiment(recipe_path(DEFAULT), [text for text in overrides if text.startswith("training.")]).training


def _given(
    inputs: Sequence[str],
    data_paths: Sequence[str],
    max_time: timedelta | None,
    precision: str | None,
    init_from: str | None,
) -> list[str]:
    """What the options ask for, as overrides; paths are relative to the current directory."""
    from molvae.config import clock

    given = []
    if inputs:
        files = ", ".join(f"'{path if path == '-' else Path(path).resolve()}'" for path in inputs)
        given += [f"data.inputs=[{files}]", "data.prepared=null"]
    if data_paths:
        folders = ", ".join(f"'{Path(path).resolve()}'" for path in data_paths)
        given += [f"data.prepared={folders if len(data_paths) == 1 else f'[{folders}]'}", "data.inputs=[]"]
    if max_time:
        given.append(f"training.max_time='{clock(max_time)}'")
    if precision:
        given.append(f"training.precision={precision}")
    if init_from:
        path = Path(init_from)
        given.append(f"training.init_from='{path.resolve() if path.exists() else init_from}'")
    return given


def _default(
    inputs: Sequence[str], data_paths: Sequence[str], overrides: Sequence[str], out: Path, quiet: bool
) -> "tuple[ExperimentConfig, PreparedData]":
    """The default recipe for the given molecules, and the folder they are prepared in."""
    from molvae.cli.runs import prepare_data
    from molvae.config import override, parse_config
    from molvae.data.prepare.config import PrepareConfig
    from molvae.data.shards import open_prepared
    from molvae.training.recipes import SMALL, default_preparation, experiment_for

    if data_paths:
        prepared = open_prepared(*data_paths)
    else:
        values = {"data": {"prepare": default_preparation()}}
        for text in overrides:
            if text.startswith("data.prepare."):
                override(values, text)
        config = parse_config(PrepareConfig, values["data"]["prepare"], where="data.prepare")
        paths = [path if path == "-" else Path(path).resolve() for path in inputs]
        prepared = prepare_data(paths, out / "data", config, quiet=quiet)
    if (n := prepared.meta["splits"].get("train", 0)) < SMALL:
        console(quiet).print(
            f"{n:,} molecules are few to learn from alone; `molvae finetune zinc …` starts from a model that ships"
        )
    kept = [text for text in overrides if not text.startswith("data.")]
    return experiment_for(prepared, kept), prepared


def _prepared(config: "ExperimentConfig", out: Path, quiet: bool) -> "PreparedData":
    """Open the prepared folder, or make it from the inputs."""
    from molvae.cli.runs import prepare_data
    from molvae.data.shards import open_prepared

    data = config.data
    if data.prepared_folders and not data.inputs:
        return open_prepared(*data.prepared_folders)
    folder = data.prepared_folders[0] if data.prepared_folders else out / "data"
    return prepare_data(data.inputs, folder, data.prepare, quiet=quiet)
