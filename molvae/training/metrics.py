"""The table of losses and validations that a training run writes, `metrics.csv`."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger

from molvae.files import atomic_path

Row = dict[str, Any]


class MetricsFile:
    """A CSV file with one row per report, which a resumed run goes on with.

    Args:
        path: the file. It is begun anew, but for its rows of the first `after` steps.
        after: number of steps that were done when the run was interrupted; 0 for a new run.
        loggers: get every row too.
    """

    def __init__(self, path: str | Path, *, after: int = 0, loggers: Sequence[Logger] = ()) -> None:
        self.path = Path(path)
        self.loggers = loggers
        self.path.parent.mkdir(parents=True, exist_ok=True)
        rows = [row for row in self._read() if int(row["step"]) <= after] if after else []
        self._columns = list(dict.fromkeys(["step", *(name for row in rows for name in row)]))
        self._reported = {_report(row) for row in rows}
        self._write(rows)

    def add(self, row: Row) -> None:
        """Append a row, which has a `step`; one with the same step and columns as an earlier one is left out."""
        if _report(row) in self._reported:
            return
        self._reported.add(_report(row))
        for logger in self.loggers:
            logger.log_metrics({name: float(value) for name, value in row.items() if name != "step"}, int(row["step"]))
        if row.keys() <= set(self._columns):
            with self.path.open("a", encoding="utf-8", newline="") as file:
                csv.DictWriter(file, self._columns).writerow(row)
        else:
            rows = self._read()
            self._columns += [name for name in row if name not in self._columns]
            self._write([*rows, row])

    def _read(self) -> list[Row]:
        """The complete rows of the file, without empty cells."""
        if not self.path.is_file():
            return []
        with self.path.open(encoding="utf-8", newline="") as file:
            rows = [{name: value for name, value in row.items() if name and value} for row in csv.DictReader(file)]
        return [row for row in rows if str(row.get("step", "")).isdecimal()]

    def _write(self, rows: list[Row]) -> None:
        with atomic_path(self.path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, self._columns)
            table.writeheader()
            table.writerows(rows)


def _report(row: Row) -> tuple[int, frozenset[str]]:
    return int(row["step"]), frozenset(row)
