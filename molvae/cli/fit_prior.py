"""`molvae fit-prior`."""

from datetime import timedelta
from typing import Any

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


@click.command("fit-prior")
@click.option(
    "-m", "--model", "model_path", metavar="DIR", required=True, help="A checkpoint or a training run's directory."
)
@click.option(
    "--data",
    "data_paths",
    required=True,
    multiple=True,
    metavar="PREPARED",
    help="The prepared folder the model was trained on (repeatable).",
)
@click.option(
    "--config", "config_path", metavar="YAML", help="An experiment whose `prior` is fitted, in place of --kind."
)
@click.option(
    "--kind",
    type=click.Choice(["autoregressive", "flow", "flow_matching"]),
    default="autoregressive",
    show_default=True,
)
@click.option("--max-time", type=DURATION, metavar="HH:MM:SS", help="By default 5 minutes, or the experiment's.")
@click.option("--molecules", type=COUNT, help="Molecules to encode, at most; by default 200,000, or the experiment's.")
@click.option("--max-epochs", type=COUNT, help="Passes over them, at most; by default 100.")
@click.option("--seed", type=SEED, help="By default 0, or the experiment's.")
@click.option("--init-from", metavar="NAME_OR_PATH", help="Start from the prior of this checkpoint.")
@click.option("--resume", is_flag=True, help="Go on with an interrupted fit of the same prior.")
@device_option
@quiet_option
@resumable(lambda: same_command("--resume"))
def fit_prior(
    model_path: str,
    data_paths: tuple[str, ...],
    config_path: str | None,
    kind: str,
    max_time: timedelta | None,
    molecules: int | None,
    max_epochs: int | None,
    seed: int | None,
    init_from: str | None,
    resume: bool,
    device: str,
    quiet: bool,
) -> None:
    """Fit a prior to the latents of the training set; `sample` then draws from it."""
    from molvae.checkpoint import checkpoint_path, prior_config
    from molvae.config import parse_config
    from molvae.data.shards import open_prepared
    from molvae.errors import ConfigError
    from molvae.files import writing
    from molvae.training.config import PriorFitConfig, load_experiment
    from molvae.training.prior import fit_prior_of

    values: dict[str, Any] = {"model": {"kind": kind}}
    if config_path is not None:
        asked = load_experiment(config_path).prior
        if not isinstance(asked, PriorFitConfig):
            raise ConfigError(
                f"{config_path} asks for no prior that is fitted afterwards; add prior: {{fit: two-stage}}"
            )
        values = asked.model_dump(mode="json")
    given = {"max_time": max_time, "molecules": molecules, "max_epochs": max_epochs, "seed": seed}
    values |= {name: value for name, value in given.items() if value is not None}
    config = parse_config(PriorFitConfig, values, where="fit-prior")
    if init_from is not None and prior_config(init_from) != config.model:
        raise ConfigError(f"{init_from} has no prior with the settings of the one to fit; leave --init-from out")
    path = checkpoint_path(model_path)
    data = open_prepared(*data_paths)
    with writing(path):
        report = fit_prior_of(
            path, data, config, start=init_from, resume=resume, device=device, progress=progress_for(quiet)
        )
    console(quiet).print(
        f"KL to the standard prior {report.kl_standard:.2f} nats, to the learned prior {report.kl:.2f} nats "
        f"({report.epochs} passes over {report.molecules:,} molecules); written to {path}"
    )
