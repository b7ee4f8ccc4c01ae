"""SIGINT and SIGTERM, which ask a program to end: raised at once, or held back until its work can be saved."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)
ONE_REQUEST = 1.0  # seconds in which further signals belong to the first, since `timeout` and others send it twice


class Interrupted(BaseException):
    """The program was asked to end; not a `KeyboardInterrupt`, which libraries handle in ways of their own.

    Attributes:
        signum: the signal.
        command: the command that goes on with the work; `None` if nothing of it is kept.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.signum = signum
        self.command: str | None = None


class Stopped(BaseException):
    """Work has stopped where it can be saved, because a signal is held back."""


@contextmanager
def raise_interrupted() -> Iterator[None]:
    """Raise `Interrupted` on a signal; one that comes more than a second later ends the process at once."""
    first: list[float] = []

    def handle(signum: int, frame: FrameType | None) -> None:
        if not first:
            first.append(time.monotonic())
            raise Interrupted(signum)
        if time.monotonic() - first[0] > ONE_REQUEST:
            signal.signal(signum, signal.SIG_DFL)
            signal.raise_signal(signum)

    with _handled_by(handle):
        yield


class HeldSignals:
    """Signals that are held back; see `hold_signals`.

    Attributes:
        signum: the first signal that came.
        shared: whether several processes do the work, so that none may stop before all have agreed to.
    """

    def __init__(self) -> None:
        self.signum: int | None = None
        self.shared = False
        self._agreed = False
        self._received_at = 0.0
        self._before = {number: signal.getsignal(number) for number in SIGNALS}

    def check(self) -> None:
        """Raise `Stopped` if a signal has come; called where the work can stop."""
        if self.signum is not None and (self._agreed or not self.shared):
            raise Stopped

    def agree(self, signum: int) -> None:
        """Stop for a signal that one of the processes got."""
        self.signum, self._agreed = self.signum or signum, True

    def listen(self) -> None:
        """Hold signals back again, where a library has put handlers of its own in place."""
        _handle(self.receive)

    def receive(self, signum: int, frame: FrameType | None) -> None:
        """Remember the first signal; one that comes more than a second later is no longer held back."""
        if self.signum is None:
            self.signum, self._received_at = signum, time.monotonic()
        elif time.monotonic() - self._received_at > ONE_REQUEST:
            self.signum = None
            signal.signal(signum, self._before[signal.Signals(signum)])
            signal.raise_signal(signum)


@contextmanager
def hold_signals() -> Iterator[HeldSignals]:
    """Hold signals back, so that the work in the block can stop where `HeldSignals.check` is called, and be saved.

    A signal that came is handled after the block as it would have been without it: by default, SIGINT raises
    `KeyboardInterrupt` and SIGTERM ends the process.
    """
    held = HeldSignals()
    try:
        with _handled_by(held.receive), suppress(Stopped):
            yield held
    finally:
        if held.signum is not None:
            signal.raise_signal(held.signum)
            raise KeyboardInterrupt  # the handler has returned


@contextmanager
def _handled_by(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    _handle(handler)
    try:
        yield
    finally:
        for number, handled in before.items():
            if _is_main_thread() and handled is not None:
                signal.signal(number, handled)


def _handle(handler: Callable[[int, FrameType | None], None]) -> None:
    """Install a handler of all signals but those that are ignored, as under `nohup`."""
    for number in SIGNALS:
        if _is_main_thread() and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
