"""Running a user's program on text: what it writes is bounded, and all that it started ends with it."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

OUTPUT_PER_MOLECULE = 10_000  # bytes of standard output; a number has some 20
_STDERR = 100_000  # bytes kept of standard error, the last ones
_BLOCK = 1 << 16


@dataclass(frozen=True)
class Finished:
    """What a program did.

    Attributes:
        exit_code: as the system gives it; negative for a signal.
        stdout: decoded, bytes that are no UTF-8 replaced.
        stderr: the same, the end of it.
        truncated: whether it was ended because it wrote too much.
    """

    exit_code: int
    stdout: str
    stderr: str
    truncated: bool


def run_program(command: Sequence[str], text: str, *, timeout: float | None, most: int) -> Finished:
    """Run a program with `text` on its standard input.

    Args:
        command: the program and its arguments.
        text: what it reads.
        timeout: seconds until it is ended, with the processes that it started.
        most: bytes that it may write to standard output.

    Raises:
        OSError: when it cannot be started.
        subprocess.TimeoutExpired: when it takes too long.
    """
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,  # a group of its own, which can be ended whole
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    stdout, stderr = _Reader(process.stdout, most), _Reader(process.stderr, _STDERR, keep_last=True)
    stdout.when_full = lambda: _end(process)
    threads = [stdout, stderr, threading.Thread(target=_feed, args=(process.stdin, text), daemon=True)]
    deadline = None if timeout is None else time.monotonic() + timeout
    try:
        for thread in threads:
            thread.start()
        for thread in (stdout, stderr):
            thread.join(None if deadline is None else max(deadline - time.monotonic(), 0))
        left = None if deadline is None else max(deadline - time.monotonic(), 0)
        if stdout.is_alive() or stderr.is_alive():
            raise subprocess.TimeoutExpired(list(command), timeout or 0)
        process.wait(left)
    finally:
        _end(process)
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            with suppress(OSError, ValueError):
                pipe.close()
    return Finished(process.returncode, stdout.text(), stderr.text(), stdout.full)


class _Reader(threading.Thread):
    """Reads a pipe to its end and keeps the first bytes, or the last ones."""

    def __init__(self, pipe: IO[bytes], most: int, *, keep_last: bool = False) -> None:
        super().__init__(daemon=True)
        self.pipe, self.most, self.keep_last = pipe, most, keep_last
        self.content = b""
        self.full = False
        self.when_full = lambda: None

    def run(self) -> None:
        with suppress(OSError, ValueError):  # the pipe was closed because the program was ended
            while block := os.read(self.pipe.fileno(), _BLOCK):
                self.content += block
                if self.keep_last:
                    self.content = self.content[-self.most :]
                elif len(self.content) > self.most:
                    self.full = True
                    self.when_full()
                    return

    def text(self) -> str:
        return self.content.decode("utf-8-sig", errors="replace").replace("\r\n", "\n")


def _feed(pipe: IO[bytes], text: str) -> None:
    with suppress(OSError, ValueError):  # it may end without having read everything
        pipe.write(text.encode())
        pipe.close()


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill a program's process group: the program, and what it started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
