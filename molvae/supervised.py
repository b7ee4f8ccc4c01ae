"""Work on many molecules in a process of its own, which is ended when one of them takes too long or crashes it.

RDKit's C++ cannot be interrupted from Python, and a crash in it ends the process that it runs in.
"""

import contextlib
import faulthandler
import os
import pickle
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any, TypeVar

from molvae.errors import MolvaeError

T = TypeVar("T")

TOO_SLOW, CRASHED = "too_slow", "crashed"
"""The reasons given for molecules that could not be finished."""
_BEAT = b""  # what the process sends before each molecule; anything else is its result
_START = 120.0  # seconds in which the process has to start
_WARM_UP = 20.0  # seconds that the first molecule of a function gets in addition


def supervised(
    function: Callable[..., T], molecules: Sequence[str | None], *arguments: Any, seconds: float
) -> tuple[T, dict[int, str]]:
    """Call `function(molecules, *arguments)` with a limit on the time of each molecule.

    Args:
        function: of a module; it has to iterate over the molecules once, in their order, and may get `None` for some.
        molecules: SMILES.
        arguments: further arguments, which can be pickled.
        seconds: for one molecule.

    Returns:
        The result, with `None` in place of the molecules that took longer or ended the process; and the reason for each
        of these by its index, `TOO_SLOW` or `CRASHED`.

    Raises:
        MolvaeError: when the process cannot be started.
    """
    remaining, lost = list(molecules), dict[int, str]()
    while True:
        outcome = _worker().run(function, remaining, arguments, seconds)
        if not isinstance(outcome, _Lost):
            return outcome, lost
        if outcome.index < 0 or remaining[outcome.index] is None:  # it is not the molecule's fault
            raise MolvaeError(f"a process that works on molecules could not do so ({outcome.reason})")
        lost[outcome.index] = outcome.reason
        remaining[outcome.index] = None


class _Lost:
    def __init__(self, index: int, reason: str) -> None:
        self.index, self.reason = index, reason


class _Worker:
    """The process; it is started anew after it was ended, and ends with the process that started it."""

    def __init__(self) -> None:
        self.process: Any = None
        self.warm: set[str] = set()  # functions that finished a molecule; their first one waits for imports

    def run(
        self, function: Callable[..., T], items: list[Any], arguments: tuple[Any, ...], seconds: float
    ) -> T | _Lost:
        if self.process is None or not self.process.is_alive():
            self._start()
        name = f"{function.__module__}.{function.__qualname__}"
        beats = 0  # the first says that the work begins, then there is one before each molecule
        try:
            self.pipe.send_bytes(pickle.dumps((function, items, arguments, seconds)))
            while True:
                if not self.pipe.poll(_START if beats < 2 else seconds if name in self.warm else seconds + _WARM_UP):
                    self._end()
                    return _Lost(beats - 2, TOO_SLOW)
                message = self.pipe.recv_bytes()
                if message != _BEAT:
                    break
                beats += 1
                if beats > 2:
                    self.warm.add(name)
        except (EOFError, OSError):
            self._end()
            return _Lost(beats - 2, CRASHED)
        except BaseException:  # such as Ctrl-C: what the process still sends belongs to nobody
            self._end()
            raise
        done, value = pickle.loads(message)
        if done:
            return value
        raise value

    def _start(self) -> None:
        from joblib.externals.loky.backend.context import get_context

        context = get_context("loky")  # unlike multiprocessing's own, it does not run the user's script again
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self.process.start()
        theirs.close()

    def _end(self) -> None:
        self.process.terminate()
        self.process.join()
        self.pipe.close()
        self.process, self.warm = None, set()


@lru_cache(maxsize=1)
def _worker() -> _Worker:
    return _Worker()


class _Beating(list[Any]):
    """Molecules that send a beat whenever one of them is taken."""

    def __init__(self, items: Sequence[Any], pipe: Any, seconds: float) -> None:
        super().__init__(items)
        self.pipe, self.seconds = pipe, seconds

    def __iter__(self) -> Iterator[Any]:
        armed = float("-inf")
        for item in super().__iter__():
            self.pipe.send_bytes(_BEAT)
            if time.monotonic() > armed + 1.0:  # ends this process when the one that would is gone
                faulthandler.dump_traceback_later(self.seconds + 60.0, exit=True, file=_nowhere())
                armed = time.monotonic()
            yield item
        faulthandler.cancel_dump_traceback_later()


@lru_cache(maxsize=1)
def _nowhere() -> Any:
    return open(os.devnull, "w")


def _serve(pipe: Any) -> None:
    """What the process does: one call after the other, until the other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        try:
            function, items, arguments, seconds = pickle.loads(pipe.recv_bytes())
        except (EOFError, OSError):
            return
        pipe.send_bytes(_BEAT)
        try:
            result = (True, function(_Beating(items, pipe, seconds), *arguments))
        except Exception as error:  # of whatever kind, it is raised where the work was asked for
            result = (False, error)
        with contextlib.suppress(OSError):
            pipe.send_bytes(pickle.dumps(result))
