"""Progress reports of long work: the library calls `stage(...).advance(n)`, and the command line draws bars."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Stage(Protocol):
    """A stage of work in progress."""

    def advance(self, n: int = 1) -> None:
        """Report that `n` more units are done."""
        ...


class _SilentStage:
    def advance(self, n: int = 1) -> None:
        """Do nothing."""


class Progress:
    """Reports nothing; the command line uses a subclass that draws bars."""

    @contextmanager
    def stage(self, description: str, *, total: int | None = None, unit: str = "molecules") -> Iterator[Stage]:
        """Open a stage of `total` units; `None` if their number is unknown."""
        yield _SilentStage()


SILENT = Progress()
