"""Parquet tables."""

from collections.abc import Iterator
from typing import IO, Any

from molvae.errors import InputError, InputFileError
from molvae.formats.columns import Asked, InputRow, picker, smiles_index

BATCH_ROWS = 10_000


def read_parquet(stream: IO[bytes], source: str, asked: Asked) -> Iterator[InputRow]:
    """The rows of a Parquet file; only the columns asked for are read. Bytes are text."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(stream)
        header = list(file.schema_arrow.names)
        pick = picker(header, source, asked)
        wanted = {header[smiles_index(header, source, asked)], asked.name, *asked.extra}
        kept = [name for name in header if name in wanted]
        for name in kept:
            kind = file.schema_arrow.field(name).type
            if pa.types.is_nested(kind):
                raise InputError(f"column {name!r} of {source} holds values of type {kind}; expected text or numbers")
        positions = [header.index(name) for name in kept]
        row = 0
        for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=kept):
            for values in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                record: list[str | None] = [None] * len(header)
                for position, value in zip(positions, values, strict=True):
                    record[position] = _text(value)
                row += 1
                yield pick(record, row)
    except pa.ArrowException as error:
        raise InputFileError(f"{source} is not a readable Parquet file: {str(error).splitlines()[0]}") from error


def count_parquet(stream: IO[bytes]) -> int:
    """The number of rows."""
    import pyarrow.parquet as pq

    return int(pq.ParquetFile(stream).metadata.num_rows)


def _text(value: Any) -> str | None:
    if isinstance(value, bytes):  # text, in files of writers that do not say so
        return value.decode("utf-8", "replace")
    return None if value is None else str(value)
