"""Reading files of molecules row by row: SMI, CSV, TSV, SDF and Parquet, each also with .gz, and standard input.

Files are streamed, so memory does not grow with the file. Every record becomes an `InputRow`; a record without a usable
SMILES has a reason, so that a caller can account for every record.
"""

import csv
import gzip
import itertools
import shutil
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal

from molvae.errors import InputError, InputFileError

SMILES_NAMES = ("smiles", "canonical_smiles", "isomeric_smiles", "smi", "structure", "mol", "molecule")
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


@dataclass(frozen=True)
class InputRow:
    """One record of an input file.

    Attributes:
        source: the file; "-" for standard input.
        row: number of the record in its source, from 1; headers, blank lines and comment lines are not counted.
        smiles: the SMILES as written, not parsed; `None` if the record has none.
        name: the name of the molecule, if the format or a column gives one.
        reason: why `smiles` is `None`; `None` if it is not.
        extra: the text of the other columns that were asked for; a missing value is "".
    """

    source: str
    row: int
    smiles: str | None
    name: str | None = None
    reason: str | None = None
    extra: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Columns:
    smiles: str | None
    name: str | None
    extra: tuple[str, ...]


def read_molecules(
    path: str | Path,
    *,
    smiles_column: str | None = None,
    name_column: str | None = None,
    extra_columns: Sequence[str] = (),
    file_format: str | None = None,
) -> Iterator[InputRow]:
    """Read the records of a file one by one.

    Args:
        path: the file; "-" is standard input.
        smiles_column: SMILES column of a table; by default the one called smiles, canonical_smiles, … or the only one.
        name_column: column of the names in a table, or data field of the names in an SDF file.
        extra_columns: columns of a table, or data fields of an SDF file, to return in `InputRow.extra`.
        file_format: smi, csv, tsv, sdf or parquet; by default the file's ending decides.

    Raises:
        InputFileError: for a file that is missing, unreadable, damaged or of an unknown format.
        InputError: for a missing column, and for a file without any record.
    """
    source = str(path)
    columns = _Columns(smiles_column, name_column, tuple(extra_columns))
    n_rows = 0
    try:
        with _open(source) as stream:
            kind = _format_of(source, file_format)
            records: Iterable[bytes] = stream
            if source == "-":
                kind, records = _sniff(stream, kind)
            assert kind is not None  # only standard input has no ending
            for row in _READERS[kind](records, source, columns):
                n_rows += 1
                yield row
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputFileError(f"{source} is a damaged or truncated gzip file: {error}") from error
    except csv.Error as error:
        raise InputFileError(f"{source} is not a readable table: {error}") from error
    except InputFileError:
        raise
    except OSError as error:
        raise InputFileError(f"cannot read {source}: {error.strerror or error}") from error
    if not n_rows:
        raise InputError(f"{source} holds no molecules")


def count_rows(path: str | Path) -> int | None:
    """The approximate number of records of a file, for a progress bar; `None` if it cannot be found quickly."""
    source = str(path)
    try:
        kind = _format_of(source, None)
        if kind is None:
            return None
        with _open(source) as stream:
            if kind == "parquet":
                return _parquet(stream).metadata.num_rows
            marker = b"$$$$" if kind == "sdf" else b"\n"
            n = sum(block.count(marker) for block in iter(lambda: stream.read(1 << 20), b""))
            return max(1, n - 1 if kind in ("csv", "tsv") else n)  # without the header
    except (OSError, EOFError, ValueError, zlib.error):  # pyarrow's errors are ValueErrors too
        return None  # reading the file will report the error


@contextmanager
def _open(source: str) -> Iterator[IO[bytes]]:
    if source == "-":
        yield sys.stdin.buffer
        return
    path = Path(source)
    if path.is_dir():
        raise InputFileError(f"{source} is a folder; expected a file of molecules")
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
        yield stream  # type: ignore[misc]


def _format_of(source: str, given: str | None) -> str | None:
    """The format of a file; `None` for standard input, which has no ending."""
    if given is not None:
        if given not in _READERS:
            raise InputFileError(f"unknown format {given!r}; expected one of: {', '.join(_READERS)}")
        return given
    if source == "-":
        return None
    suffixes = [s.lower() for s in Path(source).suffixes]
    if suffixes and suffixes[-1] == ".gz":
        suffixes.pop()
    if not suffixes or suffixes[-1] not in FORMATS:
        raise InputFileError(f"{source} has an unknown ending; expected one of: {', '.join(FORMATS)} (each also .gz)")
    return FORMATS[suffixes[-1]]


