"""Labels: reading them from text, merging those of duplicates, and the scale that heads learn them on."""

import csv
import re
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from molvae.errors import InputError
from molvae.formats.columns import InputRow

Censored = Literal["drop", "value"]
Conflicts = Literal["median", "mean", "first", "error"]

MISSING, UNREADABLE, CENSORED = np.nan, -np.inf, np.inf
"""What stands in place of a label until all rows are read; all of them are nan afterwards."""
REACH = 15.0  # median deviations, which are 10 standard deviations of a normal distribution
RESOLUTION = 1e-6  # of float32, with a margin: labels that vary less, relative to their mean, are constant
MAX_EXAMPLES = 3

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_DECIMAL_COMMA = re.compile(r"([+-]?\d*),(\d+([eE][+-]?\d+)?)", re.ASCII)
_CENSORED = re.compile(r"(?:>>|<<|>=|<=|=>|=<|>|<|≥|≤)\s*(.+)")
_TRUTH = {"true": 1.0, "yes": 1.0, "false": 0.0, "no": 0.0}
_NOTHING = frozenset({"", "na", "n/a", "#n/a", "<na>", "nan", "null", "none", "nd", "n.d.", "-", "--", "—", "?", "."})
_LARGEST = float(np.finfo(np.float32).max)


def read_label(text: str, *, decimal_comma: bool = False, censored: Censored = "drop") -> float:
    """The label that a cell holds; `MISSING`, `UNREADABLE` or `CENSORED` if it holds none.

    Args:
        text: a number, true, false, yes, no, or nothing (also na, nan, null, none, nd, -, ?).
        decimal_comma: whether "1,5" is a number.
        censored: whether a limit such as ">10" is no label ("drop"), or its number is the label ("value").

    >>> [read_label(text) for text in ("5.5", "True", "n/a", "1,5", ">10")]
    [5.5, 1.0, nan, -inf, inf]
    >>> read_label("1,5", decimal_comma=True), read_label(">10", censored="value")
    (1.5, 10.0)
    """
    text = text.strip().replace("\N{MINUS SIGN}", "-")
    if text.lower() in _NOTHING:
        return MISSING
    limit = _CENSORED.fullmatch(text)
    if limit is not None:
        value = _number(limit[1].strip(), decimal_comma)
        return CENSORED if censored == "drop" and value != UNREADABLE else value
    return _TRUTH.get(text.lower(), _number(text, decimal_comma))


def _number(text: str, decimal_comma: bool) -> float:
    if decimal_comma and _DECIMAL_COMMA.fullmatch(text):
        text = text.replace(",", ".")
    if not _NUMBER.fullmatch(text):
        return UNREADABLE
    value = float(text)
    stored = float(np.float32(value)) if abs(value) <= _LARGEST else np.inf
    return stored if np.isfinite(stored) and (stored != 0 or value == 0) else UNREADABLE


