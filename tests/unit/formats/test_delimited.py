"""Tables of text that are not as they should be: no row is lost without a count."""

import io
import sys
from pathlib import Path

import pytest

from molvae.errors import InputError
from molvae.formats.readers import read_molecules


def rows_of(path: Path, text: str, **options: object) -> list[tuple[str | None, str | None]]:
    path.write_text(text)
    return [(row.smiles, row.name) for row in read_molecules(path, **options)]  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
@pytest.mark.parametrize("first", ["CCO", "CC(C", "C", "c1ccccc1O"])
def test_a_table_without_a_header_keeps_its_first_molecule(name: str, first: str, tmp_path: Path) -> None:
    assert rows_of(tmp_path / name, f"{first}\nCCCN\n") == [(first, None), ("CCCN", None)]


def test_columns_without_names_have_numbers(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    assert rows_of(path, "CCO,ethanol\nCCN,amine\n") == [("CCO", None), ("CCN", None)]
    assert rows_of(path, "CCO,ethanol\nCCN,amine\n", name_column="2") == [("CCO", "ethanol"), ("CCN", "amine")]
    assert rows_of(path, "CCO,CC\nCCN,CN\n", smiles_column="2") == [("CC", None), ("CN", None)]
    with pytest.raises(InputError, match=r"no header and several columns of molecules; choose .*: 1 \(CCO\), 2 \(CC\)"):
        rows_of(path, "CCO,CC\nCCN,CN\n")


def test_a_header_that_happens_to_be_an_element_is_a_header(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no column called smiles.*: id, N, C"):
        rows_of(tmp_path / "a.csv", "id,N,C\n1,5,0.5\n")
    for name in ("compounds", "Structure (SMILES)", "SMILES=string", "mol#1"):
        assert rows_of(tmp_path / "a.csv", f"{name}\nCCO\n") == [("CCO", None)]


def test_an_open_quotation_mark_costs_no_row(tmp_path: Path) -> None:
    text = 'smiles,name\nCCO,"oops\n' + "".join(f"{'C' * n},n{n}\n" for n in range(1, 30)) + '"CCN","last"\n'
    rows = rows_of(tmp_path / "a.csv", text, name_column="name")
    assert rows[0] == ("CCO", "oops")
    assert rows[1:] == [("C" * n, f"n{n}") for n in range(1, 30)] + [("CCN", "last")]


def test_a_quotation_mark_that_swallows_rows_is_taken_literally(tmp_path: Path) -> None:
    rows = rows_of(tmp_path / "a.csv", 'smiles,name\nCCO,"a\nCCN,b"\nCC,c\n', name_column="name")
    assert rows == [("CCO", "a"), ("CCN", 'b"'), ("CC", "c")]


def test_quoted_cells_may_hold_lines_delimiters_and_quotes(tmp_path: Path) -> None:
    text = 'smiles,name\n"CCO","x, ""y""\nz"\nCC,5"-AMP\nCN,"a"b\n'
    rows = rows_of(tmp_path / "a.csv", text, name_column="name")
    assert rows == [("CCO", 'x, ""y""\nz'.replace('""', '"')), ("CC", '5"-AMP'), ("CN", "ab")]


def test_a_huge_cell_costs_no_row(tmp_path: Path) -> None:
    for cell in ("x" * 300_000, '"' + "x, " * 100_000 + '"'):
        rows = rows_of(tmp_path / "a.csv", f"smiles,name,y\nCCO,{cell},1\nCCN,n,2\n", name_column="name")
        assert [smiles for smiles, _ in rows] == ["CCO", "CCN"]
        assert len(rows[0][1] or "") > 200_000


@pytest.mark.parametrize("name", ["a.smi", "a.txt", "-"])
@pytest.mark.parametrize("mark", [",", "\t", ";", " "])
def test_columns_asked_for_are_found_in_any_text(
    name: str, mark: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "\n".join(mark.join(cells) for cells in (("id", "Drug", "Y"), ("d1", "CCO", "0.2"), ("d2", "CC", "0.5")))
    (tmp_path / "a.smi").write_text(text)
    (tmp_path / "a.txt").write_text(text)
    path = "-" if name == "-" else tmp_path / name

    def read(**columns: object) -> list[tuple[str | None, str | None, dict[str, str]]]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        rows = read_molecules(path, **columns)  # type: ignore[arg-type]
        return [(row.smiles, row.name, dict(row.extra)) for row in rows]

    expected = [("CCO", "d1", {"Y": "0.2"}), ("CC", "d2", {"Y": "0.5"})]
    assert read(smiles_column="Drug", name_column="id", extra_columns=["Y"]) == expected
    with pytest.raises(InputError, match=r"no column 'none' .*; its columns are: id, Drug, Y"):
        read(smiles_column="none")


def test_a_column_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has 2 columns called 'y'; rename all but one"):
        rows_of(tmp_path / "a.csv", "smiles,y,y\nC,1,2\n", extra_columns=["y"])


def test_absent_extra_columns_are_an_error_or_blank(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no column 'y'"):
        rows_of(tmp_path / "a.csv", "smiles\nC\n", extra_columns=["y"])
    assert rows_of(tmp_path / "a.csv", "smiles\nC\n", extra_columns=["y"], absent_columns="blank") == [("C", None)]


@pytest.mark.parametrize("name", ["a.smi", "a.csv"])
def test_blank_lines_are_rows_when_asked(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text("smiles\nCCO\n\n#CC\n# a comment\n\n" if name == "a.smi" else "smiles\nCCO\n\n#CC\n\n")
    rows = [(row.row, row.smiles, row.reason) for row in read_molecules(path, blank_lines=True)]
    assert rows == [(1, "CCO", None), (2, None, "blank"), (3, "#CC", None), (4, None, "blank")]


def test_inchi_is_read_in_tables_and_lines(tmp_path: Path) -> None:
    inchi = "InChI=1S/C2H6O/c1-2-3/h3H,2H2,1H3"
    assert rows_of(tmp_path / "a.csv", f'id,inchi\n1,"{inchi}"\n') == [("CCO", None)]
    assert rows_of(tmp_path / "a.tsv", f"Standard_InChI\tx\n{inchi}\t1\n") == [("CCO", None)]
    assert rows_of(tmp_path / "a.smi", f"{inchi} ethanol\nCC\n") == [("CCO", "ethanol"), ("CC", None)]
    (tmp_path / "a.csv").write_text("inchi\nInChI=1S/nonsense\n")
    assert next(read_molecules(tmp_path / "a.csv")).reason == "unreadable_inchi"


def test_extensions_of_cxsmiles_are_no_names(tmp_path: Path) -> None:
    rows = rows_of(tmp_path / "a.smi", "CCO |$a;b c;$,^1:2| ethanol\nCC |c:1|\nCN |odd\n")
    assert rows == [("CCO", "ethanol"), ("CC", None), ("CN", "|odd")]
