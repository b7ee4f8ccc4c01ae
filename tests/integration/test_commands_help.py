"""Commands check what they are given before a model is loaded, say what could be meant, and complete in the shell."""

from pathlib import Path

import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner, Result

import molvae
from molvae.cli import main


def called(*words: object) -> Result:
    return CliRunner().invoke(main, list(map(str, words)))


@pytest.fixture
def no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*arguments: object, **named: object) -> None:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr(molvae, "load", load)


@pytest.mark.parametrize(
    "words",
    [
        ["encode", "absent.csv"],
        ["reconstruct", "absent.csv"],
        ["diagnose", "zinc", "absent.csv"],
        ["decode", "absent.csv"],
        ["optimize", "--task", "qed", "--start-file", "absent.csv", "-o", "-"],
        ["interpolate", "CCO", "no molecule"],
        ["neighbors", "no molecule"],
        ["report", "zinc", "--training", "absent.csv", "-o", "page.html"],
    ],
    ids=lambda words: words[0],
)
def test_inputs_are_checked_before_a_model_is_loaded(words: list[str], no_model: None, tmp_path: Path) -> None:
    if "page.html" in words:
        words = [*words[:-1], str(tmp_path / "page.html")]
    result = called(*words)
    assert result.exit_code == 1, repr(result.exception)
    assert not isinstance(result.exception, AssertionError)
    assert "absent.csv" in result.output or "does not parse" in result.output


@pytest.mark.parametrize(
    "words",
    [
        ["sample", "-m", "nosuch", "-n", "1"],
        ["encode", "one.smi", "-m", "nosuch"],
        ["finetune", "nosuch", "one.smi", "-o", "new"],
        ["diagnose", "nosuch", "one.smi"],
        ["export", "onnx", "-m", "nosuch", "-o", "new"],
        ["fit-prior", "nosuch", "--data", "nowhere"],
    ],
    ids=lambda words: words[0],
)
def test_a_model_that_is_not_there_is_answered_with_those_that_ship(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if words[0] == "export":
        pytest.importorskip("onnx")
    monkeypatch.chdir(tmp_path)
    Path("one.smi").write_text("CCO\n")
    result = called(*words)
    assert result.exit_code in (1, 2)
    assert "moses" in result.output or result.exit_code == 2


def test_reconstruct_keeps_names(run: Path, tmp_path: Path) -> None:
    (tmp_path / "named.smi").write_text("CCO ethanol\nCC(=O)Nc1ccc(O)cc1 paracetamol\n")
    (tmp_path / "named.csv").write_text("smiles,id\nCCO,ethanol\n")
    lines = called("reconstruct", tmp_path / "named.smi", "-m", run, "-q").stdout.splitlines()
    assert [line.split(",")[0] for line in lines] == ["name", "ethanol", "paracetamol"]
    lines = called("reconstruct", tmp_path / "named.csv", "--name-column", "id", "-m", run, "-q").stdout.splitlines()
    assert lines[1].startswith("ethanol,CCO")


def test_greedy_and_sample_are_the_two_ways_everywhere(run: Path, tmp_path: Path) -> None:
    latents = tmp_path / "z.csv"
    assert called("encode", "-", "-m", run, "-o", latents).exit_code in (0, 1)
    for command in ("sample", "decode"):
        text = called(command, "--help").output
        assert "--greedy / --sample" in text


def test_columns_that_look_like_labels_are_named(tmp_path: Path) -> None:
    table = tmp_path / "assay.csv"
    rows = "\n".join(f"{'C' * i}O,{i / 10},{i},m{i}" for i in range(1, 30))
    table.write_text(f"smiles,logS,number,name\n{rows}\n")
    said = called("data", "prepare", table, "-o", tmp_path / "a", "--jobs", "1").stderr
    assert "not kept: logS, which look like labels; keep one with --property logS" in said
    assert "number" not in said.partition("not kept:")[2]
    said = called("data", "prepare", table, "-o", tmp_path / "b", "--property", "logS", "--jobs", "1").stderr
    assert "not kept" not in said


@pytest.mark.parametrize(
    ("words", "begun", "offered"),
    [
        (["sample", "-m"], "mo", "moses"),
        (["optimize", "--task"], "peri", "perindopril_mpo"),
        (["models"], "z", "zinc"),
        (["recipes"], "quick", "quickstart"),
        ([], "interp", "interpolate"),
    ],
)
def test_the_shell_completes_names(words: list[str], begun: str, offered: str) -> None:
    complete = ShellComplete(main, {}, "molvae", "_MOLVAE_COMPLETE")
    assert offered in [item.value for item in complete.get_completions(words, begun)]
