"""Output that is whole or not there: written under a temporary name, and renamed when it is complete.

While a process writes `out.csv`, there are two hidden files beside it: `.out.csv.molvae-part`, the output so far, and
`.out.csv.molvae-lock`, which the process has locked. The lock refuses a second writer, and tells what a killed process
left behind from what a living one is writing: the next output in that folder removes the former.
"""

import ctypes
import errno
import hashlib
import os
import platform
import shutil
import stat
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO, Any

from molvae.documents import DocumentError, json_text, read_json
from molvae.errors import InputFileError

try:
    import fcntl
except ImportError:  # Windows has no such locks: two writers are not told apart there, and nothing is swept
    fcntl = None  # type: ignore[assignment]

LONGEST_NAME = 255  # bytes, on all common file systems
_LOCK, _PART, _OLD = ".molvae-lock", ".molvae-part", ".molvae-old"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_EXCHANGE = 2  # RENAME_EXCHANGE of Linux
_held: dict[Path, int] = {}  # locks of this process → the thread that holds each


@dataclass(frozen=True)
class FolderKind:
    """The files of a kind of folder that molvae makes; `--overwrite` deletes no others.

    Attributes:
        name: of the kind, in messages.
        marker: a JSON file with a `format_version`, which every such folder has.
        files: patterns of all paths in it, relative to the folder.
    """

    name: str
    marker: str
    files: tuple[str, ...]

    def others(self, folder: Path) -> list[Path]:
        """What else is in a folder: sorted paths relative to it, everything if it is not of this kind."""
        found = [Path(root, name).relative_to(folder) for root, _, names in os.walk(folder) for name in names]
        found += [
            Path(root, name).relative_to(folder)
            for root, names, _ in os.walk(folder)
            for name in names
            if Path(root, name).is_symlink() or not any(Path(root, name).iterdir())  # os.walk lists nothing in these
        ]
        known = (*self.files, f"*{_LOCK}", f"*{_PART}", f"*{_PART}/*") if self._marks(folder) else ()
        return sorted(path for path in found if not any(fnmatchcase(path.as_posix(), pattern) for pattern in known))

    def _marks(self, folder: Path) -> bool:
        try:
            return "format_version" in read_json(folder / self.marker)
        except (OSError, DocumentError, TypeError):
            return False


@contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """Be the only process that writes a file or folder; the same thread may ask for it again.

    Raises:
        InputFileError: when another process is writing it, or nothing can be written there.
    """
    target = _target(path)
    lock = beside(target, _LOCK)
    if _held.get(lock) == threading.get_ident():
        yield
        return
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep(target.parent)
        descriptor = _lock_file(lock, target, path)
    except OSError as error:
        raise _cannot_write(path, error) from error
    _held[lock] = threading.get_ident()
    try:
        yield
    finally:
        del _held[lock]
        lock.unlink(missing_ok=True)
        if fcntl is not None:
            with suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_UN)  # closing does not unlock while a forked process has it too
        os.close(descriptor)


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary file; it becomes `path` on success and is deleted on any error.

    A symbolic link stays, and the file that it leads to is replaced. What is no regular file (a device, a pipe,
    `/dev/stdout`) is written to when the temporary file is complete.

    Raises:
        InputFileError: when it cannot be written, or another process is writing it.
    """
    if is_stream(path):
        with tempfile.TemporaryDirectory(prefix="molvae-") as folder:
            temporary = Path(folder) / "output"
            temporary.touch()
            yield temporary
            with temporary.open("rb") as whole, open_stream(path) as stream:
                shutil.copyfileobj(whole, stream)
        return
    target = _target(path)
    with writing(target), _part(path, target) as temporary:
        temporary.touch()
        yield temporary
        if target.exists():
            shutil.copymode(target, temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())  # a file renamed before it is on disk may be empty after a power cut
        os.replace(temporary, target)


@contextmanager
def atomic_folder(
    path: str | Path, *, overwrite: bool = False, kind: FolderKind | None = None, keep: bool = False
) -> Iterator[Path]:
    """Yield a temporary folder; it becomes `path` on success and is deleted on any error.

    A symbolic link stays, and the folder that it leads to is replaced. At every moment there is the old folder or the
    new one: the two are exchanged.

    Args:
        path: the folder; an empty one may exist.
        overwrite: replace an existing folder.
        kind: what the existing folder must be to be replaced; `None` replaces any.
        keep: copy the files that are not of this kind to the new folder, and do not refuse them.

    Raises:
        InputFileError: when `path` is a file; when it is no empty folder and `overwrite` is not set; when it holds
            files that molvae did not make; when another process is writing it.
    """
    target = _target(path)
    with writing(target):
        _check_folder(path, target, overwrite=overwrite, kind=None if keep else kind)
        with _part(path, target) as temporary:
            temporary.mkdir()
            yield temporary
            if kind is not None and overwrite and target.is_dir():
                _copy(kind.others(target), target, temporary)  # they are kept, or came while the folder was written
            _check_folder(path, target, overwrite=overwrite, kind=None)
            _put_in_place(temporary, target)


@contextmanager
def _part(path: str | Path, target: Path) -> Iterator[Path]:
    """Yield the temporary place of an output, where nothing is; what is there in the end is removed."""
    temporary = beside(target, _PART)
    try:
        _remove(temporary)
        yield temporary
    except OSError as error:
        if error.filename == str(temporary) or error.errno in _FULL:
            raise _cannot_write(path, error) from error
        raise
    finally:
        _remove(temporary)


def check_writable(path: str | Path) -> None:
    """Raise `InputFileError`, before any work is done, when no file can be written at `path`."""
    if is_stream(path):
        return
    target = _target(path)
    try:
        if target.is_dir():
            raise InputFileError(f"cannot write {path}: it is a folder; expected a file")
        with suppress(FileNotFoundError, NotADirectoryError):
            os.stat(target)  # a name that is too long is an error here
        there = next(parent for parent in target.parents if parent.exists())
    except OSError as error:
        if isinstance(error, InputFileError):
            raise
        raise _cannot_write(path, error) from error
    if not there.is_dir():
        raise InputFileError(f"cannot write {path}: {there} is not a folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise InputFileError(f"cannot write {path}: no permission to write in {there}")


def is_stream(path: str | Path) -> bool:
    """Whether a path is a device, a pipe or an open descriptor such as `/dev/stdout`, which cannot be replaced."""
    if _descriptor_of(Path(path)) is not None:
        return True
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def open_stream(path: str | Path) -> IO[bytes]:
    """Open what `is_stream` for writing; an open descriptor goes on where it is."""
    number = _descriptor_of(Path(path))
    if number == 1 and sys.stdout is not None:
        sys.stdout.flush()
    return Path(path).open("wb") if number is None else os.fdopen(os.dup(number), "wb")


def beside(path: Path, ending: str) -> Path:
    """A hidden neighbor of a path, its name with an ending; a name that would be too long is shortened, with a hash."""
    return path.with_name(fitting_name(f".{path.name}", ending))


def fitting_name(name: str, ending: str) -> str:
    """`name` and an ending, as a file's name; one that would be too long is shortened and gets a hash."""
    if len(os.fsencode(name + ending)) <= LONGEST_NAME:
        return name + ending
    digest = hashlib.sha256(os.fsencode(name)).hexdigest()[:16]
    room = LONGEST_NAME - len(os.fsencode(ending)) - len(digest) - 1
    return f"{os.fsencode(name)[:room].decode(errors='ignore')}~{digest}{ending}"


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 text, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value: Any) -> None:
    """Write indented UTF-8 JSON, atomically; NaN and infinity become null."""
    write_text(path, json_text(value, indent=2) + "\n")


def _target(path: str | Path) -> Path:
    return Path(os.path.realpath(path))


def _cannot_write(path: str | Path, error: OSError) -> InputFileError:
    if isinstance(error, InputFileError):
        return error
    return InputFileError(f"cannot write {path}: {error.strerror or error}")


