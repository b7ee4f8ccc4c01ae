"""Tables of text: CSV, TSV and the like."""

import csv
import itertools
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from molvae.errors import InputError, InputFileError
from molvae.formats.columns import Asked, InputRow, is_structure_name, picker, smiles_index
from molvae.formats.content import OVERLONG

MAX_QUOTED_LINES = 2_000  # of one record; the longest are molfiles in a cell
_SPELLED_AS_SMILES = re.compile(r"(?=.*[()\[\]=#])(\[[^\]]*\]|Br|Cl|[BCNOPSFIbcnops]|[()=#$:/\\.%0-9-])+")

Record = Sequence[str]
LooksLikeRecord = Callable[[str], bool]


def read_delimited(lines: Iterator[str], source: str, asked: Asked, *, delimiters: str) -> Iterator[InputRow]:
    """The rows of a table.

    A quoted cell may contain line ends. A quotation mark that is never closed, or whose cell would swallow lines that
    are rows themselves, is taken literally. A table whose first line is not a header, but has a molecule, has the
    columns 1, 2, …

    Args:
        lines: with their ends.
        source: the file.
        asked: the columns wanted.
        delimiters: the characters that may separate cells, of which the first line has most; "" for white space.
    """
    first = next((line for line in lines if line.strip()), None)
    if first is None:
        return
    if first is OVERLONG:
        raise InputFileError(f"the first line of {source} has more than {asked.max_line:,} characters")
    delimiter = max(delimiters, key=first.count) if delimiters else None
    table = _Table(itertools.chain([first], lines), delimiter, asked.max_line)
    header: Record = [name.strip() for name in next(table) or ()]
    begin: list[Record | None] = []
    if not _names_a_column(header, asked):
        begin = list(itertools.islice(table, 1))
        if _is_row(header, begin[0] if begin else None):
            begin = [header, *begin]
            asked = _with_numbered_column(header, source, asked)
            header = [str(i + 1) for i in range(len(header))]
    pick = picker(header, source, asked, decimal_comma=delimiter == ";")
    table.row_like = _row_like(header, source, asked, delimiter)
    row = 0
    for record in itertools.chain(begin, table):
        if record is None:
            row += 1
            yield InputRow(source, row, None, reason="line_too_long")
        elif record or asked.blank_lines:
            row += 1
            yield pick(record, row)


class _Table:
    """Iterates over records: lists of cells, empty for a blank line, `None` for a line that is too long."""

    def __init__(self, lines: Iterable[str], delimiter: str | None, longest: int) -> None:
        self.lines = iter(lines)
        self.delimiter, self.longest = delimiter, longest
        self.row_like: LooksLikeRecord = lambda line: False
        self._again: deque[str] = deque()  # lines that an open quotation mark does not swallow

    def __iter__(self) -> Iterator[Record | None]:
        return self

    def __next__(self) -> Record | None:
        line = self._again.popleft() if self._again else next(self.lines)
        if line is OVERLONG:
            return None
        if self.delimiter is None or '"' not in line:
            return self._split(line)
        return self._quoted(line)

    def _split(self, line: str) -> Record:
        bare = line.rstrip("\r\n")
        return bare.split(self.delimiter) if bare else []

    def _quoted(self, first: str) -> Record:
        taken: list[str] = []

        def feed() -> Iterator[str]:
            yield first
            size = len(first)
            while len(taken) < MAX_QUOTED_LINES and size <= self.longest:
                line = self._again.popleft() if self._again else next(self.lines, None)
                if line is None:
                    return
                taken.append(line)
                if line is OVERLONG:
                    return
                size += len(line)
                yield line

        record = _parse(feed(), self.delimiter, strict=True)
        if record is not None and not (taken and all(map(self.row_like, taken))):
            return record
        self._again.extendleft(reversed(taken))
        is_open = first.count('"') % 2 == 1
        parsed = None if is_open else _parse(iter([first]), self.delimiter, strict=False)
        return parsed or [cell.strip().strip('"') for cell in self._split(first)]


def _parse(lines: Iterator[str], delimiter: str | None, *, strict: bool) -> Record | None:
    """The cells of one record; `None` if its quotation marks do not fit."""
    limit = csv.field_size_limit(2**31 - 1)  # records are limited already
    try:
        record = next(csv.reader(lines, delimiter=delimiter or " ", strict=strict), None)
    except csv.Error:
        return None
    finally:
        csv.field_size_limit(limit)  # it is the process's
    return record


def _names_a_column(header: Record, asked: Asked) -> bool:
    named = {asked.smiles, asked.name, *asked.extra} - {None}
    return any(map(is_structure_name, header)) or bool(named & set(header))


def _is_row(first: Record, second: Record | None) -> bool:
    """Whether a first line is no header, but has a molecule, valid or not; "N" may be a column's name among others."""
    if len(first) == 1:
        return bool(_SPELLED_AS_SMILES.fullmatch(first[0])) or _is_molecule(first[0])
    return any(_is_molecule(a) and _is_molecule(b) for a, b in zip(first, second or first, strict=False))


def _with_numbered_column(first: Record, source: str, asked: Asked) -> Asked:
    """The number of the SMILES column of a table without a header."""
    if asked.smiles is not None:
        return asked
    places = [i for i, cell in enumerate(first) if len(first) == 1 or _is_molecule(cell)]
    if len(places) > 1:
        listed = ", ".join(f"{i + 1} ({first[i]})" for i in places)
        raise InputError(
            f"{source} has no header and several columns of molecules; choose one with --smiles-column: {listed}"
        )
    return replace(asked, smiles=str(places[0] + 1))


def _row_like(header: Record, source: str, asked: Asked, delimiter: str | None) -> LooksLikeRecord:
    smiles_at = smiles_index(header, source, asked)

    def looks(line: str) -> bool:
        cells = line.rstrip("\r\n").split(delimiter)
        return len(cells) == len(header) and _is_molecule(cells[smiles_at])

    return looks


def _is_molecule(text: str) -> bool:
    from molvae.chem.parse import parse_smiles

    text = text.strip()
    return text.startswith("InChI=") or (bool(text) and parse_smiles(text) is not None)
