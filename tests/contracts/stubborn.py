"""Work that takes forever, crashes or fails, for the process that it is done in."""

import os
import signal
import time
from collections.abc import Sequence


def stubborn(molecules: Sequence[str | None], suffix: str) -> list[str]:
    done = []
    for molecule in molecules:
        if molecule == "slow":
            time.sleep(600)
        if molecule == "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        if molecule == "fail":
            raise ZeroDivisionError("as asked")
        done.append(f"{molecule}{suffix}")
    return done
