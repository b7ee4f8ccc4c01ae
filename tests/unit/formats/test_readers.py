import csv
import gzip
import io
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from rdkit import Chem

from molvae.errors import InputError, InputFileError, MolvaeError
from molvae.formats.readers import count_rows, read_molecules

SMILES = ["CCO", "c1ccccc1", "CC(=O)O"]


def smiles_of(path: Path, **options: str) -> list[str | None]:
    return [row.smiles for row in read_molecules(path, **options)]


def test_smi_has_names_comments_blank_lines_and_perhaps_a_header(tmp_path: Path) -> None:
    path = tmp_path / "a.smi"
    path.write_text("smiles name\r\n# comment\r\n\r\n  CCO ethanol, pure\r\nc1ccccc1\tbenzene\n")
    rows = list(read_molecules(path))
    assert [(r.row, r.smiles, r.name) for r in rows] == [(1, "CCO", "ethanol, pure"), (2, "c1ccccc1", "benzene")]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
def test_tables_of_any_delimiter_and_encoding(delimiter: str, encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    lines = [delimiter.join(["Name", "SMILES"])] + [delimiter.join(["Köln", s]) for s in SMILES]
    path.write_bytes("\r\n".join(lines).encode(encoding))
    rows = list(read_molecules(path, name_column="Name"))
    assert [r.smiles for r in rows] == SMILES
    assert rows[0].name == "Köln"


def test_quoted_newlines_ragged_rows_and_blank_cells_are_each_one_row(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('note,smiles\n"two\nlines, quoted",CCO\nshort\nx,\ny,CC,more\n')
    rows = list(read_molecules(path))
    assert [(r.smiles, r.reason) for r in rows] == [("CCO", None), (None, "blank"), (None, "blank"), ("CC", None)]


def test_gzip_is_read_by_its_ending(tmp_path: Path) -> None:
    path = tmp_path / "a.smi.gz"
    path.write_bytes(gzip.compress("\n".join(SMILES).encode()))
    assert smiles_of(path) == SMILES


def test_parquet_plain_and_packed(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": [1, 2, 3], "canonical_smiles": [*SMILES[:2], None]})
    frame.to_parquet(tmp_path / "a.parquet")
    (tmp_path / "b.parquet.gz").write_bytes(gzip.compress((tmp_path / "a.parquet").read_bytes()))
    for name in ("a.parquet", "b.parquet.gz"):
        rows = list(read_molecules(tmp_path / name, extra_columns=["x"]))
        assert [r.smiles for r in rows] == [*SMILES[:2], None]
        assert rows[1].extra == {"x": "2"}
    assert count_rows(tmp_path / "a.parquet") == 3


def test_sdf_gives_names_fields_and_a_reason_for_each_unreadable_record(tmp_path: Path) -> None:
    good = Chem.MolToMolBlock(Chem.MolFromSmiles("CCO"))
    text = f"ethanol{good[good.index(chr(10)) :]}> <assay>\n4.2\n\n$$$$\nbroken\n\n\n  3 2 nonsense\nM  END\n$$$$\n"
    (tmp_path / "a.sdf").write_text(text)
    rows = list(read_molecules(tmp_path / "a.sdf", extra_columns=["assay"]))
    assert [(r.smiles, r.name, r.reason) for r in rows] == [
        ("CCO", "ethanol", None),
        (None, "broken", "unreadable_record"),
    ]
    assert rows[0].extra == {"assay": "4.2"}


def test_standard_input_is_smi_or_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    for text, expected in (("CCO a\nCC b\n", ["CCO", "CC"]), ("id,smiles\n1,CCO\n", ["CCO"])):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(text.encode()))))
        assert [r.smiles for r in read_molecules("-")] == expected


def test_standard_input_may_be_packed_sdf_or_parquet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pd.DataFrame({"smiles": ["CCO", "CC"]}).to_parquet(tmp_path / "a.parquet")
    parquet = (tmp_path / "a.parquet").read_bytes()
    record = (Chem.MolToMolBlock(Chem.MolFromSmiles("CCO")) + "$$$$\n").encode()
    for content in (
        record,
        gzip.compress(record),
        gzip.compress(b"\n\nid;smiles\n1;CCO\n"),
        parquet,
        gzip.compress(parquet),
    ):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        assert next(read_molecules("-")).smiles == "CCO"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(gzip.compress(b"CCO\n" * 99)[:-9])))
    with pytest.raises(InputFileError, match="truncated gzip"):
        list(read_molecules("-"))


def test_a_smi_header_may_follow_comments(tmp_path: Path) -> None:
    (tmp_path / "a.smi").write_text("# made today\n\nSMILES Name\nCCO ethanol\n")
    assert [(r.row, r.smiles) for r in read_molecules(tmp_path / "a.smi")] == [(1, "CCO")]


