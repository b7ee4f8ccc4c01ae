"""How long work reports itself: the library calls `stage(...).advance(n)`, the command line draws it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Stage(Protocol):
    """One stage of work under way."""

    def advance(self, n: int = 1) -> None:
        """Say that `n` more units are done."""
        ...


class _SilentStage:
    def advance(self, n: int = 1) -> None:
        """Do nothing."""


class Progress:
    """Reports nothing; the command line's child class draws bars."""

    @contextmanager
    def stage(self, description: str, *, total: int | None = None, unit: str = "molecules") -> Iterator[Stage]:
        """Open a stage of `total` units (`None`: unknown)."""
        yield _SilentStage()


SILENT = Progress()