def _sniff(stream: IO[bytes], given: str | None) -> tuple[str, Iterable[bytes]]:
    """The format of a stream that has no file name, and all its lines, decompressed if it is gzip.

    A stream whose first line names a SMILES column is a table, one with V2000 or V3000 in line 4 is SDF; any other text
    is SMI.
    """
    head = [stream.readline() for _ in range(4)]
    packed = head[0].startswith(b"\x1f\x8b")
    if packed or given == "parquet" or head[0].startswith(b"PAR1"):
        whole = tempfile.TemporaryFile()  # noqa: SIM115  lives as long as the lines are read
        whole.writelines(head)
        shutil.copyfileobj(stream, whole)
        whole.seek(0)
        return _sniff(gzip.open(whole), given) if packed else ("parquet", whole)  # type: ignore[arg-type]
    header = next((text for text in map(_text, head) if text.strip()), "")
    cells = itertools.chain.from_iterable(header.split(mark) for mark in ",;\t" if mark in header)
    kind = "csv" if any(map(_is_smiles_name, cells)) else "smi"
    if b"V2000" in head[3] or b"V3000" in head[3]:
        kind = "sdf"
    return given or kind, itertools.chain(head, stream)


def _is_smiles_name(text: str) -> bool:
    return text.strip().strip("\"'").lower() in SMILES_NAMES


def _text(line: bytes) -> str:
    try:
        return line.decode("utf-8-sig")
    except UnicodeDecodeError:
        return line.decode("latin-1")


def _lines(stream: Iterable[bytes]) -> Iterator[str]:
    return (_text(line) for line in stream)


def _read_smi(stream: Any, source: str, columns: _Columns) -> Iterator[InputRow]:
    row = 0
    for line in _lines(stream):
        words = line.strip().split(maxsplit=1)
        if not words or words[0].startswith("#") or (row == 0 and _is_smiles_name(words[0])):
            continue
        row += 1
        yield InputRow(source, row, words[0], words[1].strip() if len(words) > 1 else None)


def _read_csv(stream: Any, source: str, columns: _Columns) -> Iterator[InputRow]:
    return _read_delimited(stream, source, columns, delimiters=",;\t")


def _read_tsv(stream: Any, source: str, columns: _Columns) -> Iterator[InputRow]:
    return _read_delimited(stream, source, columns, delimiters="\t")


def _read_delimited(stream: Any, source: str, columns: _Columns, *, delimiters: str) -> Iterator[InputRow]:
    lines = _lines(stream)
    header_line = next((line for line in lines if line.strip()), None)
    if header_line is None:
        raise InputError(f"{source} holds no molecules")
    delimiter = max(delimiters, key=header_line.count)
    # Quotes have no meaning in TSV, where names such as 5"-AMP are not quoted.
    quoting: Literal[0, 3] = csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL
    records = csv.reader(itertools.chain([header_line], lines), delimiter=delimiter, quoting=quoting)
    header = [name.strip() for name in next(records)]
    pick = _picker(header, source, columns)
    row = 0
    for record in records:
        if record:  # the csv module gives an empty list for a blank line
            row += 1
            yield pick(record, row)


def _picker(header: Sequence[str], source: str, columns: _Columns) -> Callable[[Sequence[str | None], int], InputRow]:
    """A function that converts a record to its `InputRow`; the columns are looked up once."""
    index = {name: i for i, name in reversed(list(enumerate(header)))}
    smiles_at = index[_smiles_column(header, source, columns.smiles)]
    name_at = None if columns.name is None else _column(index, columns.name, source, "--name-column")
    extra_at = [(name, _column(index, name, source, "the option that names it")) for name in columns.extra]

    def value(record: Sequence[str | None], i: int) -> str:
        return (record[i] or "").strip().strip('"') if i < len(record) else ""

    def pick(record: Sequence[str | None], row: int) -> InputRow:
        smiles = value(record, smiles_at)
        name = value(record, name_at) if name_at is not None else ""
        extra = {column: value(record, i) for column, i in extra_at}
        return InputRow(source, row, smiles or None, name or None, None if smiles else "blank", extra)

    return pick


