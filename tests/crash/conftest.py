"""`--full`, the server that runs commands, what they work on, and the table at the end."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

import molvae

Ended = Callable[..., dict[str, Any]]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="30 moments for each command and signal in place of one.")


@pytest.fixture(scope="session")
def moments(request: pytest.FixtureRequest) -> int:
    """At how many moments each command is ended by each signal."""
    return 30 if request.config.getoption("--full", default=False) else 1


@pytest.fixture(scope="session")
def ended() -> Iterator[Ended]:
    """Runs a command, see `server.ended`."""
    package = str(Path(cast(str, molvae.__file__)).parents[1])
    environment = os.environ | {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "PYTHONPATH": package}
    server = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("server.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert server.stdin is not None
    assert server.stdout is not None
    while server.stdout.readline() != "ready\n":  # libraries may print while they are imported
        assert server.poll() is None

    def run(**request: Any) -> dict[str, Any]:
        server.stdin.write(json.dumps(request, default=str) + "\n")
        server.stdin.flush()
        return json.loads(server.stdout.readline())

    yield run
    server.stdin.close()
    server.wait()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """One row per command and signal: how often it left what behind."""
    reports = [r for kind in ("passed", "failed") for r in terminalreporter.stats.get(kind, []) if r.when == "call"]
    rows = [dict(report.user_properties) for report in reports]
    rows = [row for row in rows if "outcomes" in row]
    if not rows:
        return
    kinds = sorted(set().union(*(row["outcomes"] for row in rows)))
    terminalreporter.section("commands that were ended by a signal")
    terminalreporter.write_line(f"{'command':<24}{'signal':<9}" + "".join(f"{kind:>12}" for kind in kinds))
    for row in sorted(rows, key=lambda row: (row["command"], row["signal"])):
        counts = Counter(row["outcomes"])
        cells = "".join(f"{counts[kind] or '–':>12}" for kind in kinds)
        terminalreporter.write_line(f"{row['command']:<24}{row['signal']:<9}{cells}")