def test_a_count_is_a_guess_that_never_fails(tmp_path: Path) -> None:
    (tmp_path / "a.smi").write_text("CCO\nCC\n")
    (tmp_path / "a.parquet").write_bytes(b"no Parquet")
    (tmp_path / "a.smi.gz").write_bytes(b"no gzip")
    assert count_rows(tmp_path / "a.smi") == 2
    (tmp_path / "a.csv").write_text("smiles,x\nCCO,1\nCC,2\n")
    assert count_rows(tmp_path / "a.csv") == 2
    for source in ("a.parquet", "a.smi.gz", "none.smi", "a.xyz"):
        assert count_rows(tmp_path / source) is None
    assert count_rows("-") is None


def test_reading_text_formats_imports_no_chemistry_and_no_table_library() -> None:
    code = (
        "import sys, molvae.formats.readers; sys.exit(bool({'rdkit', 'pandas', 'pyarrow', 'torch'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize(
    ("name", "content", "kind", "message"),
    [
        ("a.csv", b"", InputError, "holds no molecules"),
        ("a.csv", b"smiles,x\n", InputError, "holds no molecules"),
        ("a.smi", b"\n\n", InputError, "holds no molecules"),
        ("a.csv", b"a,b\n1,2\n", InputError, "--smiles-column: a, b"),
        ("a.xyz", b"CCO", InputFileError, "unknown ending"),
        ("a.csv.gz", gzip.compress(b"smiles\nCCO\n", mtime=0)[:-6], InputFileError, "truncated gzip"),
        ("a.csv.gz", b"smiles\nCCO\n", InputFileError, "gzip"),
        ("a.parquet", b"smiles\nCCO\n", InputFileError, "Parquet"),
    ],
)
def test_bad_files_are_one_sentence(
    name: str, content: bytes, kind: type[MolvaeError], message: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(kind, match=message):
        list(read_molecules(tmp_path / name))


def test_missing_files_and_folders_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="No such file"):
        list(read_molecules(tmp_path / "none.smi"))
    with pytest.raises(InputFileError, match="is a folder"):
        list(read_molecules(tmp_path))
    (tmp_path / "a.csv").write_text("smiles\nCCO\n")
    with pytest.raises(InputError, match="no column 'x'"):
        list(read_molecules(tmp_path / "a.csv", smiles_column="x"))


def test_every_messy_file_reads_or_fails_in_one_sentence(shared_data: Path) -> None:
    files = [p for p in (shared_data / "messy").rglob("*") if p.is_file() and p.name != "MANIFEST.csv"]
    assert files
    for path in files:
        options = {"file_format": "sdf"} if "ctab" in path.parent.name else {}
        try:
            rows = list(read_molecules(path, **options))
        except (InputError, InputFileError) as error:
            assert "\n" not in str(error)  # noqa: PT017  either outcome is right
        else:
            assert all((row.smiles is None) == (row.reason is not None) for row in rows)
            assert [row.row for row in rows] == list(range(1, len(rows) + 1))


def test_messy_tables_have_the_number_of_rows_the_manifest_says(shared_data: Path) -> None:
    with (shared_data / "messy" / "MANIFEST.csv").open(newline="") as file:
        manifest = {row["path"]: row["records"] for row in csv.DictReader(file)}
    for name in (
        "table/rdkit_buildingblocks.tsv.gz",
        "table/chembl_seh_export_semicolon.csv.gz",
        "made/utf8_bom_crlf.csv",
        "sdf/rdkit_witch-salts.sdf.gz",
        "smi/rdkit_nci_first_5K.smi.gz",
    ):
        assert len(list(read_molecules(shared_data / "messy" / name))) == int(manifest[name]), name


def test_bytes_in_parquet_are_text_and_lists_are_refused(tmp_path: Path) -> None:
    frame = pd.DataFrame({"smiles": [s.encode() for s in SMILES], "parts": [[1, 2]] * 3})
    frame.to_parquet(tmp_path / "a.parquet")
    assert smiles_of(tmp_path / "a.parquet") == SMILES
    with pytest.raises(InputError, match=r"column 'parts' of .* holds values of type list"):
        smiles_of(tmp_path / "a.parquet", smiles_column="parts")


def test_content_decides_between_formats(tmp_path: Path) -> None:
    pd.DataFrame({"smiles": SMILES}).to_parquet(tmp_path / "a.csv")
    assert smiles_of(tmp_path / "a.csv") == SMILES
    (tmp_path / "b.txt").write_text(Chem.MolToMolBlock(Chem.MolFromSmiles("CCO")) + "$$$$\n")
    assert smiles_of(tmp_path / "b.txt") == ["CCO"]


def test_a_data_field_that_no_record_has_is_an_error(tmp_path: Path) -> None:
    block = Chem.MolToMolBlock(Chem.MolFromSmiles("CCO"))
    (tmp_path / "a.sdf").write_text(f"{block}> <assay>\n4.2\n\n$$$$\n")
    with pytest.raises(InputError, match=r"no record .* has a data field 'y'; its data fields are: assay"):
        list(read_molecules(tmp_path / "a.sdf", extra_columns=["y"]))
    assert len(list(read_molecules(tmp_path / "a.sdf", extra_columns=["y"], absent_columns="blank"))) == 1
