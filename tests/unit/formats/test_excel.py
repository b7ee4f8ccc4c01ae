"""Excel workbooks."""

import io
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from molvae.errors import InputError, InputFileError, MissingExtraError
from molvae.formats import excel
from molvae.formats.readers import count_rows, read_molecules

SMILES = "CC(=O)N[C@@H](Cc1ccccc1)C(=O)O"


def workbook(path: Path, **sheets: list[list[Any]]) -> Path:
    openpyxl = pytest.importorskip("openpyxl", reason="needs openpyxl")
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def test_the_rows_of_a_workbook_are_read_whatever_it_is_called(tmp_path: Path) -> None:
    rows = [
        ["id", "SMILES", "pIC50"],
        [1, SMILES, 5.5],
        [None] * 3,
        ["=HYPERLINK(1)", " CCO.Cl", True],
        ["x", None, ">10"],
    ]
    path = workbook(tmp_path / "a.xlsx", Data=rows, Empty=[])
    (tmp_path / "a.csv").write_bytes(path.read_bytes())
    for name in ("a.xlsx", "a.csv"):
        read = list(read_molecules(tmp_path / name, extra_columns=["pIC50"], name_column="id"))
        assert [(row.row, row.smiles, row.reason) for row in read] == [
            (1, SMILES, None),
            (2, "CCO.Cl", None),
            (3, None, "blank"),
        ]
        assert [row.extra["pIC50"] for row in read] == ["5.5", "True", ">10"]
        assert read[0].name == "1"
        assert count_rows(tmp_path / name) is None


def test_the_sheet_with_the_molecules_is_found_or_asked_for(tmp_path: Path) -> None:
    notes, data = [["made by", "me"]], [["name", "Drug"], ["ethanol", "CCO"]]
    path = workbook(tmp_path / "a.xlsx", Notes=notes, Data=[["smiles"], ["CCN"]])
    assert [row.smiles for row in read_molecules(path)] == ["CCN"]
    path = workbook(tmp_path / "a.xlsx", Notes=notes, Data=data)
    assert [row.smiles for row in read_molecules(path, smiles_column="Drug")] == ["CCO"]
    with pytest.raises(InputError, match=r"several sheets \(Notes, Data\); save the one"):
        list(read_molecules(path))
    with pytest.raises(InputError, match="holds no molecules"):
        list(read_molecules(workbook(tmp_path / "a.xlsx", Empty=[])))
    with pytest.raises(InputError, match="no column called smiles"):
        list(read_molecules(workbook(tmp_path / "a.xlsx", Notes=notes)))


def test_rows_beyond_the_stored_dimensions_are_read(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", Data=[["smiles"], *(["C" * n] for n in range(1, 50))])
    changed = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(changed, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(b'<dimension ref="A1:A50"', b'<dimension ref="A1:A2"'))
    path.write_bytes(changed.getvalue())
    assert len(list(read_molecules(path))) == 49


def test_a_damaged_or_huge_workbook_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = workbook(tmp_path / "a.xlsx", Data=[["smiles"], ["CCO"]])
    whole = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    for cut in names:
        changed = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(whole)) as old, zipfile.ZipFile(changed, "w") as new:
            for name in names:
                new.writestr(name, old.read(name)[: 60 if name == cut else None])
        path.write_bytes(changed.getvalue())
        try:
            assert [row.smiles for row in read_molecules(path)] in (["CCO"], [])
        except InputError as error:
            assert "\n" not in str(error)  # noqa: PT017  which of them are needed is openpyxl's matter
    path.write_bytes(whole)
    monkeypatch.setattr(excel, "MAX_PART", 100)
    with pytest.raises(InputFileError, match="too large"):
        list(read_molecules(path))


def test_without_openpyxl_the_way_out_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "a.xlsx", "w") as archive:
        archive.writestr("xl/workbook.xml", "")
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'molvae\[excel\]', or save the table as CSV"):
        list(read_molecules(tmp_path / "a.xlsx"))
