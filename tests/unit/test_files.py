import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from molvae import files
from molvae.errors import InputFileError
from molvae.files import FolderKind, atomic_folder, atomic_path, check_writable, write_text, writing

KIND = FolderKind("prepared folder", "meta.json", ("meta.json", "a.npy", "graphs/*.npy"))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def make_folder(path: Path, **contents: str) -> Path:
    """A folder of `KIND`."""
    path.mkdir(parents=True)
    for name, text in ({"meta.json": '{"format_version": 2}'} | contents).items():
        (path / name).write_text(text)
    return path


def killed(code: str, *arguments: object) -> None:
    """Run Python code in a process that kills itself."""
    command = [
        sys.executable,
        "-c",
        f"import os, signal, sys\nfrom molvae.files import *\n{code}",
        *map(str, arguments),
    ]
    assert subprocess.run(command, timeout=60).returncode == -signal.SIGKILL


KILL = "os.kill(os.getpid(), signal.SIGKILL)"


@contextmanager
def another_process(path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that is writing `path`."""
    code = "import sys\nfrom molvae.files import *\nwith writing(sys.argv[1]): print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def test_a_file_appears_whole_and_readable(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "deep" / "a.txt") as temporary:
        temporary.write_text("done")
        assert not (tmp_path / "deep" / "a.txt").exists()
    assert (tmp_path / "deep" / "a.txt").read_text() == "done"
    assert (tmp_path / "deep" / "a.txt").stat().st_mode & 0o400
    assert names(tmp_path / "deep") == ["a.txt"]


def test_an_error_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("old")
    with pytest.raises(RuntimeError), atomic_path(tmp_path / "a.txt") as temporary:  # noqa: PT012
        temporary.write_text("half")
        raise RuntimeError
    assert names(tmp_path) == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


def test_a_replaced_file_keeps_its_permissions(tmp_path: Path) -> None:
    (tmp_path / "a.txt").touch(mode=0o640)
    (tmp_path / "a.txt").chmod(0o664)
    write_text(tmp_path / "a.txt", "new")
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o664


@pytest.mark.parametrize("length", [250, 255])
def test_a_name_may_be_as_long_as_the_file_system_allows(tmp_path: Path, length: int) -> None:
    for letter in "ab":  # two long names that begin alike do not share a temporary file
        path = tmp_path / ("é" * 100 + "x" * (length - 201) + letter)
        with writing(path.with_name(path.name[:-1] + "c")), atomic_folder(path) as folder:
            (folder / "there").touch()
    assert len(names(tmp_path)) == 2


def test_a_folder_is_replaced_whole_when_asked(tmp_path: Path) -> None:
    for content in ("one", "two"):
        with atomic_folder(tmp_path / "d", overwrite=True) as folder:
            (folder / content).touch()
    assert names(tmp_path / "d") == ["two"]
    assert names(tmp_path) == ["d"]
    with pytest.raises(InputFileError, match="exists already"), atomic_folder(tmp_path / "d"):
        pass


def test_an_empty_folder_needs_no_overwriting(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    with atomic_folder(tmp_path / "d") as folder:
        (folder / "one").touch()
    assert names(tmp_path / "d") == ["one"]


def test_overwriting_refuses_a_folder_that_holds_anything_else(tmp_path: Path) -> None:
    ours = make_folder(tmp_path / "d", **{"a.npy": ""})
    for made in ("notes.txt", "graphs/my.txt", "empty/"):
        place = ours / made
        place.parent.mkdir(exist_ok=True)
        place.mkdir() if made.endswith("/") else place.touch()
        message = f"d is not overwritten, because it holds {made.rstrip('/')}, which molvae did not make"
        with pytest.raises(InputFileError, match=message), atomic_folder(ours, overwrite=True, kind=KIND):
            pass
        place.rmdir() if made.endswith("/") else place.unlink()
        if place.parent != ours:
            place.parent.rmdir()
    with atomic_folder(ours, overwrite=True, kind=KIND) as folder:
        (folder / "new").touch()
    assert names(ours) == ["new"]


def test_overwriting_refuses_another_program_s_folder_with_names_like_ours(tmp_path: Path) -> None:
    theirs = make_folder(tmp_path / "d", **{"meta.json": '{"title": "my thesis"}'})
    with pytest.raises(InputFileError, match=r"it holds meta\.json"), atomic_folder(theirs, overwrite=True, kind=KIND):
        pass
    assert names(theirs) == ["meta.json"]


def test_other_files_are_kept_when_asked_or_when_they_come_later(tmp_path: Path) -> None:
    ours = make_folder(tmp_path / "d", **{"card.md": "by hand", "a.npy": ""})
    with atomic_folder(ours, overwrite=True, kind=KIND, keep=True) as folder:
        (folder / "meta.json").write_text('{"format_version": 3}')
        (ours / "later").mkdir()
        (ours / "later" / "notes.txt").touch()
    assert names(ours) == ["card.md", "later", "meta.json"]
    assert (ours / "later" / "notes.txt").exists()
    assert "3" in (ours / "meta.json").read_text()


def test_a_file_in_the_place_of_a_folder_stays(tmp_path: Path) -> None:
    (tmp_path / "d").write_text("mine")
    with pytest.raises(InputFileError, match="is a file"), atomic_folder(tmp_path / "d", overwrite=True):
        pass
    assert (tmp_path / "d").read_text() == "mine"


def test_symbolic_links_stay_and_what_they_lead_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link.txt").symlink_to(tmp_path / "real" / "a.txt")
    write_text(tmp_path / "link.txt", "through")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "real" / "a.txt").read_text() == "through"
    make_folder(tmp_path / "real" / "d")
    (tmp_path / "d").symlink_to("real/d")
    with atomic_folder(tmp_path / "d", overwrite=True, kind=KIND) as folder:
        (folder / "new").touch()
    assert (tmp_path / "d").is_symlink()
    assert names(tmp_path / "real" / "d") == ["new"]


def test_a_pipe_is_written_through(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    received: list[str] = []
    reader = threading.Thread(target=lambda: received.append((tmp_path / "pipe").read_text()))
    reader.start()
    write_text(tmp_path / "pipe", "whole")
    reader.join(10)
    assert received == ["whole"]
    assert names(tmp_path) == ["pipe"]


def test_a_device_stays_a_device() -> None:
    write_text("/dev/null", "gone")
    assert not Path("/dev/null").is_file()


def test_dev_stdout_goes_on_where_standard_output_is(tmp_path: Path) -> None:
    code = "from molvae.files import *\nprint('one')\nwrite_text('/dev/stdout', 'two\\n')\nprint('three')"
    (tmp_path / "out").write_text("zero\n")
    with (tmp_path / "out").open("a") as file:
        subprocess.run([sys.executable, "-c", code], stdout=file, check=True)
    assert (tmp_path / "out").read_text() == "zero\none\ntwo\nthree\n"
    assert names(tmp_path) == ["out"]


def test_a_second_writer_is_refused_by_name(tmp_path: Path) -> None:
    with another_process(tmp_path / "a.txt") as process:
        message = f"a.txt is being written by another process \\({process.pid} on "
        with pytest.raises(InputFileError, match=message), atomic_path(tmp_path / "a.txt"):
            pass
        with pytest.raises(InputFileError, match=message), atomic_folder(tmp_path / "a.txt"):
            pass
        write_text(tmp_path / "b.txt", "elsewhere")
    write_text(tmp_path / "a.txt", "after it")
    assert names(tmp_path) == ["a.txt", "b.txt"]


def test_two_threads_do_not_share_a_temporary_file(tmp_path: Path) -> None:
    refused: list[InputFileError] = []

    def second() -> None:
        try:
            write_text(tmp_path / "a.txt", "second")
        except InputFileError as error:
            refused.append(error)

    with atomic_path(tmp_path / "a.txt") as temporary:
        temporary.write_text("first")
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
    assert len(refused) == 1
    assert (tmp_path / "a.txt").read_text() == "first"


def test_what_a_killed_writer_left_goes_with_the_next_output_in_the_folder(tmp_path: Path) -> None:
    killed(f"with atomic_path(sys.argv[1]) as t: t.write_text('half'); {KILL}", tmp_path / "a.txt")
    killed(f"with atomic_folder(sys.argv[1]) as t: (t / 'half').touch(); {KILL}", tmp_path / "d")
    assert len(names(tmp_path)) == 2
    killed(f"with atomic_path(sys.argv[1]) as t: t.write_text('half'); {KILL}", tmp_path / "a.txt")
    write_text(tmp_path / "b.txt", "")
    assert names(tmp_path) == ["b.txt"]


def test_a_living_writer_s_output_is_not_swept(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "a.txt") as temporary:
        temporary.write_text("mine")
        code = "import sys\nfrom molvae.files import *\nwrite_text(sys.argv[1], '')"
        subprocess.run([sys.executable, "-c", code, str(tmp_path / "b.txt")], check=True)
    assert (tmp_path / "a.txt").read_text() == "mine"


@pytest.mark.parametrize("can_exchange", [True, False])
@pytest.mark.parametrize("step", range(4))
def test_a_folder_that_is_replaced_is_old_or_new_whenever_the_process_is_killed(
    tmp_path: Path, step: int, can_exchange: bool
) -> None:
    """The process is killed before its first, second, … change of the file system after the folder is complete."""
    make_folder(tmp_path / "d")
    code = f"""
import molvae.files as files, shutil
if not {can_exchange}:
    files._exchange = lambda one, other: False
with atomic_folder(sys.argv[1], overwrite=True) as folder:
    (folder / "new").touch()
    steps = 0
    def before(function):
        def call(*a, **k):
            global steps
            if steps == {step}: {KILL}
            steps += 1
            return function(*a, **k)
        return call
    os.replace, files._exchange, shutil.rmtree = before(os.replace), before(files._exchange), before(shutil.rmtree)
    os.unlink = Path.unlink = before(Path.unlink)
{KILL}
"""
    killed(code, tmp_path / "d")
    if can_exchange:
        assert names(tmp_path / "d") in (["meta.json"], ["new"])
    write_text(tmp_path / "next", "")  # without an exchange, the next output puts the old folder back
    assert names(tmp_path) == ["d", "next"]
    assert names(tmp_path / "d") in (["meta.json"], ["new"])


def test_where_no_folder_can_be_exchanged_a_failure_puts_the_old_one_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_folder(tmp_path / "d")
    monkeypatch.setattr(files, "_exchange", lambda one, other: False)
    with atomic_folder(tmp_path / "d", overwrite=True) as folder:
        (folder / "new").touch()
    assert names(tmp_path / "d") == ["new"]
    replace, calls = os.replace, iter([None, OSError("busy")])

    def fails_once(source: Path, destination: Path) -> None:
        if error := next(calls, None):
            raise error
        replace(source, destination)

    monkeypatch.setattr(os, "replace", fails_once)
    with pytest.raises(OSError, match="busy"), atomic_folder(tmp_path / "d", overwrite=True) as folder:
        (folder / "newer").touch()
    assert names(tmp_path / "d") == ["new"]


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputFileError, match="cannot write"), atomic_path(tmp_path / "file" / "a.txt"):
        pass
    for path, why in (
        (tmp_path / "file" / "a.txt", "is not a folder"),
        (tmp_path, "it is a folder"),
        (tmp_path / ("x" * 256), "File name too long"),
    ):
        with pytest.raises(InputFileError, match=why):
            check_writable(path)
    check_writable(tmp_path / "new" / "a.txt")


def test_a_full_disk_names_the_output(tmp_path: Path) -> None:
    message = r"cannot write .*a\.txt: No space"
    with pytest.raises(InputFileError, match=message), atomic_path(tmp_path / "a.txt"), open("/dev/full", "w") as full:
        full.write("x")
    assert names(tmp_path) == []
