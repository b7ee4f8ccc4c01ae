"""Runs molvae's commands in forks of one interpreter that has imported everything, and sends them signals.

A command then starts in milliseconds, so that the moments at which it is ended lie in its work and not in its imports.
Requests and answers are lines of JSON, see `ended`.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

CHANGES = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod"}
LONGEST = 300.0  # seconds


def ended(request: dict[str, Any]) -> dict[str, Any]:
    """Run a command and report its exit status, its duration and how often it was about to change a file.

    Args:
        request: `arguments` of molvae, `folder` to run in, `log` for all it prints, and optionally a `signal` with the
            moment at which it is sent: `seconds` after the start, or `change`, the number of the change before which.
    """
    counts, counted = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(counts)
        _command(request, counted)
    os.close(counted)
    started, sent = time.monotonic(), request.get("seconds") is None
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        passed = time.monotonic() - started
        if done:
            break
        if not sent and passed >= request["seconds"]:
            os.kill(pid, request["signal"])
            sent = True
        if passed > LONGEST:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.0005)
    with os.fdopen(counts, "rb") as pipe:
        changes = len(pipe.read())
    return {"status": os.waitstatus_to_exitcode(status), "seconds": passed, "changes": changes}


def _command(request: dict[str, Any], counted: int) -> None:
    """What the fork does: it never returns."""
    status = 1
    try:
        os.setsid()
        os.chdir(request["folder"])
        log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        for stream, descriptor in ((0, os.open(os.devnull, os.O_RDONLY)), (1, log), (2, log)):
            os.dup2(descriptor, stream)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _watch(Path(request["folder"]), counted, request.get("change"), request.get("signal"))
        from molvae.cli import main

        main(request["arguments"], prog_name="molvae")
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _watch(folder: Path, counted: int, change: int | None, number: int | None) -> None:
    """Count the changes to files in the folder, by one byte each, and send the signal right before one of them."""
    inside, n = (str(folder), "."), 0

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal n
        if event not in CHANGES or (event == "open" and not arguments[2] & (os.O_WRONLY | os.O_RDWR)):
            return
        path = arguments[0]
        if isinstance(path, str | Path) and (not os.path.isabs(path) or str(path).startswith(inside[0])):
            os.write(counted, b".")
            n += 1
            if n == change and number is not None:
                os.kill(os.getpid(), number)

    sys.addaudithook(hook)


def warm_up() -> None:
    """Import what the commands import when they are called, and load the tables of their scores."""
    import importlib

    import pytorch_lightning  # noqa: F401
    import sklearn.pipeline  # noqa: F401
    import tokenizers  # noqa: F401
    import torch

    from molvae.chem.parse import parse_smiles
    from molvae.cli import COMMANDS
    from molvae.cli.tables import described
    from molvae.scoring.structural_filters import passes_filters

    torch.set_num_threads(1)  # a fork would not have the threads
    for module in (*COMMANDS.values(), "molvae.generator", "molvae.training.prior", "molvae.training.heads"):
        importlib.import_module(module)
    for module in ("molvae.optimize.run", "molvae.report.grid", "molvae.evaluation.collapse"):
        importlib.import_module(module)
    described(["CCO"])
    passes_filters(parse_smiles("CCO"))


if __name__ == "__main__":
    warm_up()
    answers = os.fdopen(os.dup(1), "w")
    answers.write("ready\n")
    answers.flush()
    for line in sys.stdin:
        answers.write(json.dumps(ended(json.loads(line))) + "\n")
        answers.flush()
