"""SDF: molfiles with data fields."""

import itertools
import re
from collections.abc import Iterable, Iterator

from molvae.errors import InputError
from molvae.formats.columns import Asked, InputRow
from molvae.formats.content import OVERLONG

MOST = 100_000  # atoms or bonds; RDKit takes the memory for as many as a record says it has
_COUNTS = re.compile(r"^M  V30\s+COUNTS\s+([\d \t]{1,200})", re.MULTILINE | re.IGNORECASE)
_CONTINUED = re.compile(r"-[ \t]*\nM  V30 ")


def read_sdf(lines: Iterator[str], source: str, asked: Asked) -> Iterator[InputRow]:
    """The records of an SDF file.

    Raises:
        InputError: at the end, for a data field that no record has.
    """
    wanted = {*asked.extra, *([] if asked.name is None else [asked.name])}
    seen: dict[str, None] = {}
    record: list[str] = []
    size = row = 0
    for line in itertools.chain(lines, ["$$$$"]):
        text = line.rstrip("\r\n")
        if not text.startswith("$$$$"):
            size += asked.max_line + 1 if line is OVERLONG else len(line)
            if size <= asked.max_line:
                record.append(text)
            continue
        if size > asked.max_line:
            row += 1
            yield InputRow(source, row, None, reason="line_too_long")
        elif any(part.strip() for part in record):
            row += 1
            end = next((i for i, part in enumerate(record) if part.startswith("M  END")), len(record) - 1)
            fields = _fields(record[end + 1 :])
            if wanted.difference(seen):
                seen |= dict.fromkeys(fields)
            yield _row(record[: end + 1], fields, source, row, asked)
        record, size = [], 0
    absent = sorted(wanted.difference(seen))
    if absent and row and asked.absent == "error":
        listed = ", ".join(list(seen)[:30]) or "none"
        raise InputError(f"no record of {source} has a data field {absent[0]!r}; its data fields are: {listed}")


def _row(molfile: list[str], fields: dict[str, str], source: str, row: int, asked: Asked) -> InputRow:
    from rdkit import Chem, rdBase

    block = "\n".join(molfile) + "\n"
    counts = _COUNTS.search(_CONTINUED.sub("", block))
    mol = None
    if counts is None or all(int(n) <= MOST for n in counts[1].split()):
        with rdBase.BlockLogs():
            mol = Chem.MolFromMolBlock(block)
    name = fields.get(asked.name, "") if asked.name is not None else molfile[0].strip()
    extra = {column: fields.get(column, "") for column in asked.extra}
    smiles = Chem.MolToSmiles(mol) if mol is not None else ""
    reason = None if smiles else "unreadable_record" if mol is None else "blank"
    return InputRow(source, row, smiles or None, name or None, reason, extra)


def _fields(lines: Iterable[str]) -> dict[str, str]:
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