def scale_of(values: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation of labels, which no single molecule can set.

    Labels farther from the median than `REACH` times the median deviation (of the labels that differ from the median)
    count as that far. For labels without such a tail these are the plain mean and standard deviation. Nothing here
    depends on the unit. Labels that do not vary have a standard deviation of 1, and no labels have 0 and 1.

    >>> scale_of(np.array([1.0, 3.0]) * 1e-9)
    (2e-09, 1e-09)
    """
    if not len(values):
        return 0.0, 1.0
    values = np.asarray(values, dtype=np.float64)
    center = np.median(values)
    deviations = np.abs(values - center)
    reach = REACH * np.median(deviations[deviations > 0]) if deviations.any() else 0.0
    near = np.clip(values, center - reach, center + reach)
    mean, std = float(near.mean()), float(near.std())
    return mean, std if std > RESOLUTION * abs(mean) else 1.0


@dataclass(frozen=True)
class _Observed:
    """One more row that has a label of a molecule."""

    value: float
    source: str
    row: int


@dataclass
class Labels:
    """Reads the labels of rows, and merges those of duplicates at the end.

    Attributes:
        columns: the columns that hold them.
        censored: see `read_label`.
        conflicts: what becomes of labels of one molecule that differ.
        counts: per column, the number of molecules that are "labeled", and why others are not: "unreadable",
            "censored", "missing"; the numbers of "limits" in rows, such as >10, whose numbers were taken for labels; of
            "replicates", labels beyond the first of a molecule; and of "conflicts", molecules whose labels differ.
        examples: per column, a few of the texts that cannot be read.
    """

    columns: tuple[str, ...]
    censored: Censored = "drop"
    conflicts: Conflicts = "median"
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.counts = {column: Counter() for column in self.columns}
        self.examples = {column: [] for column in self.columns}
        self._observed: dict[tuple[int, int], list[_Observed]] = {}
        self._smiles: dict[int, str] = {}
        self._marks: dict[tuple[str, str], dict[str, str]] = {}  # (file, column) → decimal sign → an example

    def read(self, row: InputRow) -> np.ndarray:
        """The labels of a row, float32, with `UNREADABLE` and `CENSORED` among them."""
        values = np.empty(len(self.columns), np.float32)
        for j, column in enumerate(self.columns):
            text = row.extra.get(column, "").strip()
            values[j] = read_label(text, decimal_comma=row.decimal_comma, censored=self.censored)
            if values[j] == UNREADABLE and text not in (seen := self.examples[column]) and len(seen) < MAX_EXAMPLES:
                seen.append(text)
            if self.censored == "value" and np.isfinite(values[j]) and _CENSORED.fullmatch(text):
                self.counts[column]["limits"] += 1
            if row.decimal_comma and np.isfinite(values[j]):
                self._check_marks(row.source, column, text)
        return values

    def _check_marks(self, source: str, column: str, text: str) -> None:
        marks = self._marks.setdefault((source, column), {})
        marks |= {mark: text for mark in ",." if mark in text}
        if len(marks) > 1:
            raise InputError(
                f"{source}: column {column!r} has decimal commas ({marks[',']}) and decimal points ({marks['.']}); "
                "write it in one way"
            )

    def read_duplicate(self, index: int, smiles: str, row: InputRow) -> None:
        """Read the labels of a row whose molecule is there already, as the one at `index`."""
        for j, value in enumerate(self.read(row).tolist()):
            if not np.isnan(value):
                self._observed.setdefault((index, j), []).append(_Observed(value, row.source, row.row))
                self._smiles[index] = smiles

    def merge(self, values: np.ndarray, sources: Sequence[str], origins: np.ndarray, path: Path) -> None:
        """Merge the labels of duplicates into `values`, list those that differ, and count.

        Args:
            values: `(n, columns)` float32, the labels of the molecules' first rows; changed in place.
            sources: the files.
            origins: `(n, 2)`, of each molecule's first row: its file, as an index into `sources`, and its number there.
            path: `conflicts.csv`, which is written.

        Raises:
            InputError: for labels that differ, if `conflicts` is "error", and for a column without any label.
        """
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["smiles", "property", "kept", "values", "rows"])
            for (index, j), observed in self._observed.items():
                first = _Observed(float(values[index, j]), sources[origins[index, 0]], int(origins[index, 1]))
                known = [seen for seen in (first, *observed) if np.isfinite(seen.value)]
                if not known:
                    values[index, j] = observed[0].value if np.isnan(first.value) else first.value
                    continue
                numbers = [seen.value for seen in known]
                values[index, j] = kept = _combined(numbers, self.conflicts)
                count = self.counts[self.columns[j]]
                count["replicates"] += len(known) - 1
                if min(numbers) < max(numbers):
                    count["conflicts"] += 1
                    self._refuse(self._smiles[index], self.columns[j], known)
                    listed = ["; ".join(f"{v:.7g}" for v in numbers), "; ".join(f"{s.source}:{s.row}" for s in known)]
                    writer.writerow([self._smiles[index], self.columns[j], f"{kept:.7g}", *listed])
        for j, column in enumerate(self.columns):
            self._count(column, values[:, j])
        values[~np.isfinite(values)] = np.nan

    def _refuse(self, smiles: str, column: str, known: Sequence[_Observed]) -> None:
        if self.conflicts == "error":
            listed = ", ".join(f"{seen.value:.7g} ({seen.source}, row {seen.row})" for seen in known[:5])
            raise InputError(
                f"the rows of {smiles} have different labels {column!r}: {listed}; correct them, or choose "
                "`--conflicts median`, mean or first"
            )

    def _count(self, column: str, values: np.ndarray) -> None:
        count = self.counts[column]
        count["labeled"] = int(np.isfinite(values).sum())
        count["unreadable"] = int((values == UNREADABLE).sum())
        count["censored"] = int((values == CENSORED).sum())
        count["missing"] = int(np.isnan(values).sum())
        if not count["labeled"]:
            hints = {"censored": "; `--censored value` takes their numbers", "unreadable": self.such_as(column)}
            if count["missing"] == len(values):
                hints["missing"] = "; is there a column of this name?"
            kinds = ("unreadable", "censored", "missing")
            listed = ", ".join(f"{count[kind]:,} {kind}{hints.get(kind, '')}" for kind in kinds if count[kind])
            raise InputError(f"none of {len(values):,} molecules has a label {column!r}: {listed}")

    def such_as(self, column: str) -> str:
        """Examples of texts that cannot be read, as the end of a sentence; "" without any."""
        listed = ", ".join(repr(text[:40]) for text in self.examples[column])
        return f" such as {listed}" if listed else ""

    def to_json(self) -> dict[str, Any]:
        """The counts and examples, for `meta.json`."""
        kinds = ("labeled", "missing", "unreadable", "censored", "limits", "replicates", "conflicts")
        return {
            column: {kind: self.counts[column][kind] for kind in kinds} | {"examples": self.examples[column]}
            for column in self.columns
        }


def _combined(values: Sequence[float], rule: Conflicts) -> float:
    match rule:
        case "mean":
            return statistics.fmean(values)
        case "median":
            return statistics.median(values)
    return values[0]
