"""Work that is cut into parts: each part is one output, is done once, and may be done on any machine of a Dask cluster.

The engine is Dask (extra `cluster`): a part whose worker dies is done again by another one. Workers read the input and
write the output themselves, so that both have to be on a file system that all machines share.
"""

import importlib.metadata
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from molvae.documents import DocumentError, read_json
from molvae.errors import InputFileError, MissingExtraError, MolvaeError
from molvae.files import write_json
from molvae.progress import SILENT, Progress

T = TypeVar("T")
R = TypeVar("R")

SETTINGS = "_molvae.json"  # the underscore hides it from readers of Parquet data sets
CONNECT = 30  # seconds


@dataclass(frozen=True)
class Parts:
    """A folder with one output for each part of some work.

    Attributes:
        folder: the folder.
        n: the number of parts.
        ending: of the names of the outputs; "" for folders.
    """

    folder: Path
    n: int
    ending: str = ""

    def path(self, i: int) -> Path:
        """The output of part i."""
        return self.folder / f"part-{i:05d}{self.ending}"

    def missing(self) -> list[int]:
        """The parts that are not done; an output is complete if it is there."""
        return [i for i in range(self.n) if not self.path(i).exists()]

    @classmethod
    def begin(cls, folder: str | Path, n: int, settings: Mapping[str, Any], *, ending: str = "") -> "Parts":
        """Begin the work, or go on with it if the folder holds some of the same.

        Raises:
            InputFileError: when the folder holds anything else.
        """
        folder = Path(folder)
        given = json.loads(json.dumps({"molvae_version": importlib.metadata.version("molvae"), "parts": n, **settings}))
        if folder.exists() and not folder.is_dir():
            raise InputFileError(f"{folder} is a file; expected a folder, in which each part of the work gets a file")
        if folder.is_dir() and any(folder.iterdir()):
            try:
                had = read_json(folder / SETTINGS)
            except (OSError, DocumentError) as error:
                raise InputFileError(f"{folder} holds other files already; choose another -o") from error
            different = [name for name in {**had, **given} if had.get(name) != given.get(name)]
            if different:
                raise InputFileError(
                    f"{folder} holds parts of other work (other {', '.join(sorted(different))}); choose another -o, "
                    "or remove it"
                )
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / SETTINGS, given)
        return cls(folder, n, ending)


def do_parts(
    function: Callable[[T], R],
    tasks: Sequence[T],
    *,
    cluster: str | None = None,
    description: str = "Parts",
    progress: Progress = SILENT,
) -> Iterator[R]:
    """Call a function for each task, in any order: in this process, or on a cluster.

    Args:
        function: of a module, which workers can import; it writes an output and returns something small.
        tasks: its arguments, which can be pickled.
        cluster: the address of a Dask scheduler; `None` for this process.
        description: what the progress bar says.
        progress: reports parts done.

    Raises:
        MissingExtraError: without the extra `cluster`.
        MolvaeError: for a scheduler that does not answer, workers of another version, or a part that kills workers.
    """
    if not tasks:
        return
    with progress.stage(description, total=len(tasks), unit="parts") as stage:
        for result in _results(function, tasks, cluster):
            stage.advance()
            yield result


def _results(function: Callable[[T], R], tasks: Sequence[T], cluster: str | None) -> Iterator[R]:
    if cluster is None:
        yield from map(function, tasks)
        return
    with connected(cluster) as client:
        from distributed import KilledWorker, as_completed

        futures = client.map(function, tasks, pure=False)
        try:
            for future in as_completed(futures):
                yield future.result()
        except KilledWorker as error:
            raise MolvaeError(
                "a part of the work has ended several workers one after the other, probably for lack of memory; give "
                "workers more, or make parts smaller with --shard-rows"
            ) from error
        finally:
            client.cancel(futures)


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """A client of a Dask scheduler.

    Raises:
        MissingExtraError: without the extra `cluster`.
        MolvaeError: when the scheduler does not answer, has no workers, or workers have another molvae.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise MissingExtraError("a cluster needs Dask; install it with: pip install 'molvae[cluster]'") from error
    try:
        client = Client(address, timeout=CONNECT)
    except (OSError, ValueError) as error:
        raise MolvaeError(f"no Dask scheduler answers at {address}; start one with `dask scheduler`") from error
    with client:
        versions = client.run(_version)
        if not versions:
            raise MolvaeError(f"the scheduler at {address} has no workers; start them with `dask worker {address}`")
        own = _version()
        for worker, version in versions.items():
            if version != own:
                raise MolvaeError(f"worker {worker} has molvae {version}, this process {own}; install the same")
        yield client


@contextmanager
def joblib_on(cluster: str | None) -> Iterator[None]:
    """Send what joblib runs in the block to a Dask cluster; to the cores of this machine if there is none."""
    if cluster is None:
        yield
        return
    from joblib import parallel_config

    with connected(cluster), parallel_config(backend="dask"):
        yield


def _version() -> str:
    return importlib.metadata.version("molvae")
