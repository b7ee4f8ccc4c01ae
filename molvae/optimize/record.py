"""Every oracle call, in order, in a file that grows as the calls are made, so that an interrupted run can resume."""

import io
import json
import math
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import pandas as pd

from molvae.documents import DocumentError, parse_json
from molvae.errors import RecordError
from molvae.files import atomic_path, is_stream, open_stream, writing

FORMAT_VERSION = 1


@dataclass(frozen=True)
class Call:
    """One oracle call.

    Attributes:
        number: from 1.
        smiles: canonical.
        score: nan when there is none.
        raw: raw value of every component `(C,)`.
        origin: how the molecule was made.
    """

    number: int
    smiles: str
    score: float
    raw: tuple[float, ...]
    origin: str


class History:
    """All calls so far, by number and by molecule; `keep_in` also writes them to a file.

    Args:
        names: names of the components (C).
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self.calls: list[Call] = []
        self._number: dict[str, int] = {}
        self._file: TextIO | None = None
        self._own = ExitStack()  # the right to write the file

    def __len__(self) -> int:
        return len(self.calls)

    def __contains__(self, smiles: str) -> bool:
        return smiles in self._number

    def __getitem__(self, smiles: str) -> Call:
        return self.calls[self._number[smiles] - 1]

    @property
    def scores(self) -> np.ndarray:
        """`(n,)` in the order of the calls, nan where there is none."""
        return np.array([call.score for call in self.calls], dtype=np.float64)

    @property
    def raw(self) -> np.ndarray:
        """Raw values of all components, `(n, C)`."""
        return np.array([call.raw for call in self.calls], dtype=np.float64).reshape(len(self), len(self.names))

    def add(self, calls: Iterable[Call]) -> None:
        """Append the calls of a batch; their lines are in the file when this returns, all or none."""
        lines = []
        for call in calls:
            self._remember(call)
            lines.append(json.dumps(self._line(call)) + "\n")
        if self._file is not None:
            self._file.write("".join(lines))
            self._file.flush()

    def _line(self, call: Call) -> dict[str, Any]:
        return {
            "call": call.number,
            "smiles": call.smiles,
            "score": _json_number(call.score),
            "components": dict(zip(self.names, map(_json_number, call.raw), strict=True)),
            "origin": call.origin,
        }

    def frame(self) -> pd.DataFrame:
        """One row per call, best first: `smiles`, `score`, every component's raw value, `call`, `origin`."""
        frame = pd.DataFrame(self.raw, columns=list(self.names))
        frame.insert(0, "smiles", [c.smiles for c in self.calls])
        frame.insert(1, "score", self.scores)
        frame["call"] = [c.number for c in self.calls]
        frame["origin"] = [c.origin for c in self.calls]
        return frame.sort_values(["score", "call"], ascending=[False, True], na_position="last", ignore_index=True)

    def keep_in(self, path: str | Path, description: dict[str, Any], *, resume: bool = False) -> None:
        """Write every call to a JSON-lines file from now on; with `resume`, first read what it holds.

        A last line that was cut off by a crash is dropped.

        Args:
            path: the file; its first line identifies the run.
            description: of the run; a file with another description is refused.
            resume: go on with an existing file; otherwise one that exists is an error.

        Raises:
            RecordError: when the file exists and `resume` is not set, is damaged, or is another run's.
            InputFileError: when it cannot be written, or another process is writing it.
        """
        path = Path(path)
        header = {"format_version": FORMAT_VERSION, **json.loads(json.dumps(description))}
        if is_stream(path):  # which holds nothing to resume from
            self._file = io.TextIOWrapper(open_stream(path), encoding="utf-8")
            self._file.write(json.dumps(header) + "\n")
            return
        self._own.enter_context(writing(path))
        try:
            self._open(path, header, resume=resume)
        except BaseException:
            self._own.close()
            raise

    def _open(self, path: Path, header: dict[str, Any], *, resume: bool) -> None:
        if path.exists():
            if not resume:
                raise RecordError(f"{path} holds the calls of a run already; resume it (--resume) or name another")
            self._read(path, header)
        with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as file:
            file.write(json.dumps(header) + "\n")
            self._file, calls = file, list(self.calls)
            self._forget()
            self.add(calls)
        self._file = path.open("a", encoding="utf-8")

    def close(self) -> None:
        """Write no more to the file."""
        if self._file is not None:
            self._file.close()
            self._file = None
        self._own.close()

    def _remember(self, call: Call) -> None:
        if call.number != len(self) + 1 or call.smiles in self:
            raise RecordError(f"call {call.number} of {call.smiles!r} does not follow the {len(self)} calls before")
        self.calls.append(call)
        self._number[call.smiles] = call.number

    def _forget(self) -> None:
        self.calls, self._number = [], {}

    def _read(self, path: Path, header: dict[str, Any]) -> None:
        text = path.read_bytes().decode(errors="replace")
        lines = text.split("\n")[:-1]  # what follows the last newline was cut off
        if not lines:
            return
        found = _line(path, 1, lines[0])
        for key in header.keys() | found.keys():
            if found.get(key) != header.get(key):
                raise RecordError(
                    f"{path} is the record of another run: its {key} is {_shortened(found.get(key))}, "
                    f"not {_shortened(header.get(key))}"
                )
        for number, text in enumerate(lines[1:], start=2):
            line = _line(path, number, text)
            try:
                raw = tuple(_number(line["components"][name]) for name in self.names)
                call = Call(line["call"], str(line["smiles"]), _number(line["score"]), raw, line["origin"])
            except (KeyError, TypeError, ValueError) as error:
                raise RecordError(f"{path}, line {number} is no oracle call: {error!r}") from error
            self._remember(call)


def read_record(path: str | Path) -> tuple[dict[str, Any], History]:
    """The description of a run and its calls, from the file that it wrote.

    Raises:
        RecordError: when it is no record, is damaged, or holds no call.
    """
    path = Path(path)
    lines = path.read_bytes().decode(errors="replace").split("\n")[:-1]
    if len(lines) < 2 or "format_version" not in (description := _line(path, 1, lines[0])):
        raise RecordError(f"{path} holds no calls of a search; expected the .calls.jsonl that `molvae optimize` writes")
    first = _line(path, 2, lines[1]).get("components")
    history = History(list(first) if isinstance(first, dict) else [])
    history._read(path, description)
    return description, history


def _line(path: Path, number: int, text: str) -> dict[str, Any]:
    try:
        value = parse_json(text)
    except DocumentError as error:
        raise RecordError(f"{path}, line {number} is damaged: {error}") from error
    if not isinstance(value, dict):
        raise RecordError(f"{path}, line {number} is damaged: expected an object")
    return value


def _json_number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _shortened(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