def _descriptor_of(path: Path) -> int | None:
    """The open descriptor that a path such as `/dev/stdout` or `/dev/fd/1` means."""
    for _ in range(8):  # a link to a link to …
        if path.name.isdecimal() and os.path.realpath(path.parent) in ("/dev/fd", f"/proc/{os.getpid()}/fd"):
            return int(path.name)
        if not os.path.islink(path):
            return None
        path = path.parent / os.readlink(path)
    return None


def _check_folder(path: str | Path, target: Path, *, overwrite: bool, kind: FolderKind | None) -> None:
    try:
        if not target.exists():
            return
        if not target.is_dir():
            raise InputFileError(f"{path} is a file; expected a folder")
        if not any(target.iterdir()):
            return
    except OSError as error:
        raise _cannot_write(path, error) from error
    if not overwrite:
        raise InputFileError(f"{path} exists already; choose another folder or allow overwriting (--overwrite)")
    others = [] if kind is None else kind.others(target)
    if kind is not None and others:
        more = f" and {len(others) - 1} more" if len(others) > 1 else ""
        raise InputFileError(
            f"{path} is not overwritten, because it holds {others[0]}{more}, which molvae did not make; "
            "move that away or choose another folder"
        )


def _lock_file(lock: Path, target: Path, path: str | Path) -> int:
    """Create and lock the file that says who writes `target`; returns its descriptor."""
    while True:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
        if _try_to_lock(descriptor) is False:
            who = os.read(descriptor, 1000).decode(errors="replace").split("\n")[0]
            os.close(descriptor)
            raise InputFileError(f"{path} is being written by another process{f' ({who})' if who else ''}")
        if _is_file(lock, descriptor):
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"{os.getpid()} on {platform.node()}\n".encode() + os.fsencode(target.name) + b"\n")
            return descriptor
        os.close(descriptor)  # the process that had locked it has just removed it


def _try_to_lock(descriptor: int) -> bool | None:
    """Whether a file is now locked by this process; `None` where there are no locks."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno in (errno.EWOULDBLOCK, errno.EACCES) else None
    return True


def _is_file(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _sweep(folder: Path) -> None:
    """Remove what killed processes left in a folder; a replaced folder that they had moved away is put back."""
    for lock in folder.glob(f".*{_LOCK}"):
        if lock in _held:
            continue
        with suppress(OSError):  # another process sweeps too, or the file is another user's
            descriptor = os.open(lock, os.O_RDWR)
            try:
                if _try_to_lock(descriptor) is True and _is_file(lock, descriptor):
                    _clean_up(lock, os.fsdecode(os.read(descriptor, 1000)))
            finally:
                os.close(descriptor)


def _clean_up(lock: Path, text: str) -> None:
    """Remove what the killed process left whose lock says `text`."""
    part, old = (lock.with_name(lock.name.removesuffix(_LOCK) + ending) for ending in (_PART, _OLD))
    _, _, name = text.removesuffix("\n").partition("\n")
    if name and old.exists() and not lock.with_name(name).exists():
        os.replace(old, lock.with_name(name))
    _remove(old)
    _remove(part)
    lock.unlink()


def _put_in_place(temporary: Path, target: Path) -> None:
    """Make a folder appear at `target`; what was there is then at `temporary`, if anything."""
    if not target.exists() or not any(target.iterdir()):
        os.replace(temporary, target)
    elif not _exchange(temporary, target):
        old = beside(target, _OLD)  # `_sweep` puts it back if the process is killed now
        os.replace(target, old)
        try:
            os.replace(temporary, target)
        except BaseException:
            os.replace(old, target)
            raise
        _remove(old)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two paths in one step; returns False where the system or the file system cannot."""
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError, TypeError):
        return False
    here = -100  # AT_FDCWD: relative paths are relative to the current directory
    return renameat2(here, os.fsencode(one), here, os.fsencode(other), _EXCHANGE) == 0


def _copy(others: Sequence[Path], source: Path, destination: Path) -> None:
    for path in others:
        (destination / path).parent.mkdir(parents=True, exist_ok=True)
        if (source / path).is_dir() and not (source / path).is_symlink():
            (destination / path).mkdir(exist_ok=True)
        elif not (destination / path).exists():
            shutil.copy2(source / path, destination / path, follow_symlinks=False)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
