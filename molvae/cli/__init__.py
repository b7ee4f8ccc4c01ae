"""The command line: one module per command, loaded when it is called."""

import errno
import importlib
import os
import sys
from contextlib import suppress
from typing import Any

import click

from molvae.errors import MolvaeError
from molvae.interruption import Interrupted, raise_interrupted

# Two threads that spin while they wait, on cores that something else uses too, bring each other nearly to a stand.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

ARGUMENTS = "molvae.arguments"  # where click's context has the arguments of the whole call

COMMANDS = {
    "data": "molvae.cli.data",
    "train": "molvae.cli.train",
    "finetune": "molvae.cli.finetune",
    "recipes": "molvae.cli.recipes",
    "fit-prior": "molvae.cli.fit_prior",
    "fit-heads": "molvae.cli.fit_heads",
    "sample": "molvae.cli.sample",
    "encode": "molvae.cli.encode",
    "decode": "molvae.cli.decode",
    "reconstruct": "molvae.cli.reconstruct",
    "interpolate": "molvae.cli.interpolate",
    "neighbors": "molvae.cli.neighbors",
    "optimize": "molvae.cli.optimize",
    "evaluate": "molvae.cli.evaluate",
    "diagnose": "molvae.cli.diagnose",
    "report": "molvae.cli.report",
    "app": "molvae.cli.app",
    "export": "molvae.cli.export",
    "push": "molvae.cli.push",
    "pull": "molvae.cli.pull",
    "mcp": "molvae.cli.mcp",
    "models": "molvae.cli.models",
}
SUMMARIES = {
    "data": "Download, prepare and look at molecules.",
    "train": "Train a model on molecules.",
    "finetune": "Go on training a model on other molecules.",
    "recipes": "List the experiments that ship with molvae.",
    "fit-prior": "Fit a prior to a trained model's latents.",
    "fit-heads": "Fit property heads to a trained model's latents.",
    "sample": "Draw new molecules.",
    "encode": "Encode molecules as latents or other features.",
    "decode": "Decode latents to molecules.",
    "reconstruct": "Encode molecules, decode them again, and compare.",
    "interpolate": "Find a path between two molecules.",
    "neighbors": "Walk away from one molecule through the latent.",
    "optimize": "Find molecules that score high.",
    "evaluate": "Compute published metrics of generated molecules.",
    "diagnose": "Measure the geometry of a model's latent space.",
    "report": "Write a page about a run, a file of molecules or a search.",
    "app": "Open a page in the browser.",
    "export": "Write a model for other runtimes.",
    "push": "Send a model to the Hugging Face hub.",
    "pull": "Fetch a model from the Hugging Face hub.",
    "mcp": "Serve a model's tools to an assistant.",
    "models": "List the models that ship with molvae.",
}


class _LazyGroup(click.Group):
    """Knows its commands by name and imports the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        return getattr(importlib.import_module(COMMANDS[cmd_name]), cmd_name.replace("-", "_"))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(SUMMARIES.items()))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Remember what was called, for the command that goes on with it."""
        ctx.meta[ARGUMENTS] = list(args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Turn molvae's errors, and the system's, into one sentence and exit code 1."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()  # what cannot be written is an error here, and not after the program's end
            return result
        except (MolvaeError, OSError) as error:
            _give_up_stdout(error)
            if isinstance(error, BrokenPipeError):  # the process that reads our output has ended
                ctx.exit(1)
            if ctx.params.get("debug"):
                raise
            raise click.ClickException(_sentence(error)) from error
        except MemoryError as error:
            if ctx.params.get("debug"):
                raise
            raise click.ClickException("not enough memory; try a smaller --batch-size or fewer --jobs") from error

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run, also without a standard output (`>&-`): the first thing written to it is an error.

        SIGINT and SIGTERM end the command in an orderly way, with 128 and their number as exit code.
        """
        if sys.stdout is None:
            # The file to be opened first would get its number otherwise, and then what was meant for it.
            sys.stdout = open(os.open(os.devnull, os.O_RDONLY), "w", encoding="utf-8")  # noqa: SIM115
        try:
            with raise_interrupted():
                return super().main(*args, **extra)
        except Interrupted as interrupted:
            click.echo(f"Interrupted by {interrupted}.", err=True)
            if interrupted.command is not None:
                click.echo(f"Go on with: {interrupted.command}", err=True)
            sys.exit(128 + interrupted.signum)
        except OSError as error:  # of `--help` and the like, which call no command
            _give_up_stdout(error)
            click.echo(f"Error: {_sentence(error)}", err=True)
            sys.exit(1)


def _give_up_stdout(error: Exception) -> None:
    """Send what could not be written to standard output nowhere, as Python writes it once more when it ends."""
    if isinstance(error, OSError) and not isinstance(error, MolvaeError) and error.filename is None:
        with suppress(OSError):  # it has no descriptor under a test runner
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _sentence(error: Exception) -> str:
    if isinstance(error, MolvaeError):
        return str(error)
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, OSError) and error.errno == errno.EBADF:
        return "cannot write to standard output: it is closed"
    return str(error)


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--debug", is_flag=True, help="Show the whole traceback of an error.")
@click.version_option(package_name="molvae")
def main(debug: bool) -> None:
    """Generate molecules with variational autoencoders."""
