"""Rows of input, and the columns of a table that they are made of."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from molvae.config import MAX_LINE
from molvae.errors import InputError

SMILES_NAMES = ("smiles", "canonical_smiles", "isomeric_smiles", "smi", "structure", "mol", "molecule")
INCHI_NAMES = ("inchi", "standard_inchi", "stdinchi", "inchi_string")


@dataclass(frozen=True)
class InputRow:
    """One record of an input file.

    Attributes:
        source: the file; "-" for standard input.
        row: number of the record in its source, from 1; headers, comments and (unless asked for) blank lines are not
            counted.
        smiles: the SMILES as written, not parsed, or made from an InChI or a molfile; `None` if the record has none.
        name: the name of the molecule, if the format or a column gives one.
        reason: why `smiles` is `None`; `None` if it is not.
        extra: the text of the other columns that were asked for; a missing value is "".
        decimal_comma: whether the file may write numbers with a decimal comma, since semicolons separate its cells.
    """

    source: str
    row: int
    smiles: str | None
    name: str | None = None
    reason: str | None = None
    extra: Mapping[str, str] = field(default_factory=dict)
    decimal_comma: bool = False


@dataclass(frozen=True)
class Asked:
    """What a reader was asked for; see `molvae.formats.readers.read_molecules`."""

    smiles: str | None = None
    name: str | None = None
    extra: tuple[str, ...] = ()
    absent: Literal["error", "blank"] = "error"
    blank_lines: bool = False
    max_line: int = MAX_LINE


def is_structure_name(text: str) -> bool:
    """Whether a cell of a header names a column of SMILES or InChI."""
    return text.strip().strip("\"'").lower().lstrip("#") in (*SMILES_NAMES, *INCHI_NAMES)


def structure(text: str) -> tuple[str | None, str | None]:
    """The SMILES of a cell, or `None` and the reason."""
    if text.startswith("InChI="):
        from molvae.chem.parse import inchi_to_smiles

        smiles = inchi_to_smiles(text)
        return smiles, None if smiles else "unreadable_inchi"
    return text or None, None if text else "blank"


def picker(
    header: Sequence[str], source: str, asked: Asked, *, decimal_comma: bool = False
) -> Callable[[Sequence[str | None], int], InputRow]:
    """A function that converts a record to its `InputRow`; the columns are looked up once.

    Raises:
        InputError: for a column that the table lacks or has twice.
    """
    smiles_at = smiles_index(header, source, asked)
    name_at = None if asked.name is None else _index(header, asked.name, source, "--name-column")
    wanted = [name for name in asked.extra if name in header or asked.absent == "error"]
    extra_at = [(name, _index(header, name, source, "the option that names it")) for name in wanted]

    def value(record: Sequence[str | None], i: int) -> str:
        text = (record[i] or "").strip() if i < len(record) else ""
        return "\n".join(text.splitlines()) if "\r" in text else text

    def pick(record: Sequence[str | None], row: int) -> InputRow:
        smiles, reason = structure(value(record, smiles_at))
        name = value(record, name_at) if name_at is not None else ""
        extra = {column: value(record, i) for column, i in extra_at}
        return InputRow(source, row, smiles, name or None, reason, extra, decimal_comma)

    return pick


def smiles_index(header: Sequence[str], source: str, asked: Asked) -> int:
    """Where the structures are; raises `InputError` if the header does not say."""
    if asked.smiles is not None:
        return _index(header, asked.smiles, source, "--smiles-column")
    by_name = {name.lower().lstrip("#"): name for name in reversed(header)}
    for candidate in (*SMILES_NAMES, *INCHI_NAMES):
        if candidate in by_name:
            return _index(header, by_name[candidate], source, "--smiles-column")
    if len(header) == 1:
        return 0
    listed = ", ".join(header[:30])
    raise InputError(f"{source} has no column called smiles; choose one of its columns with --smiles-column: {listed}")


def _index(header: Sequence[str], name: str, source: str, option: str) -> int:
    n = header.count(name)
    if not n:
        listed = ", ".join(header[:30])
        raise InputError(f"{source} has no column {name!r} (see {option}); its columns are: {listed}")
    if n > 1:
        raise InputError(f"{source} has {n} columns called {name!r}; rename all but one")
    return header.index(name)