def _smiles_column(header: Sequence[str], source: str, asked: str | None) -> str:
    listed = ", ".join(header[:30])
    if asked is not None:
        if asked not in header:
            raise InputError(f"{source} has no column {asked!r}; its columns are: {listed}")
        return asked
    by_name = {name.lower().lstrip("#"): name for name in reversed(header)}
    for candidate in SMILES_NAMES:
        if candidate in by_name:
            return by_name[candidate]
    if len(header) == 1:
        return header[0]
    raise InputError(f"{source} has no column called smiles; choose one of its columns with --smiles-column: {listed}")


def _column(index: Mapping[str, int], name: str, source: str, option: str) -> int:
    if name not in index:
        raise InputError(f"{source} has no column {name!r} (see {option}); its columns are: {', '.join(index)}")
    return index[name]


def _read_sdf(stream: Any, source: str, columns: _Columns) -> Iterator[InputRow]:
    lines: list[str] = []
    row = 0
    for line in itertools.chain(_lines(stream), ["$$$$"]):
        text = line.rstrip("\r\n")
        if text.startswith("$$$$"):
            if any(part.strip() for part in lines):
                row += 1
                yield _sdf_row(lines, source, row, columns)
            lines = []
        else:
            lines.append(text)


def _sdf_row(lines: list[str], source: str, row: int, columns: _Columns) -> InputRow:
    from rdkit import Chem, rdBase

    end = next((i for i, line in enumerate(lines) if line.startswith("M  END")), len(lines) - 1)
    with rdBase.BlockLogs():
        mol = Chem.MolFromMolBlock("\n".join(lines[: end + 1]) + "\n")
    fields = _sdf_fields(lines[end + 1 :])
    name = fields.get(columns.name, "") if columns.name is not None else lines[0].strip()
    extra = {column: fields.get(column, "") for column in columns.extra}
    smiles = Chem.MolToSmiles(mol) if mol is not None else ""
    reason = None if smiles else "unreadable_record" if mol is None else "blank"
    return InputRow(source, row, smiles or None, name or None, reason, extra)


def _sdf_fields(lines: Iterable[str]) -> dict[str, str]:
    fields: dict[str, str] = {}
    name: str | None = None
    for line in lines:
        if line.startswith(">") and "<" in line:
            name = line[line.index("<") + 1 :].rpartition(">")[0]
            fields[name] = ""
        elif name is not None and line.strip():
            fields[name] = f"{fields[name]}\n{line}".strip()
        else:
            name = None
    return fields


def _read_parquet(stream: Any, source: str, columns: _Columns) -> Iterator[InputRow]:
    import pyarrow as pa

    try:
        file = _parquet(stream)
        header = list(file.schema_arrow.names)
        pick = _picker(header, source, columns)
        wanted = {_smiles_column(header, source, columns.smiles), columns.name, *columns.extra}
        kept = [name for name in header if name in wanted]
        positions = [header.index(name) for name in kept]
        row = 0
        for batch in file.iter_batches(batch_size=10_000, columns=kept):
            for values in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                record: list[str | None] = [None] * len(header)
                for position, value in zip(positions, values, strict=True):
                    record[position] = None if value is None else str(value)
                row += 1
                yield pick(record, row)
    except pa.ArrowException as error:
        raise InputFileError(f"{source} is not a readable Parquet file: {str(error).splitlines()[0]}") from error


def _parquet(stream: IO[bytes]) -> Any:
    import pyarrow.parquet as pq

    if not isinstance(stream, gzip.GzipFile):
        return pq.ParquetFile(stream)
    whole = tempfile.TemporaryFile()  # noqa: SIM115  Parquet is read from its end, so it is decompressed first
    shutil.copyfileobj(stream, whole)
    return pq.ParquetFile(whole)


_READERS: dict[str, Callable[[Any, str, _Columns], Iterator[InputRow]]] = {
    "smi": _read_smi,
    "csv": _read_csv,
    "tsv": _read_tsv,
    "sdf": _read_sdf,
    "parquet": _read_parquet,
}
