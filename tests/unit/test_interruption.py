import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import click
import pytest
from click.testing import CliRunner

import molvae.cli
from molvae.cli.options import resumable, same_command
from molvae.interruption import Interrupted, hold_signals, raise_interrupted


def send(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)
    time.sleep(0.001)  # until the interpreter has looked


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_raised_at_once_and_handlers_are_put_back(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with pytest.raises(Interrupted, match=number.name), raise_interrupted():
        send(number)
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_is_held_back_waits_for_the_work_to_stop(number: signal.Signals) -> None:
    done = []
    with pytest.raises(Interrupted), raise_interrupted():  # noqa: PT012
        with hold_signals() as held:
            for step in range(10):
                if step == 3:
                    send(number)
                done.append(step)
                held.check()
        done.append(99)
    assert done == [0, 1, 2, 3]


def test_without_a_command_line_ctrl_c_stays_a_keyboard_interrupt() -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), hold_signals() as held:  # noqa: PT012
            send(signal.SIGINT)
            held.check()
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_second_signal_within_a_second_is_the_same_request_and_a_later_one_is_not_held_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [100.0]
    monkeypatch.setattr("molvae.interruption.time.monotonic", lambda: now[0])
    with pytest.raises(Interrupted), raise_interrupted(), hold_signals():  # noqa: PT012
        send(signal.SIGTERM)
        now[0] += 0.5
        send(signal.SIGTERM)
        now[0] += 1.0
        send(signal.SIGTERM)
        pytest.fail("the third signal was held back")


def test_signals_that_are_ignored_stay_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with raise_interrupted():
            send(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


def interrupted_command(number: signal.Signals) -> Callable[[], None]:
    @click.command()
    @click.option("--resume", is_flag=True)
    @resumable(lambda: same_command("--resume"))
    def work(resume: bool) -> None:
        send(number)

    return work


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_command_that_is_interrupted_says_how_to_go_on(
    number: signal.Signals, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(molvae.cli.COMMANDS, "work", __name__)
    monkeypatch.setattr("molvae.cli.importlib.import_module", lambda name: sys.modules[__name__])
    monkeypatch.setattr(sys.modules[__name__], "work", interrupted_command(number), raising=False)
    for arguments in (["work"], ["work", "--resume"]):
        result = CliRunner().invoke(molvae.cli.main, arguments)
        assert result.exit_code == code
        assert result.stderr == f"Interrupted by {number.name}.\nGo on with: molvae work --resume\n"


def test_a_signal_while_the_command_is_imported_ends_it_without_a_traceback() -> None:
    program = (
        "import os, signal, molvae.cli as cli\n"
        "cli.importlib.import_module = lambda name: os.kill(os.getpid(), signal.SIGTERM)\n"
        "cli.main(['sample'])"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (143, "Interrupted by SIGTERM.\n")
