"""Input files cut into parts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from molvae.errors import InputFileError
from molvae.formats.columns import InputRow
from molvae.formats.readers import read_molecules


@dataclass(frozen=True)
class InputPart:
    """Some consecutive records of a file.

    Attributes:
        path: the file.
        first: the number of records before them.
        n: how many; `None` for all to the end of the file.
    """

    path: str
    first: int = 0
    n: int | None = None

    def rows(self, **how: Any) -> Iterator[InputRow]:
        """The records; keyword arguments as of `read_molecules`."""
        stop = None if self.n is None else self.first + self.n
        return islice(read_molecules(self.path, **how), self.first, stop)


def input_files(paths: Sequence[str | Path]) -> list[str]:
    """Absolute paths of the files, and of the files in the folders, in the order of their names.

    Raises:
        InputFileError: for a folder without files, and for standard input, which workers cannot read.
    """
    found: list[str] = []
    for path in paths:
        if str(path) == "-":
            raise InputFileError("standard input cannot be read in parts; write it to a file first")
        here = Path(path).resolve()
        files = sorted(p for p in here.iterdir() if p.is_file() and p.name[0] not in "._") if here.is_dir() else [here]
        if not files:
            raise InputFileError(f"{path} holds no files")
        found += [str(file) for file in files]
    return found


def input_parts(paths: Sequence[str | Path], shard_rows: int | None, **how: Any) -> list[InputPart]:
    """The parts of files: each file as a whole, or its records `shard_rows` at a time, for which they are counted.

    Keyword arguments as of `read_molecules`; raises its errors.
    """
    files = input_files(paths)
    if shard_rows is None:
        return [InputPart(file) for file in files]
    parts = []
    for file in files:
        n = sum(1 for _ in read_molecules(file, **how))
        parts += [InputPart(file, first, min(shard_rows, n - first)) for first in range(0, n, shard_rows)]
    return parts


def fingerprint(paths: Sequence[str]) -> list[list[Any]]:
    """Name, size and time of change of files, by which a later call knows them again."""
    return [[path, Path(path).stat().st_size, Path(path).stat().st_mtime_ns] for path in paths]
