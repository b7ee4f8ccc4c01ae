"""What a file holds is looked at before it is read."""

import bz2
import gzip
import io
import lzma
import os
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest
from rdkit import Chem

from molvae.errors import InputFileError
from molvae.formats.readers import count_rows, read_molecules

TABLE = b"smiles;y\nCCO;1,5\nCCN;2\n"


def zipped(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, TABLE)
    return file.getvalue()


PACKED = {
    "gzip": gzip.compress(TABLE, mtime=0),
    "bzip2": bz2.compress(TABLE),
    "xz": lzma.compress(TABLE),
    "zstd": pa.compress(TABLE, "zstd", asbytes=True),
    "zip": zipped("assay/table.csv"),
    "gzip in gzip": gzip.compress(gzip.compress(TABLE), mtime=0),
}


@pytest.mark.parametrize("packing", PACKED)
@pytest.mark.parametrize("source", ["file", "standard input", "pipe"])
def test_packed_tables_are_read_whatever_they_are_called(
    packing: str, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "table.csv"
    if source == "pipe":
        path = tmp_path / "table"
        os.mkfifo(path)
        threading.Thread(target=path.write_bytes, args=(PACKED[packing],)).start()
        assert count_rows(path) is None  # which must not read it
    elif source == "file":
        path.write_bytes(PACKED[packing])
        assert count_rows(path) == 2
    else:
        path = Path("-")
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(PACKED[packing])))
    rows = list(read_molecules(path, extra_columns=["y"]))
    assert [(row.smiles, row.extra["y"], row.decimal_comma) for row in rows] == [
        ("CCO", "1,5", True),
        ("CCN", "2", True),
    ]


@pytest.mark.parametrize("packing", ["gzip", "bzip2", "xz", "zstd"])
def test_long_packed_tables_are_read_to_their_end_from_a_pipe(packing: str, tmp_path: Path) -> None:
    text = b"smiles,n\n" + b"".join(b"CCO,%d\n" % n for n in range(30_000))
    pack = {"gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress}
    content = pack[packing](text) if packing in pack else pa.compress(text, packing, asbytes=True)
    os.mkfifo(tmp_path / "pipe")
    threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(content,)).start()
    rows = list(read_molecules(tmp_path / "pipe", extra_columns=["n"]))
    assert [row.extra["n"] for row in rows] == [str(n) for n in range(30_000)]


