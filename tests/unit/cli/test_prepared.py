"""What a user is told about the rows and labels of a prepared folder."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from molvae.cli import main


def prepare(folder: Path, text: str, *arguments: str, name: str = "a.csv") -> tuple[int, str]:
    (folder / name).write_text(text, encoding="utf-8")
    fixed = (
        "--fragments",
        "0",
        "--descriptors",
        "none",
        "--jobs",
        "1",
        "--test-fraction",
        "0",
        "--valid-fraction",
        "0",
    )
    command = ["data", "prepare", str(folder / name), "-o", str(folder / "out"), *fixed, *arguments]
    result = CliRunner().invoke(main, command)
    return result.exit_code, result.output


def line_of(output: str, start: str) -> list[str]:
    """The cells of the row of a table that begins with a word."""
    rows = ([cell.strip() for cell in line.strip("│┃ ").replace("┃", "│").split("│")] for line in output.splitlines())
    return next(row for row in rows if row[0] == start)


def test_labels_are_told_apart_with_examples(tmp_path: Path) -> None:
    text = "smiles,y\nC,1.5e-9\nCC,>10\nCCC,\nCCCC,5 nM\nCCCCC,2.5e-9\nC,3.5e-9\nN,0\nO,0\n"
    code, output = prepare(tmp_path, text, "--property", "y", "--conflicts", "mean")
    assert code == 0
    assert line_of(output, "labels") == ["labels", "labeled", "missing", "unreadable", "censored", "replicates"]
    assert line_of(output, "y") == ["y", "4", "1", "1", "1", "1"]
    assert "y: unreadable labels such as '5 nM'" in output
    assert "y: 1 molecules have rows with different labels, of which their mean is kept (see " in output
    scales = output[output.index("training split") :]
    assert line_of(scales, "y") == ["y", "1.25e-09", "1.25e-09"]


def test_what_is_not_measured_is_not_printed(tmp_path: Path) -> None:
    text = "smiles,split,y,z\nC,train,3,\nCC,train,3,\nCCC,test,3,1\n"
    _, output = prepare(tmp_path, text, "--property", "y", "--property", "z", "--split", "column")
    scales = output[output.index("training split") :]
    assert line_of(scales, "y") == ["y", "3", "–"]
    assert line_of(scales, "z") == ["z", "–", "–"]


def test_far_labels_are_said_to_be_clipped(tmp_path: Path) -> None:
    rows = "".join(f"{'C' * n}O,{n}\n" for n in range(1, 30))
    _, output = prepare(tmp_path, f"smiles,y\n{rows}CN,1e9\n", "--property", "y")
    scales = output[output.index("training split") :]
    name, mean, std, clipped = line_of(scales, "y")
    assert (name, clipped) == ("y", "1")
    assert float(mean) < 25
    assert float(std) < 50
    assert "labels more than 10 sd from the mean" in output


def test_limits_taken_for_labels_and_components_left_out_are_told(tmp_path: Path) -> None:
    text = "smiles,y\nCC[NH3+].[Cl-],>10\nCCC,1\nCCO.NC(=O)c1cccnc1,2\n"
    _, output = prepare(tmp_path, text, "--property", "y", "--censored", "value")
    assert "y: the numbers of 1 limits such as >10 were taken for labels" in output
    assert "left out of 1 rows: counterions ([Cl-] 1)" in output
    assert "left out of 1 rows: solvents (CCO 1)" in output


def test_names_and_molecules_in_brackets_are_shown_as_they_are(tmp_path: Path) -> None:
    text = "smiles,[red]y,split\nCCCC.[nH]1cccc1,1,[b]\nC,2,train\n"
    _, output = prepare(tmp_path, text, "--property", "[red]y", "--split", "column")
    assert line_of(output, "[red]y") == ["[red]y", "2", "0"]
    assert line_of(output, "[b]") == ["[b]", "1"]
    assert "other molecules (co-crystals, mixtures) (c1cc[nH]c1 1)" in output


@pytest.mark.parametrize(
    ("text", "arguments", "message"),
    [
        ("smiles,y\nC,5 nM\n", ("--property", "y"), "none of 1 molecules has a label 'y': 1 unreadable such as '5 nM'"),
        (
            "smiles,y\nC,1\nC,2\n",
            ("--property", "y", "--conflicts", "error"),
            "the rows of C have different labels 'y'",
        ),
        ("smiles,qed\nC,1\n", ("--property", "qed", "--descriptors", "basic"), "has the name of a descriptor"),
        ("smiles,y\nC,1\n", ("--property", "z"), "has no column 'z'"),
    ],
)
def test_labels_that_cannot_be_used_are_one_sentence(
    text: str, arguments: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    code, output = prepare(tmp_path, text, *arguments)
    assert code == 1
    assert message in output
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
