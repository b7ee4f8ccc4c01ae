"""The share of the training budget that is used: of the steps or the wall-clock time, whichever is larger."""

import time
from datetime import timedelta
from typing import Any


class TrainingClock:
    """Measures training time, also across interruptions, and the share of the budget that is used.

    Args:
        max_steps: the most optimizer steps of the whole training; `None` for no limit.
        max_time: the most wall-clock time of the whole training; `None` for no limit.
    """

    def __init__(self, *, max_steps: int | None = None, max_time: timedelta | None = None) -> None:
        self.max_steps = max_steps
        self.max_seconds = None if max_time is None else max_time.total_seconds()
        self._before = 0.0  # seconds of earlier, interrupted runs
        self._started: float | None = None
        self._agreed: float | None = None

    def start(self) -> None:
        """Start measuring time."""
        self._started = time.monotonic()

    def stop(self) -> None:
        """Stop measuring time."""
        self._before, self._started, self._agreed = self.measured, None, None

    def agree(self, seconds: float) -> None:
        """Show this time until the next one is agreed on, so that all processes have the same schedule."""
        self._agreed = seconds

    @property
    def seconds(self) -> float:
        """Training time so far, in seconds."""
        return self.measured if self._agreed is None else self._agreed

    @property
    def measured(self) -> float:
        """Training time so far in this process, in seconds."""
        return self._before + (0.0 if self._started is None else time.monotonic() - self._started)

    def progress(self, step: int) -> float:
        """Share of the budget used after `step` steps, in [0, 1].

        Time counts only when it is at least a whole step ahead, so that a run whose steps are used up first does not
        depend on time at all.
        """
        by_time = self.seconds / self.max_seconds if self.max_seconds else 0.0
        if self.max_steps and by_time < (step + 1) / self.max_steps:
            return min(1.0, step / self.max_steps)
        return min(1.0, by_time)

    def state_dict(self) -> dict[str, Any]:
        """The state that a resumed run needs."""
        return {"seconds": self.seconds}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from the time of an interrupted run."""
        self._before = float(state["seconds"])
