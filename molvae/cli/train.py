"""`molvae train`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from molvae.cli.options import console, device_option, progress_for, quiet_option

if TYPE_CHECKING:
    from rich.console import Console

    from molvae.data.prepared import PreparedData
    from molvae.evaluation.collapse import LatentDiagnostics
    from molvae.training.config import ExperimentConfig


@click.command()
@click.option("-c", "--config", "config_path", metavar="FILE", help="One YAML is one whole experiment.")
@click.option("-o", "--output", required=True, metavar="DIR", help="The run's directory.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="E.g. model.latent.latent_dim=64.")
@click.option("--data", "data_path", metavar="PREPARED", help="Train on this prepared folder instead.")
@click.option("--max-time", metavar="HH:MM:SS", help="Time budget; learning rate and KL schedule follow it.")
@click.option("--precision", type=click.Choice(["32-true", "bf16-mixed", "16-mixed"]), help="Of the arithmetic.")
@click.option("--init-from", metavar="PATH", help="Fine-tune this checkpoint; prepare the data with its vocabulary.")
@click.option("--resume", is_flag=True, help="Go on with the interrupted run in DIR, with the settings it had.")
@click.option("--overwrite", is_flag=True, help="Start again although DIR holds a run.")
@device_option
@quiet_option
def train(
    config_path: str | None,
    output: str,
    overrides: tuple[str, ...],
    data_path: str | None,
    max_time: str | None,
    precision: str | None,
    init_from: str | None,
    resume: bool,
    overwrite: bool,
    device: str,
    quiet: bool,
) -> None:
    """Train a model: prepares the data if that is still to do, shows the use of the latent, writes DIR/model."""
    from molvae.errors import ConfigError, InputFileError
    from molvae.training.config import PriorFitConfig, load_experiment

    out = Path(output)
    if resume:
        config_path = str(out / "experiment.yaml")
    elif config_path is None:
        raise click.UsageError("give --config FILE, or --resume to go on with the run in DIR")
    elif (out / "experiment.yaml").exists() and not overwrite:
        raise InputFileError(f"{out} holds a run already; choose another -o, or --resume, or --overwrite")
    given = [f"data.prepared={data_path}", "data.inputs=[]"] if data_path else []
    given += [f"training.max_time='{max_time}'"] if max_time else []
    given += [f"training.precision={precision}"] if precision else []
    given += [f"training.init_from={init_from}"] if init_from else []
    config = load_experiment(config_path, [*overrides, *given])

    from molvae.training.fit import resolve_accelerator
    from molvae.training.fit import train as fit

    resolve_accelerator(device)  # before anything slow
    screen = console(quiet)
    prepared = _prepared(config, out, quiet)
    screen.print(f"{prepared!r}")
    try:
        result = fit(config, prepared, out, device=device, resume=resume, console=None if quiet else screen)
    except FloatingPointError as error:
        raise ConfigError(str(error)) from error
    if isinstance(config.prior, PriorFitConfig):
        from molvae.training.prior import fit_prior_of

        report = fit_prior_of(out / "model", prepared, config.prior, device=device, progress=progress_for(quiet))
        screen.print(f"KL to the standard prior {report.kl_standard:.2f} nats, to the learned prior {report.kl:.2f}")
    _summary(screen, result, out)


def _prepared(config: "ExperimentConfig", out: Path, quiet: bool) -> "PreparedData":
    """Open the prepared folder, or make it from the inputs."""
    from molvae.data.prepare.config import PrepareConfig
    from molvae.data.prepared import PreparedData
    from molvae.errors import InputFileError

    data = config.data
    folder = data.prepared or out / "data"
    if folder.exists() or not data.inputs:
        prepared = PreparedData.open(folder)
        asked = data.prepare.model_dump(mode="json")
        had = PrepareConfig().model_dump(mode="json") | prepared.meta["options"]  # older folders lack newer options
        if data.inputs and had != asked:
            raise InputFileError(
                f"{folder} was prepared with other settings than data.prepare asks for; remove it or name another"
            )
        return prepared
    from molvae.data.prepare.run import prepare

    return prepare(data.inputs, folder, config=data.prepare, progress=progress_for(quiet))


def _summary(screen: "Console", result: "LatentDiagnostics", out: Path) -> None:
    from rich.table import Table

    table = Table("on held-out molecules", "", title_justify="left")
    table.columns[1].justify = "right"
    table.add_row("reconstruction (nats)", f"{result.reconstruction:.2f}")
    table.add_row("KL (nats)", f"{result.kl:.2f}")
    if result.kl_learned is not None:
        table.add_row("KL to the learned prior (nats)", f"{result.kl_learned:.2f}")
    table.add_row("active units", f"{result.active_units} of {result.latent_dim}")
    table.add_row(
        "mutual information (nats)", f"{result.mutual_information:.2f} (at most {result.mutual_information_bound:.2f})"
    )
    table.add_row("exact, greedy", f"{100 * result.exact:.1f} %")
    for name, r2 in result.property_r2.items():
        table.add_row(f"R² of {name}", f"{r2:.3f}")
    screen.print(table)
    if result.warning:
        screen.print(f"[yellow]Warning:[/yellow] {result.warning}")
    screen.print(f"Model written to {out / 'model'}; draw molecules with: molvae sample -m {out} -n 1000 -o new.csv")
