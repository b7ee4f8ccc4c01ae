"""Excel workbooks (.xlsx), by way of openpyxl."""

import zipfile
import zlib
from collections.abc import Iterator, Sequence
from typing import IO, Any
from xml.etree.ElementTree import ParseError

from molvae.errors import InputError, InputFileError, MissingExtraError
from molvae.formats.columns import Asked, InputRow, is_structure_name, picker

MAX_PART = 1 << 30  # bytes of one part of the archive, unpacked
_DAMAGED = (
    *(LookupError, ValueError, TypeError, AttributeError, RuntimeError, EOFError),  # of openpyxl, which checks little
    *(ParseError, zipfile.BadZipFile, zlib.error),
)


def is_workbook(stream: IO[bytes]) -> bool:
    """Whether a ZIP archive is an Excel workbook; a damaged one is not."""
    try:
        return "xl/workbook.xml" in zipfile.ZipFile(stream).namelist()
    except zipfile.BadZipFile:
        return False


def read_excel(stream: IO[bytes], source: str, asked: Asked) -> Iterator[InputRow]:
    """The rows of the only sheet, or of the only one that names a column of structures in its first line.

    Cells are read as they are shown but for their number format; of formulas, the value that was stored.

    Raises:
        MissingExtraError: when openpyxl is not installed.
        InputFileError: for a damaged workbook.
        InputError: when it does not say which sheet has the molecules.
    """
    try:
        import openpyxl
    except ImportError as error:
        raise MissingExtraError(
            f"{source} is an Excel workbook: pip install 'molvae[excel]', or save the table as CSV"
        ) from error
    try:
        if any(part.file_size > MAX_PART for part in zipfile.ZipFile(stream).infolist()):
            raise InputFileError(f"{source} is an Excel workbook that is too large; save the table as CSV")
        book = openpyxl.load_workbook(stream, read_only=True, data_only=True)
        sheet = _sheet(book.worksheets, source, asked)
        if sheet is None:
            return
        lines = (line for line in map(_text, _lines(sheet)) if asked.blank_lines or any(line))
        header = [name.strip() for name in next(line for line in lines if any(line))]
        pick = picker(header, source, asked)
        for row, line in enumerate(lines, start=1):
            yield pick(line, row)
    except _DAMAGED as error:
        if isinstance(error, InputError):
            raise
        raise InputFileError(f"{source} is a damaged Excel workbook; save the table as CSV") from error


def _sheet(sheets: Sequence[Any], source: str, asked: Asked) -> Any:
    """The sheet to read; `None` if all are empty."""
    first = {sheet.title: next((line for line in map(_text, _lines(sheet)) if any(line)), None) for sheet in sheets}
    filled = [sheet for sheet in sheets if first[sheet.title] is not None]
    if len(filled) < 2:
        return filled[0] if filled else None
    named = [s for s in filled if any(c.strip() == asked.smiles or is_structure_name(c) for c in first[s.title] or ())]
    if len(named) != 1:
        listed = ", ".join(sheet.title for sheet in named or filled)
        raise InputError(f"{source} has several sheets ({listed}); save the one with the molecules as CSV")
    return named[0]


def _lines(sheet: Any) -> Iterator[tuple[Any, ...]]:
    sheet.reset_dimensions()  # those that are stored may be too small, and rows would go missing
    return sheet.iter_rows(values_only=True)


def _text(line: tuple[Any, ...]) -> list[str]:
    return ["" if cell is None else str(cell) for cell in line]
