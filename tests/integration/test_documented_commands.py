"""The guides' commands that take a model one has trained, run as they stand on a small one, in an empty folder."""

import re
import shlex
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from molvae.cli import main

GUIDES = sorted((Path(__file__).parents[2] / "docs" / "guides").glob("*.md"))
TEXT = "\n".join(guide.read_text(encoding="utf-8") for guide in GUIDES)
BLOCKS = re.findall(r"```sh\n(.*?)```", TEXT, flags=re.DOTALL)
OBJECTIVES = [text for text in re.findall(r"```yaml\n(.*?)```", TEXT, flags=re.DOTALL) if "scores:" in text]
COMMANDS = ("sample", "interpolate", "encode", "reconstruct", "neighbors", "diagnose", "optimize", "models")
CALLS = [
    words[1:]
    for block in BLOCKS
    for line in block.splitlines()
    if (words := shlex.split(line, comments=True))[:1] == ["molvae"]
    if words[1] in COMMANDS and "&&" not in words and not {"zinc", "moses", "qsar"} & set(words)
]
SMALLER = {"-n": "20", "--calls": "6", "--max-time": "00:00:01"}


def smaller(words: list[str], run: str) -> list[str]:
    """The same command on the small model, with less to do."""
    of_model = [run if word in ("runs/mine", "runs/quickstart") else word for word in words]
    given = [SMALLER.get(before, word) for before, word in zip(["", *of_model], of_model, strict=False)]
    takes_model = words[0] not in ("models", "diagnose") and "-m" not in given
    return [*given, *(("-m", run) if takes_model else ())]


@pytest.mark.parametrize("words", CALLS, ids=" ".join)
def test_a_command_of_the_guides_runs_on_one_s_own_model(
    words: list[str],
    kind_of: Callable[[str], Any],
    library: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if any(word.endswith((".png", ".html")) for word in words):
        pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    molecules = [line.split(",")[0] for line in library.read_text().splitlines()[1:]]
    Path("library.smi").write_text("\n".join(molecules) + "\n")
    objective = re.sub(r"\n- \{kind: program[^\n]*", "", OBJECTIVES[0])  # whose program is the reader's own
    Path("objective.yaml").write_text(objective)
    result = CliRunner().invoke(main, smaller(words, kind_of("gaussian").where))
    assert result.exit_code == 0 or "constraints" in result.stderr, f"{result.exception!r}\n{result.stderr[-1500:]}"
    assert "Traceback" not in result.output
    for flag, word in pairwise(words):
        if flag in ("-o", "--grid", "--map", "--page", "--plot") and result.exit_code == 0:
            assert Path(word).is_file(), word
