"""Options that several commands share, and how progress is drawn."""

import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as RichBars

from molvae.cli import ARGUMENTS
from molvae.config import (
    BatchSize,
    Duration,
    Fraction,
    Jobs,
    Number,
    Positive,
    RandomizedSmiles,
    Seconds,
    Seed,
    Steps,
    Stereoisomers,
    Temperature,
    TopP,
    checked,
)
from molvae.errors import ConfigError
from molvae.interruption import Interrupted
from molvae.pretrained import DEFAULT, READER
from molvae.progress import Progress, Stage

F = TypeVar("F", bound=Callable[..., Any])


class Setting(click.ParamType):
    """A value within the bounds that a type of `molvae.config` states; NaN and infinity are refused."""

    def __init__(self, kind: Any, name: str = "number") -> None:
        self.kind, self.name = kind, name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The value; fails with one sentence."""
        try:
            return checked(self.kind, value, self.name)
        except ConfigError as error:
            self.fail(str(error), param, ctx)


DURATION = Setting(Duration, "duration")
COUNT = Setting(Positive, "integer")
STEPS = Setting(Steps, "integer")
RANDOMIZED = Setting(RandomizedSmiles, "integer")
JOBS = Setting(Jobs, "integer")
TEMPERATURE = Setting(Temperature)
SEED = Setting(Seed, "integer")
NUMBER = Setting(Number)
FRACTION = Setting(Fraction)


def _model_option(default: str) -> Callable[[F], F]:
    return click.option(
        "-m",
        "--model",
        "model_path",
        metavar="NAME_OR_PATH",
        default=default,
        show_default=True,
        help="A checkpoint, a training run's directory, or a shipped model (see `molvae models`).",
    )


model_option = _model_option(DEFAULT)
reader_option = _model_option(READER)
"""The model option of the commands that are given molecules, or latents of them."""
device_option: Callable[[F], F] = click.option(
    "--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N."
)
quiet_option: Callable[[F], F] = click.option("-q", "--quiet", is_flag=True, help="No progress, no summary.")
jobs_option: Callable[[F], F] = click.option(
    "--jobs", "n_jobs", type=JOBS, default=-1, show_default=True, help="Processes; -1: one per core."
)
seed_option: Callable[[F], F] = click.option("--seed", type=SEED, help="The same seed gives the same result.")
batch_size_option: Callable[[F], F] = click.option(
    "--batch-size",
    type=Setting(BatchSize, "integer"),
    default=512,
    show_default=True,
    help="Molecules per batch.",
)


seconds_option: Callable[[F], F] = click.option(
    "--seconds-per-molecule",
    type=Setting(Seconds),
    help="Reject a molecule that takes longer, or crashes RDKit.  [default: no limit]",
)
escape_option: Callable[[F], F] = click.option(
    "--escape-formulas",
    is_flag=True,
    help="Put ' before text of the input that a spreadsheet would run: what begins with = + - or @.",
)

keep_option: Callable[[F], F] = click.option(
    "--keep",
    metavar="SMILES",
    help="A part that every molecule keeps, with * where it grows, such as 'c1ccc(*)nc1*'; without * it grows at any "
    "atom, and fragments with a dot between them are linked.",
)


def stereo_options(function: F) -> F:
    """`--stereo` and `--max-stereoisomers`: rows for the stereoisomers of molecules with undefined stereo."""
    function = click.option(
        "--max-stereoisomers", type=Setting(Stereoisomers, "integer"), default=16, show_default=True
    )(function)
    return click.option(
        "--stereo",
        type=click.Choice(["as-drawn", "enumerate"]),
        default="as-drawn",
        show_default=True,
        help="enumerate: a row for each stereoisomer where stereo is undefined, for docking.",
    )(function)


def condition_options(function: F) -> F:
    """`--condition` and `--guidance`: values of properties to ask the model for, and how strongly."""
    function = click.option(
        "--guidance",
        type=NUMBER,
        default=1.5,
        show_default=True,
        help="Strength of conditions: 1 as in training, above 1 stronger.",
    )(function)
    return click.option(
        "--condition",
        "conditions",
        metavar="NAME=VALUE",
        multiple=True,
        help="Property to ask for, e.g. logp=2.5 (repeatable).",
    )(function)


def table_option(default: str = "-") -> Callable[[F], F]:
    """`-o FILE`: where a table goes."""
    return click.option(
        "-o",
        "--output",
        default=default,
        show_default=True,
        metavar="FILE",
        help="Written whole or not at all; the ending chooses csv, tsv, smi, sdf or parquet, - is CSV on stdout.",
    )


def input_options(function: F) -> F:
    """The input's path and columns."""
    function = click.option("--name-column", help="Column with the molecules' names.")(function)
    function = click.option("--smiles-column", help="Column with the SMILES, if it is not called smiles.")(function)
    return click.argument("path", metavar="INPUT")(function)


