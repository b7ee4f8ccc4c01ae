"""How much of the training budget is used: steps, wall-clock time, or whichever is further along."""

import time
from datetime import timedelta
from typing import Any


class TrainingClock:
    """Measures training time over interruptions and gives `progress` in [0, 1].

    Args:
        max_steps: optimizer steps of the whole training; `None` for no limit.
        max_time: wall-clock time of the whole training; `None` for no limit.
    """

    def __init__(self, *, max_steps: int | None = None, max_time: timedelta | None = None) -> None:
        self.max_steps = max_steps
        self.max_seconds = None if max_time is None else max_time.total_seconds()
        self._before = 0.0  # seconds of earlier, interrupted runs
        self._started: float | None = None

    def start(self) -> None:
        """Start measuring."""
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Training time so far."""
        return self._before + (0.0 if self._started is None else time.monotonic() - self._started)

    def progress(self, step: int) -> float:
        """Share of the budget used after `step` steps."""
        by_step = step / self.max_steps if self.max_steps else 0.0
        by_time = self.seconds / self.max_seconds if self.max_seconds else 0.0
        return min(1.0, max(by_step, by_time))

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs."""
        return {"seconds": self.seconds}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from an earlier run's time."""
        self._before = float(state["seconds"])
