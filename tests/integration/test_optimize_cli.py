"""`molvae optimize` and `molvae neighbors` on the tiny checkpoint."""

import sys
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from molvae.chem.similarity import tanimoto
from molvae.cli import main

TINY = Path(__file__).parents[1] / "golden" / "tiny"
START = "CC(=O)Oc1ccccc1C(=O)O"


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


def fails(result: Result, message: str, code: int = 1) -> None:
    assert result.exit_code == code, result.output
    assert message in result.stderr
    assert "Traceback" not in result.output


def test_a_task_gives_a_table_a_plot_and_a_grid(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    out = tmp_path / "best.csv"
    pictures = ("--plot", tmp_path / "p.png", "--grid", tmp_path / "g.svg")
    result = call("optimize", "-m", TINY, "--task", "perindopril", "--calls", 30, "--batch", 10, "-o", out, *pictures)
    assert result.exit_code == 0, result.output
    frame = pd.read_csv(out)
    assert list(frame.columns) == [
        "smiles",
        "score",
        "similarity_ecfp4",
        "aromatic_rings",
        "call",
        "origin",
        "sa",
        "alert",
    ]
    assert frame["score"].is_monotonic_decreasing
    assert len(frame) == 30
    assert "area under the top-10 curve" in result.stderr
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (tmp_path / "g.svg").read_text()


def test_an_interrupted_search_goes_on(tmp_path: Path) -> None:
    how = ("optimize", "-m", TINY, "--task", "qed", "--batch", 5, "-o", tmp_path / "b.csv", "-q", "--start", START)
    assert call(*how, "--calls", 10).exit_code == 0
    first = pd.read_csv(tmp_path / "b.csv").sort_values("call")
    fails(call(*how, "--calls", 20), "--resume")
    assert call(*how, "--calls", 20, "--resume").exit_code == 0
    both = pd.read_csv(tmp_path / "b.csv").sort_values("call")
    assert both["smiles"].tolist()[:10] == first["smiles"].tolist()
    assert len(both) == 20
    fails(call(*how, "--calls", 30, "--resume", "--seed", 1), "the record of another run: its seed is 0, not 1")


def test_constraints_of_the_command_line_hold(tmp_path: Path) -> None:
    out = tmp_path / "b.csv"
    limits = ("--similar-to", START, "--min-similarity", 0.2, "--contains", "c1ccccc1", "--window", "mw=:400")
    result = call("optimize", "-m", TINY, "--task", "qed", "--calls", 12, "--batch", 4, "-o", out, *limits)
    assert result.exit_code == 0, result.output
    frame = pd.read_csv(out)
    assert frame["smiles"].map(lambda s: tanimoto(s, START)).min() >= 0.2
    assert START in set(frame["smiles"])


def test_a_program_that_dies_is_one_sentence_and_its_calls_are_kept(tmp_path: Path) -> None:
    script = tmp_path / "dock.py"
    script.write_text(
        "import pathlib, sys\n"
        f"seen = pathlib.Path({str(tmp_path / 'seen')!r})\n"
        "if seen.exists(): sys.exit('the license has expired')\n"
        "seen.touch()\n"
        "for line in sys.stdin: print(len(line))\n"
    )
    objective = tmp_path / "o.yaml"
    objective.write_text(f"scores: [{{kind: program, command: '{sys.executable} {script}'}}]\n")
    how = (
        "optimize",
        "-m",
        TINY,
        "--objective",
        objective,
        "--calls",
        12,
        "--batch",
        5,
        "-o",
        tmp_path / "b.csv",
        "-q",
    )
    fails(call(*how), "failed with exit code 1: the license has expired")
    record = (tmp_path / "b.csv.calls.jsonl").read_text().splitlines()
    assert 2 <= len(record) <= 6
    script.write_text("import sys\nfor line in sys.stdin: print(len(line))\n")
    assert call(*how, "--resume").exit_code == 0
    assert len(pd.read_csv(tmp_path / "b.csv")) == 12


@pytest.mark.parametrize(
    ("arguments", "message", "code"),
    [
        ((), "give either --task or --objective", 2),
        (("--task", "perindropil"), "did you mean 'perindopril_mpo'?", 1),
        (("--task", "qed", "--method", "tanimotobo"), "unknown method 'tanimotobo'", 1),
        (("--task", "qed", "--window", "logp"), "expected NAME=LOW:HIGH", 2),
        (("--task", "qed", "--window", "lgp=1:2"), "unknown descriptor 'lgp'", 1),
        (("--task", "qed", "--start", "xx"), "none of the 1 start molecules parses", 1),
        (("--task", "qed", "--contains", "[["), "this does not parse as SMARTS", 1),
        (("--task", "qed", "--keep", "[["), "does not parse as a SMILES", 1),
        (("--task", "qed", "--window", "logp=5:1"), "the window of logp is empty", 1),
        (("--objective", "no.yaml"), "cannot read the configuration no.yaml", 1),
    ],
)
def test_a_wrong_request_is_one_sentence(tmp_path: Path, arguments: tuple[str, ...], message: str, code: int) -> None:
    fails(call("optimize", "-m", TINY, "--calls", 3, "-o", tmp_path / "b.csv", *arguments), message, code)
    assert not list(tmp_path.iterdir())


def test_a_misspelled_score_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "o.yaml").write_text("scores: [{kind: simlarity}]\n")
    result = call("optimize", "-m", TINY, "--objective", tmp_path / "o.yaml", "-o", tmp_path / "b.csv")
    fails(result, "unknown score 'simlarity' (did you mean 'similarity'?)")


def test_neighbors_walk_away_from_a_molecule(tmp_path: Path) -> None:
    out = tmp_path / "n.csv"
    result = call(
        *("neighbors", START, "-m", TINY, "-o", out, "--walks", 2, "--steps", 3),
        *("--reach", 2, "--seed", 0, "--grid", tmp_path / "n.svg"),
    )
    assert result.exit_code == 0, result.output
    frame = pd.read_csv(out)
    assert frame["walk"].tolist() == [1, 1, 1, 2, 2, 2]
    assert frame["distance"].tolist() == [0, 1, 2, 0, 1, 2]
    assert frame["tanimoto_to_start"][0] == frame["tanimoto_to_start"][3]
    assert frame["status"][0] == frame["status"][3] == "start"
    counts = frame["status"].value_counts()
    listed = ", ".join(f"{counts.get(status, 0)} {status}" for status in ("new", "copy", "none"))
    assert f"4 steps: {listed}" in result.stderr
    assert "<svg" in (tmp_path / "n.svg").read_text()
    fails(call("neighbors", "xx", "-m", TINY), "'xx' does not parse")
