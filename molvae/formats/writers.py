"""Writing tables of molecules to CSV, TSV, SMI, SDF or Parquet files, as their ending says.

An interrupted write leaves no incomplete file. A table may be written in parts, so that it need not fit in memory.
"""

import gzip
import io
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from molvae.errors import InputFileError
from molvae.files import atomic_path, check_writable, is_stream

if TYPE_CHECKING:
    import pandas as pd

WriteFrame = Callable[["pd.DataFrame"], None]
WriteFeatures = Callable[[np.ndarray, "pd.DataFrame"], None]
PARQUET_BLOCK = 20_000  # rows per row group


def write_table(frame: "pd.DataFrame", path: str | Path) -> None:
    """Write a table to a file; "-" is CSV on standard output. See `table_writer`."""
    with table_writer(path) as write:
        write(frame)


@contextmanager
def table_writer(path: str | Path) -> Iterator[WriteFrame]:
    """Open a file for a table that is written in parts with the same columns; it appears when the block succeeds.

    SMI and SDF need a column `smiles`. SDF keeps the other columns as data fields and leaves out rows whose SMILES does
    not parse. "-" is CSV on standard output; so is a device or pipe without an ending, such as `/dev/stdout`.

    Raises:
        InputFileError: for an unknown ending, before anything is written.
    """
    if str(path) == "-":
        yield _delimited_parts(sys.stdout, ",")
        return
    opened = _writer(Path(path))
    with atomic_path(path) as temporary, opened(temporary) as write:
        yield write


@contextmanager
def features_writer(path: str | Path, names: list[str]) -> Iterator[WriteFeatures]:
    """Open a file for features that are written in parts, with `write(values, frame)`.

    Args:
        path: an `.npy` file contains only the features `(n, F)`; a table contains `frame` and the features beside it.
        names: the names of the F features.
    """
    if Path(path).suffix.lower() == ".npy":
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            yield from _npy_parts(file, len(names))
        return
    import pandas as pd

    with table_writer(path) as write:
        yield lambda values, frame: write(
            pd.concat([frame.reset_index(drop=True), pd.DataFrame(values, columns=names)], axis=1)
        )


def check_output(path: str | Path) -> None:
    """Raise `InputFileError`, before any work is done, if `write_table` cannot write to this file."""
    if str(path) != "-":
        _writer(Path(path))
        check_writable(path)


def _writer(path: Path) -> Callable[[Path], AbstractContextManager[WriteFrame]]:
    suffixes = [s.lower() for s in path.suffixes]
    zipped = bool(suffixes) and suffixes[-1] == ".gz"
    ending = suffixes[-2] if zipped and len(suffixes) > 1 else suffixes[-1] if suffixes else ""
    match ending:
        case ".csv":
            return partial(_delimited, separator=",", zipped=zipped)
        case ".tsv":
            return partial(_delimited, separator="\t", zipped=zipped)
        case ".smi":
            return partial(_smi, zipped=zipped)
        case ".sdf" if not zipped:
            return _sdf
        case ".parquet" if not zipped:
            return _parquet
    if is_stream(path):
        return partial(_delimited, separator=",", zipped=False)
    raise InputFileError(
        f"cannot write {path}: unknown ending; expected .csv, .tsv, .smi (each also .gz), .sdf or .parquet"
    )


@contextmanager
def _text(path: Path, zipped: bool) -> Iterator[IO[str]]:
    with path.open("wb") as file:
        # Without a name and a time in the header, the same rows are the same bytes.
        packed = gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) if zipped else file
        with io.TextIOWrapper(packed, encoding="utf-8", newline="") as text:
            yield text


@contextmanager
def _delimited(path: Path, *, separator: str, zipped: bool) -> Iterator[WriteFrame]:
    with _text(path, zipped) as file:
        yield _delimited_parts(file, separator)


def _delimited_parts(file: Any, separator: str) -> WriteFrame:
    header = True

    def write(frame: "pd.DataFrame") -> None:
        nonlocal header
        _with_line_feeds(frame).to_csv(file, sep=separator, index=False, header=header, lineterminator="\n")
        header = False

    return write


def _with_line_feeds(frame: "pd.DataFrame") -> "pd.DataFrame":
    """A table with line feeds for carriage returns, which the csv module does not quote before Python 3.13."""
    import pandas as pd

    frame = frame.copy(deep=False)
    for i, dtype in enumerate(frame.dtypes):
        if pd.api.types.is_string_dtype(dtype) and any(isinstance(v, str) and "\r" in v for v in frame.iloc[:, i]):
            cells = [re.sub("\r\n?", "\n", v) if isinstance(v, str) else v for v in frame.iloc[:, i]]
            frame.isetitem(i, pd.Series(cells, index=frame.index, dtype=object))
    return frame


@contextmanager
def _smi(path: Path, *, zipped: bool) -> Iterator[WriteFrame]:
    with _text(path, zipped) as file:
        yield lambda frame: frame["smiles"].to_csv(file, index=False, header=False, lineterminator="\n")


@contextmanager
def _sdf(path: Path) -> Iterator[WriteFrame]:
    from rdkit import Chem

    from molvae.chem.parse import parse_smiles

    with path.open("w", encoding="utf-8") as file:
        writer = Chem.SDWriter(file)

        def write(frame: "pd.DataFrame") -> None:
            for row in frame.to_dict("records"):
                mol = parse_smiles(str(row["smiles"]))
                if mol is None:
                    continue
                for name, value in row.items():
                    mol.SetProp(str(name), " ".join(str(value).split()))  # a line end would end the data field
                writer.write(mol)

        yield write
        writer.close()


@contextmanager
def _parquet(path: Path) -> Iterator[WriteFrame]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    waiting: list[pa.Table] = []
    writer: pq.ParquetWriter | None = None

    def flush() -> None:
        nonlocal writer
        if waiting:
            table = pa.concat_tables(waiting)
            if writer is None:  # floats hardly repeat: dictionary encoding would make them larger
                repeating = [f.name for f in table.schema if not pa.types.is_floating(f.type)]
                writer = pq.ParquetWriter(path, table.schema, use_dictionary=repeating)
            writer.write_table(table)
            waiting.clear()

    def write(frame: "pd.DataFrame") -> None:
        schema = waiting[0].schema if waiting else writer.schema if writer else None
        waiting.append(pa.Table.from_pandas(frame, schema=schema, preserve_index=False))
        if sum(table.num_rows for table in waiting) >= PARQUET_BLOCK:
            flush()

    try:
        yield write
        flush()
    finally:
        if writer is not None:
            writer.close()


def _npy_parts(file: IO[bytes], width: int) -> Iterator[WriteFeatures]:
    """Write rows after a provisional header, which is rewritten in place when the number of rows is known."""
    n = 0

    def header() -> None:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (n, width)})

    def write(values: np.ndarray, frame: "pd.DataFrame") -> None:
        nonlocal n
        file.write(np.ascontiguousarray(values, dtype="<f4").tobytes())
        n += len(values)

    header()
    yield write
    file.seek(0)
    header()