def decoding_options(function: F) -> F:
    """Temperature, top-p and greedy."""
    function = click.option("--greedy", is_flag=True, help="Always take the likeliest token.")(function)
    function = click.option(
        "--top-p",
        type=Setting(TopP),
        help="Draw from the likeliest tokens that together have this probability.  [default: the model's own]",
    )(function)
    return click.option(
        "--temperature", type=TEMPERATURE, help="Below 1: likelier tokens, less variety.  [default: the model's own]"
    )(function)


@contextmanager
def resumable(command: Callable[[], str | None]) -> Iterator[None]:
    """Tell the user the command that goes on with the work in this block, or function, when a signal interrupts it."""
    try:
        yield
    except Interrupted as interrupted:
        interrupted.command = interrupted.command or command()
        raise


def same_command(*options: str) -> str:
    """The command that is running, with these options added if it lacks them."""
    arguments = click.get_current_context().meta[ARGUMENTS]
    return shlex.join(["molvae", *arguments, *(option for option in options if option not in arguments)])


def console(quiet: bool) -> Console:
    """Standard error, for everything that is not data; names such as `logS [mol/L]` are no markup."""
    return Console(stderr=True, quiet=quiet, highlight=False, markup=False)


class _BarStage:
    def __init__(self, bars: RichBars, task: TaskID) -> None:
        self.bars, self.task = bars, task

    def advance(self, n: int = 1) -> None:
        self.bars.advance(self.task, n)


class _RateColumn(TextColumn):
    def __init__(self, unit: str) -> None:
        super().__init__("")
        self.unit = unit

    def render(self, task: Any) -> Any:
        from rich.text import Text

        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f} {self.unit}/s" if speed else "")


class BarProgress(Progress):
    """Draws every stage as a bar with a rate and the time left, on standard error."""

    def __init__(self, screen: Console) -> None:
        self.screen = screen

    @contextmanager
    def stage(self, description: str, *, total: int | None = None, unit: str = "molecules") -> Iterator[Stage]:
        """One bar."""
        with RichBars(
            TextColumn("{task.description:<18}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            _RateColumn(unit),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self.screen,
            refresh_per_second=4,
        ) as bars:
            yield _BarStage(bars, bars.add_task(description, total=total))


def progress_for(quiet: bool) -> Progress:
    """Bars, or nothing."""
    return Progress() if quiet else BarProgress(console(False))


def read_conditions(given: Sequence[str]) -> dict[str, float]:
    """`NAME=VALUE`, several times → values by name; raises `click.UsageError` for anything else."""
    values = {}
    for text in given:
        name, equals, value = text.partition("=")
        try:
            values[name.strip()] = checked(Number, value, "number")
        except ConfigError:
            equals = ""
        if not equals:
            raise click.UsageError(f"--condition {text!r} is not NAME=VALUE with a number, such as logp=2.5")
    return values


def read_range(text: str, option: str) -> tuple[float, float]:
    """`LOW:HIGH` → two numbers; raises `click.UsageError` for anything else."""
    try:
        low, high = (checked(Number, part, "number") for part in text.split(":"))
    except ValueError as error:
        raise click.UsageError(f"{option} {text!r} is not LOW:HIGH with two numbers, such as 0.4:0.7") from error
    return low, high
