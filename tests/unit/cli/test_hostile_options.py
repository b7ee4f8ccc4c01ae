"""Every option of every command with values that nobody should give: one sentence, and never a traceback."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from molvae.cli import COMMANDS, main

NEVER = ("nan", "inf", "-inf", "1e309", str(2**64), "9" * 5000, "", "x", "0x10", "१")
"""No number, or none that any option means."""
SOMETIMES = ("-1", "0", "1", "1e-300", "1e300", "0.5", str(2**31), str(2**32))
WORDS = ("", " ", "x" * 5000, "../..", "a=b=c", "=", "{", "😀", "--help")
FILLED = {"inputs": "missing.smi", "path": "missing.smi", "model_path": "missing", "folder": "missing", "smiles": "C"}
FILLED |= {"start": "C", "end": "CC", "name": "missing", "subject": "missing", "address": "missing", "format": "onnx"}


def commands() -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(main)
    for name in COMMANDS:
        command = main.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from (((name, inner), it) for inner, it in command.commands.items())
        else:
            yield (name,), command


def numeric(option: click.Parameter) -> bool:
    return option.type.name in ("number", "integer", "integer range", "float", "float range")


def options(*, numbers: bool) -> list[tuple[tuple[str, ...], click.Command, str]]:
    return [
        (path, command, max(option.opts, key=len))
        for path, command in commands()
        for option in command.params
        if isinstance(option, click.Option) and not option.is_flag and numeric(option) == numbers
    ]


def call(path: tuple[str, ...], command: click.Command, *arguments: str) -> Result:
    """The command with an option, the arguments that it needs, and inputs and models that are not there."""
    given = [*path, *arguments]
    for parameter in command.params:
        named = {argument.partition("=")[0] for argument in arguments}
        if isinstance(parameter, click.Option) and parameter.required and not set(parameter.opts) & named:
            given += [parameter.opts[0], "5" if numeric(parameter) else "missing"]
        if isinstance(parameter, click.Option) and "--model" in parameter.opts and "--model" not in arguments:
            given += ["--model", "missing"]
    positional = [p for p in command.params if isinstance(p, click.Argument)]
    return CliRunner().invoke(main, [*given, "--", *(FILLED[str(p.name)] for p in positional)])


def assert_one_sentence(result: Result) -> str:
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    assert "Traceback" not in result.output
    complaints = [line for line in result.output.splitlines() if line.startswith("Error: ")]
    assert (result.exit_code in (1, 2) and len(complaints) == 1) or result.exit_code == 0, result.output
    return complaints[0] if complaints else ""


def test_every_number_is_found() -> None:
    found = {f"{' '.join(path)} {flag}" for path, _, flag in options(numbers=True)}
    assert {"sample --temperature", "data prepare --jobs", "optimize --target", "fit-heads --seed"} <= found
    assert len(found) > 45


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(("path", "command", "flag"), options(numbers=True), ids=lambda x: str(x))
def test_a_number_that_is_none_is_refused_by_the_name_of_its_option(
    path: tuple[str, ...], command: click.Command, flag: str
) -> None:
    for value in NEVER:
        complaint = assert_one_sentence(
            call(path, command, f"{flag}={value}" if flag.startswith("--") else f"-n{value}")
        )
        assert re.search(rf"{flag}\b", complaint) or (value == "" and flag == "-n"), (value, complaint)
        assert len(complaint) < 500


@pytest.mark.parametrize(("path", "command", "flag"), options(numbers=True), ids=lambda x: str(x))
def test_a_number_out_of_range_is_one_sentence(path: tuple[str, ...], command: click.Command, flag: str) -> None:
    for value in SOMETIMES:
        assert_one_sentence(call(path, command, f"{flag}={value}" if flag.startswith("--") else f"-n{value}"))
    if "seed" in flag:
        assert flag in assert_one_sentence(call(path, command, f"{flag}=-1"))
        assert flag in assert_one_sentence(call(path, command, f"{flag}={2**32}"))
    if flag in ("--jobs", "--batch-size", "-n", "--temperature", "--top-p", "--latent-temperature"):
        assert flag in assert_one_sentence(call(path, command, f"{flag}=0" if flag.startswith("--") else "-n0"))
    if flag in ("--temperature", "--top-p"):
        assert flag in assert_one_sentence(call(path, command, f"{flag}=1e-300"))


@pytest.mark.parametrize(("path", "command", "flag"), options(numbers=False), ids=lambda x: str(x))
def test_words_that_mean_nothing_are_one_sentence(path: tuple[str, ...], command: click.Command, flag: str) -> None:
    for value in WORDS:
        if flag in ("--output", "--record") and len(value) < 3:
            continue  # the current directory
        assert_one_sentence(call(path, command, flag, value))


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["sample", "--condition", "logp=nan"], "logp=nan"),
        (["sample", "--condition", "logp=1e400"], "logp=1e400"),
        (["optimize", "--task", "qed", "--window", "logp=nan:2"], "finite number"),
        (["optimize", "--task", "qed", "--window", "logp=3:2"], "empty"),
        (["evaluate", "zinc", "--seeds", "0,-1"], "--seeds"),
        (["evaluate", "zinc", "--seeds", str(2**40)], "--seeds"),
        (["data", "prepare", "x.smi", "-o", "p", "--elements", "C,Xx"], "'Xx' is the symbol of no element"),
        (["data", "prepare", "x.smi", "-o", "p", "--min-atoms", "50", "--max-atoms", "10"], "no molecule fits"),
        (["data", "prepare", "x.smi", "-o", "p", "--valid-fraction", "0.6", "--test-fraction", "0.6"], "below 1"),
        (["train", "x.smi", "-o", "r", "--max-time", "9" * 400], "expected a duration"),
        (["train", "x.smi", "-o", "r", "--max-time", "nan"], "expected a duration"),
        (["fit-prior", "-m", "x", "--data", "d", "--max-time", "-1"], "expected a duration"),
        (["finetune", "zinc", "x.smi", "-o", "r", "--max-time", "٣"], "expected a duration"),
        *(
            (["sample", "-m", "zinc", "--device", d], "device")
            for d in ("mps", "cuda:99", "cuda:-1", "meta", "", "xla")
        ),
    ],
)
def test_values_with_a_form_of_their_own(arguments: list[str], complaint: str) -> None:
    assert complaint in assert_one_sentence(CliRunner().invoke(main, arguments))
