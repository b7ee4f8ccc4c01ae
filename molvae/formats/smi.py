"""SMI: a SMILES and perhaps a name in each line."""

import itertools
import re
from collections.abc import Iterator

from molvae.formats.columns import Asked, InputRow, is_structure_name, structure
from molvae.formats.content import OVERLONG
from molvae.formats.delimited import read_delimited

_DELIMITERS = ",;\t"


def read_smi(lines: Iterator[str], source: str, asked: Asked) -> Iterator[InputRow]:
    """The rows of an SMI file, or of a table that is called so.

    It is a table if columns are asked for by name, or its first line names one as a table does.
    """
    comment = "# " if asked.blank_lines else "#"  # among lines that a model wrote, #C is one of them
    before: list[str] = []
    for line in lines:
        before.append(line)
        if line.strip() and not line.startswith(comment):
            break
    first = before[-1] if before else ""
    if first is not OVERLONG and _is_table(first, asked):
        found = [mark for mark in _DELIMITERS if mark in first]
        yield from read_delimited(itertools.chain([first], lines), source, asked, delimiters="".join(found))
        return
    row = 0
    for line in itertools.chain(before, lines):
        text = line.strip()
        if text.startswith(comment) or (not text and not asked.blank_lines):
            continue
        words = text.split(maxsplit=1) or [""]
        if row == 0 and is_structure_name(words[0]):
            continue
        row += 1
        if line is OVERLONG:
            yield InputRow(source, row, None, reason="line_too_long")
            continue
        smiles, reason = structure(words[0].strip('"'))
        yield InputRow(source, row, smiles, _name(words[1]) if len(words) > 1 else None, reason)


def _is_table(first: str, asked: Asked) -> bool:
    if asked.smiles is not None or asked.name is not None:
        return True
    cells = [cell.strip().strip("\"'") for cell in re.split(f"[{_DELIMITERS}]", first)]
    if set(asked.extra) & {*cells, *first.split()}:
        return True
    words = first.split()
    return bool(words) and not _is_plain_name(words[0]) and any(map(is_structure_name, cells))


def _is_plain_name(word: str) -> bool:
    return is_structure_name(word) and '"' not in word and "'" not in word


def _name(text: str) -> str | None:
    """What follows the SMILES, without the extension of CXSMILES."""
    if text.startswith("|") and "|" in text[1:]:
        text = text[1:].partition("|")[2]
    return text.strip() or None