@pytest.mark.parametrize("ending", [".csv.gz", ".csv.bz2", ".csv.xz", ".csv.zst", ".csv.zip"])
def test_what_is_named_packed_and_is_not_is_one_sentence(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{ending}"
    path.write_bytes(TABLE)
    with pytest.raises(InputFileError, match=r"is named like a \w+ file and is none"):
        list(read_molecules(path))


@pytest.mark.parametrize("packing", ["gzip", "bzip2", "xz", "zstd", "zip"])
def test_a_truncated_file_is_damaged_whatever_packs_it(packing: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(PACKED[packing][:-8])
    with pytest.raises(InputFileError, match=f"damaged or truncated {packing} file"):
        list(read_molecules(path))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig", "latin-1"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("name", ["a.csv", "a.txt", "a.smi"])
def test_text_of_any_encoding_and_line_end_is_read(encoding: str, ending: str, name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(ending.join(["smiles\tname", "CCO\tKöln", "c1ccccc1\tb", ""]).encode(encoding))
    rows = list(read_molecules(path, name_column="name"))
    assert [(row.smiles, row.name) for row in rows] == [("CCO", "Köln"), ("c1ccccc1", "b")]


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (zipped("[Content_Types].xml", "xl/workbook.xml"), "Excel workbook.*save the table as CSV"),
        (zipped("[Content_Types].xml", "word/document.xml"), "is an Office document"),
        (zipped("a.csv", "b.csv"), r"ZIP archive of 2 files \(a.csv, b.csv\)"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "old Excel or Word file"),
        (b"%PDF-1.7\n", "PDF"),
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (b"ARROW1\0\0", "Arrow"),
        (b"SQLite format 3\0", "SQLite"),
        (b"\n<!DOCTYPE html>\n<html>", "HTML page, perhaps what a server sent"),
        (b'{"smiles": ["CCO"]}', "JSON"),
        (gzip.compress(b"x" * 257 + b"ustar" + b"\0" * 250, mtime=0), "tar archive"),
        (bytes(range(256)) * 4, "no text and of an unknown kind"),
    ],
)
@pytest.mark.parametrize("name", ["a.smi", "a.csv", "a.xlsx"])
def test_what_is_no_table_is_named(head: bytes, message: str, name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(head)
    with pytest.raises(InputFileError, match=message):
        list(read_molecules(tmp_path / name))


def test_one_nul_rejects_its_row_and_not_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.smi").write_bytes(b"CCO\nCC\0C\nCCN\n")
    assert [row.smiles for row in read_molecules(tmp_path / "a.smi")] == ["CCO", "CC\0C", "CCN"]


@pytest.mark.parametrize("name", ["a.csv", "a.smi", "a.tsv"])
def test_a_line_without_an_end_is_one_rejected_row(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("smiles\nCCO\n" + "C" * 1001 + "\n" + "C" * 1000 + "\nCCN\n")
    rows = [(row.smiles, row.reason) for row in read_molecules(tmp_path / name, max_line=1000)]
    assert rows == [("CCO", None), (None, "line_too_long"), ("C" * 1000, None), ("CCN", None)]


def test_a_cell_of_many_lines_is_read_no_farther_than_the_limit(tmp_path: Path) -> None:
    lines = ['CCO,"a', *(f'x" , "{n}' for n in range(500)), "CCN,b"]
    (tmp_path / "a.csv").write_text("\n".join(["smiles,name", *lines, ""]))
    rows = list(read_molecules(tmp_path / "a.csv", max_line=40))
    assert len(rows) == len(lines)
    assert (rows[0].smiles, rows[-1].smiles) == ("CCO", "CCN")


@pytest.mark.parametrize(
    "counts", ["COUNTS 2000000000 0 0 0 0", "counts 1 2000000000 0", "COUNTS 20000-\nM  V30 00000 0"]
)
def test_an_sdf_record_that_promises_atoms_takes_no_memory(counts: str, tmp_path: Path) -> None:
    bomb = f"x\n\n\n  0  0  0     0  0            999 V3000\nM  V30 BEGIN CTAB\nM  V30 {counts}\nM  END\n$$$$\n"
    ethanol = f"{Chem.MolToV3KMolBlock(Chem.MolFromSmiles('CCO'))}$$$$\n"
    (tmp_path / "a.sdf").write_text(bomb + ethanol)
    rows = [(row.smiles, row.reason) for row in read_molecules(tmp_path / "a.sdf")]
    assert rows == [(None, "unreadable_record"), ("CCO", None)]


def test_an_sdf_record_without_an_end_is_one_rejected_row(tmp_path: Path) -> None:
    ethanol = f"{Chem.MolToMolBlock(Chem.MolFromSmiles('CCO'))}$$$$\n"
    endless = ethanol.replace("$$$$", "> <note>\n" + "x\n" * 5000 + "\n$$$$")
    (tmp_path / "a.sdf").write_text(ethanol + endless + ethanol)
    rows = [(row.smiles, row.reason) for row in read_molecules(tmp_path / "a.sdf", max_line=2000)]
    assert rows == [("CCO", None), (None, "line_too_long"), ("CCO", None)]
    assert len(list(read_molecules(tmp_path / "a.sdf"))) == 3


def test_closed_standard_input_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(InputFileError, match="standard input is closed"):
        list(read_molecules("-"))


@pytest.mark.skipif(not Path("/dev/stdin").exists(), reason="needs /dev/stdin")
def test_the_device_of_standard_input_needs_no_ending(tmp_path: Path) -> None:
    (tmp_path / "table").write_bytes(TABLE)
    program = "from molvae.formats.readers import read_molecules as r; print([x.smiles for x in r('/dev/stdin')])"
    with (tmp_path / "table").open("rb") as file:
        done = subprocess.run([sys.executable, "-c", program], stdin=file, capture_output=True, text=True, check=True)
    assert done.stdout == "['CCO', 'CCN']\n"
