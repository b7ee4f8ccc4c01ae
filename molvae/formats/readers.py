"""Reading files of molecules row by row: SMI, CSV, TSV, SDF and Parquet, each also packed, and standard input.

Files are streamed, so memory does not grow with the file. Every record becomes an `InputRow`; a record without a usable
SMILES has a reason, so that a caller can account for every record.
"""

import csv
from collections.abc import Iterator, Sequence
from itertools import islice, zip_longest
from pathlib import Path
from typing import Literal

from molvae.errors import InputError, InputFileError
from molvae.formats.columns import Asked, InputRow, is_structure_name
from molvae.formats.content import PACKED_ENDINGS, Content, open_content
from molvae.formats.delimited import read_delimited
from molvae.formats.parquet import count_parquet, read_parquet
from molvae.formats.sdf import read_sdf
from molvae.formats.smi import read_smi

__all__ = ["FORMATS", "InputRow", "count_rows", "read_molecules"]

KINDS = ("smi", "csv", "tsv", "sdf", "parquet")
FORMATS = {
    ".smi": "smi",
    ".smiles": "smi",
    ".ism": "smi",
    ".txt": "smi",
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".sdf": "sdf",
    ".sd": "sdf",
    ".mol": "sdf",
    ".parquet": "parquet",
    ".pq": "parquet",
}

LOOKED_AT = 100  # lines of a file in which labels are looked for


def read_molecules(
    path: str | Path,
    *,
    smiles_column: str | None = None,
    name_column: str | None = None,
    extra_columns: Sequence[str] = (),
    absent_columns: Literal["error", "blank"] = "error",
    blank_lines: bool = False,
    file_format: str | None = None,
) -> Iterator[InputRow]:
    """Read the records of a file one by one.

    Args:
        path: the file; "-" is standard input.
        smiles_column: SMILES or InChI column of a table; by default the one called smiles, canonical_smiles, …, inchi,
            … or the only one.
        name_column: column of the names in a table, or data field of the names in an SDF file.
        extra_columns: columns of a table, or data fields of an SDF file, to return in `InputRow.extra`.
        absent_columns: whether an extra column that a table lacks is an error, or blank in every row.
        blank_lines: whether a blank line is a record with the reason "blank", as it is among lines that a model wrote.
        file_format: smi, csv, tsv, sdf or parquet; by default the content or else the file's ending decides.

    Raises:
        InputFileError: for a file that is missing, unreadable, damaged or of an unknown format.
        InputError: for a missing column, and for a file without any record.
    """
    source = str(path)
    asked = Asked(smiles_column, name_column, tuple(extra_columns), absent_columns, blank_lines)
    n_rows = 0
    with open_content(source) as content:
        for row in _rows(content, _format_of(content, source, file_format), source, asked):
            n_rows += 1
            yield row
    if not n_rows:
        raise InputError(f"{source} holds no molecules")


def check_readable(path: str | Path) -> None:
    """Raise `InputFileError`, before any work is done for it, when a file is missing or of no format that is read."""
    source = str(path)
    if not _is_stream(source):
        with open_content(source) as content:
            _format_of(content, source, None)


def numeric_columns(path: str | Path) -> list[str]:
    """Columns of a CSV or TSV file, other than the structures, whose first cells are numbers that are not all whole.

    They look like labels. An empty list for other files, and for those that cannot be read twice.
    """
    source = str(path)
    if _is_stream(source):
        return []
    with open_content(source) as content:
        if _format_of(content, source, None) not in ("csv", "tsv"):
            return []
        lines = list(islice(content.lines(), LOOKED_AT))
    delimiter = max(",;\t", key=lines[0].count) if lines else ","
    header, *rows = [row for row in csv.reader(lines, delimiter=delimiter) if row] or [[]]
    columns = dict(zip(header, zip_longest(*rows, fillvalue=""), strict=False))
    return [name for name, cells in columns.items() if not is_structure_name(name) and _look_like_labels(cells)]


def _look_like_labels(cells: Sequence[str]) -> bool:
    numbers = []
    for cell in filter(None, (cell.strip() for cell in cells)):
        try:
            numbers.append(float(cell.replace(",", ".")))
        except ValueError:
            return False
    return len(numbers) > len(cells) / 2 and not all(number.is_integer() for number in numbers)


def count_rows(path: str | Path) -> int | None:
    """The approximate number of records of a file, for a progress bar; `None` if it cannot be found quickly."""
    source = str(path)
    if _is_stream(source):  # what is read from a pipe cannot be read again
        return None
    try:
        with open_content(source) as content:
            kind = _format_of(content, source, None)
            if kind == "parquet":
                return count_parquet(content.seekable())
            marks = b"$$$$" if kind == "sdf" else b"\n\r"
            counts = dict.fromkeys((marks,) if kind == "sdf" else (b"\n", b"\r"), 0)
            for block in iter(lambda: content.stream.read(1 << 20), b""):
                for mark in counts:
                    counts[mark] += block.count(mark)
            n = max(counts.values())
            return max(1, n - 1 if kind in ("csv", "tsv") else n)  # without the header
    except (InputError, OSError, ValueError):  # pyarrow's errors are ValueErrors too
        return None  # reading the file will report the error


def _is_stream(name: str) -> bool:
    """Whether a source has no ending that says its format: standard input, a device or a pipe."""
    path = Path(name)
    return name == "-" or path.is_relative_to("/dev") or (path.exists() and not path.is_file())


def _rows(content: Content, kind: str, source: str, asked: Asked) -> Iterator[InputRow]:
    match kind:
        case "parquet":
            return read_parquet(content.seekable(), source, asked)
        case "sdf":
            return read_sdf(content.lines(), source, asked)
        case "csv":
            return read_delimited(content.lines(), source, asked, delimiters=",;\t")
        case "tsv":
            return read_delimited(content.lines(), source, asked, delimiters="\t")
    return read_smi(content.lines(), source, asked)


def _format_of(content: Content, source: str, given: str | None) -> str:
    """The format of a file: as given, as its content shows, or as its name says; a stream without a name is SMI."""
    if given is not None:
        if given not in KINDS:
            raise InputFileError(f"unknown format {given!r}; expected one of: {', '.join(KINDS)}")
        return given
    if content.kind is not None:
        return content.kind
    if _is_stream(content.name):
        return "smi"
    suffixes = [s.lower() for s in Path(content.name).suffixes]
    while suffixes and suffixes[-1] in PACKED_ENDINGS:
        suffixes.pop()
    if not suffixes or suffixes[-1] not in FORMATS:
        packed = " ".join(PACKED_ENDINGS)
        raise InputFileError(
            f"{source} has an unknown ending; expected one of: {', '.join(FORMATS)} (each also {packed})"
        )
    return FORMATS[suffixes[-1]]
