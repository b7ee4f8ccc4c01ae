"""What the commands that train share: preparing the data, training, and printing the results."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from molvae.cli.options import console, progress_for, resumable, same_command
from molvae.cli.prepared import hint_at_labels, show_left_out
from molvae.errors import ConfigError, InputFileError

if TYPE_CHECKING:
    from rich.console import Console

    from molvae.data.prepare.config import PrepareConfig
    from molvae.data.prepared import PreparedData
    from molvae.evaluation.collapse import LatentDiagnostics
    from molvae.training.config import ExperimentConfig

EXPERIMENT = "experiment.yaml"


def check_new(out: Path, *, overwrite: bool) -> None:
    """Raise `InputFileError` when the folder holds a run already."""
    if (out / EXPERIMENT).exists() and not overwrite:
        raise InputFileError(f"{out} holds a run already; choose another -o, or --resume, or --overwrite")


def prepare_data(
    inputs: Sequence[str | Path], folder: Path, config: "PrepareConfig", *, quiet: bool, vocabulary: Any = None
) -> "PreparedData":
    """Prepare inputs in a run's folder, or open what an earlier call with the same settings made there."""
    from molvae.data.prepare.config import PrepareConfig
    from molvae.data.prepare.run import prepare
    from molvae.data.prepared import PreparedData

    if not folder.exists():
        prepared = prepare(inputs, folder, config=config, vocabulary=vocabulary, progress=progress_for(quiet))
        _account(prepared, quiet=quiet)
        hint_at_labels(inputs, config.property_columns, console(quiet))
        return prepared
    prepared = PreparedData.open(folder)
    had = PrepareConfig().model_dump(mode="json") | prepared.meta["options"]  # older folders lack newer options
    same = [source["path"] for source in prepared.meta["sources"]] == [str(path) for path in inputs]
    if had | {"n_jobs": config.n_jobs} != config.model_dump(mode="json") or not same:
        raise InputFileError(f"{folder} was prepared from other molecules or settings; remove it or choose another -o")
    return prepared


def _account(prepared: "PreparedData", *, quiet: bool) -> None:
    """Print how many rows were kept, why the others were not, and what became of their labels."""
    rows = prepared.meta["rows"]
    rejected = ", ".join(f"{reason} {n:,}" for reason, n in rows["rejected"].items())
    listed = f"; left out: {rejected} (see {prepared.path / 'rejected.csv'})" if rejected else ""
    screen = console(quiet)
    screen.print(f"{rows['kept']:,} of {rows['read']:,} rows kept{listed}", soft_wrap=True)
    show_left_out(prepared, screen)


def run_experiment(
    config: "ExperimentConfig", prepared: "PreparedData", out: Path, *, device: str, resume: bool, quiet: bool
) -> None:
    """Train, fit the prior if one is asked for, and print the results; the run's folder is locked meanwhile."""
    from molvae.files import writing

    screen = console(quiet)
    screen.print(f"{prepared!r}")
    with resumable(lambda: _command_to_resume(config, out, device)), writing(out):
        result = _train(config, prepared, out, device=device, resume=resume, quiet=quiet)
    _summary(screen, result, out)


def _command_to_resume(config: "ExperimentConfig", out: Path, device: str) -> str:
    """The command that goes on with a run: the same one if `train` has not begun yet."""
    from molvae.config import dump_config

    experiment = out / EXPERIMENT
    if not experiment.is_file() or experiment.read_text(encoding="utf-8") != dump_config(config):
        return same_command()
    return shlex.join(
        ["molvae", "train", "--resume", "-o", str(out), *([] if device == "auto" else ["--device", device])]
    )


def _train(
    config: "ExperimentConfig", prepared: "PreparedData", out: Path, *, device: str, resume: bool, quiet: bool
) -> "LatentDiagnostics":
    from molvae.training.fit import train

    screen = console(quiet)
    try:
        result = train(config, prepared, out, device=device, resume=resume, console=None if quiet else screen)
    except FloatingPointError as error:
        raise ConfigError(str(error)) from error
    if config.prior is not None and config.prior.fit == "two-stage":
        from molvae.training.prior import fit_prior_of

        report = fit_prior_of(
            out / "model",
            prepared,
            config.prior,
            start=config.training.init_from,
            resume=resume,
            device=device,
            progress=progress_for(quiet),
        )
        screen.print(f"KL to the standard prior {report.kl_standard:.2f} nats, to the learned prior {report.kl:.2f}")
    return result


def _summary(screen: "Console", result: "LatentDiagnostics", out: Path) -> None:
    from rich.table import Table
    from rich.text import Text

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
        screen.print(Text.assemble(("Warning: ", "yellow"), result.warning))
    screen.print(f"Model written to {out / 'model'}; draw molecules with: molvae sample -m {out} -n 1000 -o new.csv")
