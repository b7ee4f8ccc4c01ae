"""What the README shows works: its Python is run, its commands and options exist, its files are there."""

import re
import shlex
from pathlib import Path

import click
import pytest

from molvae.cli import main

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
SHELL = [line for block in re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL) for line in block.splitlines()]
CALLS = [part.strip() for line in SHELL for part in line.split("&&") if re.match(r"(\S*/)?molvae ", part.strip())]


@pytest.mark.parametrize("program", PYTHON)
def test_the_python_of_the_readme_runs(program: str, run: Path) -> None:
    exec(program.replace("runs/quickstart", str(run)).replace("1000", "5"), {})


@pytest.mark.parametrize("line", CALLS)
def test_the_commands_of_the_readme_have_these_options(line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    command: click.Command = main
    while isinstance(command, click.Group):
        found = command.get_command(click.Context(command), words.pop(0))
        assert found is not None, line
        command = found
    known = {name for parameter in command.params for name in parameter.opts}
    for word in words:
        if word.startswith("-") and word != "-":
            assert word in known, f"{word} in {line}"


def test_the_readme_names_only_files_that_are_there() -> None:
    for name in set(re.findall(r"\b(?:configs|scripts|data)/[\w./-]+\.(?:yaml|py|csv\.gz)", README)):
        assert (ROOT / name).is_file() or name.startswith("data/moses/"), name
