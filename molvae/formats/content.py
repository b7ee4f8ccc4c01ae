"""What a file holds: its first bytes say how it is packed and written, whatever its name ends with."""

import bz2
import codecs
import gzip
import io
import lzma
import re
import shutil
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from molvae.config import MAX_LINE
from molvae.errors import InputFileError
from molvae.formats.excel import is_workbook

HEAD = 1 << 16  # bytes that are looked at
MAX_PACKED = 3  # times that a file may be packed
PACKED_ENDINGS = {".gz": "gzip", ".bz2": "bzip2", ".xz": "xz", ".zst": "zstd", ".zip": "zip"}
OVERLONG = "\0overlong"
"""Stands for a line that is too long; compared by identity."""

_PACKED = ((b"\x1f\x8b", "gzip"), (b"\xfd7zXZ\0", "xz"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"PK\x03\x04", "zip"))
_FOREIGN = (
    (b"%PDF", "a PDF document"),
    (b"\xd0\xcf\x11\xe0", "an old Excel or Word file; save the table as CSV"),
    (b"ARROW1", "an Arrow (Feather) file; write it as Parquet"),
    (b"\x89HDF", "an HDF5 file; write the table as CSV or Parquet"),
    (b"SQLite format 3", "an SQLite database; export the table as CSV"),
    (b"\x93NUMPY", "a NumPy array; write it as CSV"),
    (b"\x89PNG", "a picture"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive; unpack it first"),
    (b"Rar!", "a RAR archive; unpack it first"),
    (b"\x80\x04\x95", "a Python pickle; write the table as CSV or Parquet"),
    (b"\x80\x05\x95", "a Python pickle; write the table as CSV or Parquet"),
)
_FOREIGN_TEXT = (
    ("<!doctype html", "an HTML page, perhaps what a server sent in place of a file"),
    ("<html", "an HTML page, perhaps what a server sent in place of a file"),
    ("<?xml", "XML; write the table as CSV"),
    ("{", "JSON; write the table as CSV"),
    ("[{", "JSON; write the table as CSV"),
)
_COUNTS_LINE = re.compile(r"[ \d]{6,}.*V[23]000\s*")  # line 4 of a molfile
_DAMAGED = (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, OSError)


@dataclass(frozen=True)
class Content:
    """An open source of molecules, unpacked.

    Attributes:
        stream: the bytes, from the first.
        name: the file's name; that of its member if it is a ZIP archive.
        encoding: of its text; "" if it is no text.
        kind: "parquet", "excel" or "sdf" if the content is; `None` if the name has to say.
    """

    stream: IO[bytes]
    name: str
    encoding: str
    kind: str | None

    def lines(self, longest: int = MAX_LINE) -> Iterator[str]:
        """The lines of the text with their ends: a line feed, a carriage return or both.

        Bytes that are no UTF-8 make their line Latin-1. `OVERLONG` stands for a line of more than `longest` characters.
        """
        errors = "surrogateescape" if self.encoding == "utf-8" else "replace"
        text = io.TextIOWrapper(self.stream, self.encoding or "utf-8", errors, newline="")
        try:
            while line := text.readline(longest + 1):
                if len(line) > longest and line[-1] not in "\r\n":
                    while (rest := text.readline(MAX_LINE)) and rest[-1] not in "\r\n":
                        pass
                    yield OVERLONG
                elif line.isascii():
                    yield line
                else:
                    yield _as_latin_1(line.removeprefix("\ufeff"))
        finally:
            if not self.stream.closed:
                text.detach()  # closing is left to who opened the stream

    def seekable(self) -> IO[bytes]:
        """The bytes as a file that can be read from its end, as Parquet is."""
        if self.stream.seekable():
            return self.stream
        whole = tempfile.TemporaryFile()  # noqa: SIM115  lives as long as it is read
        shutil.copyfileobj(self.stream, whole)
        whole.seek(0)
        return whole


@contextmanager
def open_content(source: str) -> Iterator[Content]:
    """Open a file, or standard input for "-", and unpack it.

    Raises:
        InputFileError: for a file that cannot be opened, is damaged (also when that is found later, inside the block),
            holds something else than molecules, or is not packed as its name says.
    """
    packings: list[str] = []
    try:
        with ExitStack() as stack:
            name = source
            head, stream = _look(_open(source, stack))
            while (found := _packing(head)) and len(packings) < MAX_PACKED:
                if found == "zip":
                    stream = Content(stream, source, "", None).seekable()
                    if is_workbook(stream):
                        yield Content(stream, name, "", "excel")
                        return
                packings.append(found)
                unpacked, name = _unpack(found, stream, name, source, stack)
                head, stream = _look(unpacked)
            said = PACKED_ENDINGS.get(Path(source).suffix.lower())
            if head and said is not None and said not in packings:
                raise InputFileError(
                    f"{source} is named like a {said} file and is none; give it the ending of its format"
                )
            yield _described(source, stream, name, head)
    except InputFileError:
        raise
    except _DAMAGED as error:
        if packings:
            raise InputFileError(f"{source} is a damaged or truncated {packings[0]} file: {error}") from error
        if isinstance(error, OSError):
            raise InputFileError(f"cannot read {source}: {error.strerror or error}") from error
        raise


def _open(source: str, stack: ExitStack) -> IO[bytes]:
    if source == "-":
        if sys.stdin is None:
            raise InputFileError("standard input is closed; give the name of a file")
        return sys.stdin.buffer
    if Path(source).is_dir():
        raise InputFileError(f"{source} is a folder; expected a file of molecules")
    return stack.enter_context(Path(source).open("rb"))


def _look(stream: IO[bytes]) -> tuple[bytes, IO[bytes]]:
    """The first bytes of a stream, and the stream from its first byte."""
    if stream.seekable() and not isinstance(stream, gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile | zipfile.ZipExtFile):
        start = stream.tell()
        head = stream.read(HEAD)
        stream.seek(start)
        return head, stream
    head = stream.read(HEAD)
    if len(head) < HEAD:  # the end, after which a terminal would go on
        return head, io.BytesIO(head)
    return head, io.BufferedReader(_Rewound(head, stream), HEAD)


class _Rewound(io.RawIOBase):
    """A stream of which the first bytes were read."""

    def __init__(self, head: bytes, stream: IO[bytes]) -> None:
        self.head, self.stream = head, stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        part = self.head[: len(buffer)] or self.stream.read(len(buffer))
        self.head = self.head[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)


def _packing(head: bytes) -> str | None:
    if head.startswith(b"BZh") and head[4:10] == b"1AY&SY":
        return "bzip2"
    return next((name for mark, name in _PACKED if head.startswith(mark)), None)


def _unpack(packing: str, stream: IO[bytes], name: str, source: str, stack: ExitStack) -> tuple[IO[bytes], str]:
    """The content of a packed stream, and its name."""
    if Path(name).suffix.lower() in PACKED_ENDINGS:
        name = str(Path(name).with_suffix(""))
    match packing:
        case "gzip":
            return stack.enter_context(gzip.open(stream)), name  # type: ignore[arg-type]
        case "bzip2":
            return stack.enter_context(bz2.open(stream)), name
        case "xz":
            return stack.enter_context(lzma.open(stream)), name
        case "zstd":
            import pyarrow as pa

            return stack.enter_context(pa.CompressedInputStream(stream, "zstd")), name
    return _member(stream, source, stack)


def _member(stream: IO[bytes], source: str, stack: ExitStack) -> tuple[IO[bytes], str]:
    """The only file of a ZIP archive."""
    archive = stack.enter_context(zipfile.ZipFile(stream))
    names = [n for n in archive.namelist() if not n.endswith("/") and not n.startswith("__MACOSX/")]
    if "[Content_Types].xml" in names:
        raise InputFileError(f"{source} is an Office document")
    if len(names) != 1:
        listed = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
        raise InputFileError(
            f"{source} is a ZIP archive of {len(names)} files ({listed}); unpack it and name one of them"
        )
    if archive.getinfo(names[0]).flag_bits & 1:
        raise InputFileError(f"{source} is an encrypted ZIP archive; unpack it first")
    try:
        return stack.enter_context(archive.open(names[0])), names[0]
    except NotImplementedError as error:
        raise InputFileError(f"{source} is a ZIP archive that cannot be unpacked: {error}") from error


def _described(source: str, stream: IO[bytes], name: str, head: bytes) -> Content:
    if head.startswith(b"PAR1"):
        return Content(stream, name, "", "parquet")
    foreign = next((what for mark, what in _FOREIGN if head.startswith(mark)), None)
    if head[257:262] == b"ustar":
        foreign = "a tar archive; unpack it first"
    if foreign is None:
        encoding = _encoding(head)
        text = head.decode(encoding or "latin-1", "replace").lstrip("\ufeff")
        start = text[:200].lstrip().lower()
        foreign = next((what for mark, what in _FOREIGN_TEXT if start.startswith(mark)), None)
        if not encoding:
            foreign = "no text and of an unknown kind; expected SMI, CSV, TSV, SDF or Parquet"
    if foreign is not None:
        raise InputFileError(f"{source} is {foreign}")
    lines = text.splitlines()[:4]
    is_molfile = len(lines) == 4 and _COUNTS_LINE.fullmatch(lines[3]) is not None
    return Content(stream, name, encoding, "sdf" if is_molfile else None)


def _encoding(head: bytes) -> str:
    """How text is encoded, from its first bytes; "" if they are no text."""
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if len(head) >= 4:  # of ASCII in UTF-16, every other byte is 0
        even, odd = head[0::2], head[1::2]
        if odd.count(0) > 0.7 * len(odd) and not even.count(0):
            return "utf-16-le"
        if even.count(0) > 0.7 * len(even) and not odd.count(0):
            return "utf-16-be"
    n_control = len(head) - len(head.translate(None, _CONTROL))
    try:
        head[:-4].decode()
        is_text = n_control <= 0.3 * len(head)
    except UnicodeDecodeError:  # Latin-1, or no text
        is_text = n_control <= 0.02 * len(head)
    return "utf-8" if is_text else ""


_CONTROL = bytes(set(range(32)) - set(b"\t\n\v\f\r\x1a\x1b"))


def _as_latin_1(line: str) -> str:
    try:
        line.encode()
    except UnicodeEncodeError:  # surrogates stand for bytes that are no UTF-8
        return line.encode("utf-8", "surrogateescape").decode("latin-1")
    return line
