"""Encoding and sampling in parts, on one machine or a cluster: a Parquet data set with one file for each part."""

import hashlib
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from molvae.checkpoint import checkpoint_path
from molvae.cluster import Parts, do_parts
from molvae.errors import ConfigError
from molvae.formats.columns import InputRow
from molvae.formats.parts import InputPart, fingerprint, input_parts
from molvae.formats.spreadsheets import without_formulas
from molvae.formats.writers import WriteFeatures, features_writer, write_table
from molvae.inference.features import FeatureEncoder, count_reasons
from molvae.inference.loaded import LoadedModel
from molvae.inference.sampling import draw
from molvae.progress import SILENT, Progress

ENDING = ".parquet"
SAMPLE_ROWS = 10_000  # molecules that are drawn in one part


def encode_rows_to(
    write: WriteFeatures,
    encoder: FeatureEncoder,
    rows: Iterable[InputRow],
    *,
    n_jobs: int = 1,
    seconds_per_molecule: float | None = None,
    escape_formulas: bool = False,
    advance: Callable[[int], None] | None = None,
) -> tuple[int, Counter[str]]:
    """Encode rows of input and write them with their features; memory does not grow with their number.

    Args:
        write: as from `features_writer`.
        encoder: the features.
        rows: the input.
        n_jobs: processes that parse; -1 is one per core.
        seconds_per_molecule: see `FeatureEncoder.stream`.
        escape_formulas: see `without_formulas`.
        advance: called with the number of rows that are done.

    Returns:
        The number of rows, and of those that were not encoded by reason.
    """
    waiting: deque[InputRow] = deque()  # read, and not yet encoded

    def smiles() -> Iterator[str | None]:
        for row in rows:
            waiting.append(row)
            yield row.smiles

    n_rows, reasons = 0, Counter[str]()
    for part in encoder.stream(smiles(), n_jobs=n_jobs, seconds_per_molecule=seconds_per_molecule):
        done = [waiting.popleft() for _ in part.reasons]
        frame = pd.DataFrame(
            {
                "row": [row.row for row in done],
                "name": [row.name or "" for row in done],
                "smiles": [row.smiles or "" for row in done],
                "reason": [row.reason or why or "" for row, why in zip(done, part.reasons, strict=True)],
            }
        )
        write(part.values, without_formulas(frame) if escape_formulas else frame)
        if advance is not None:
            advance(len(done))
        n_rows += len(done)
        reasons.update(count_reasons(frame["reason"]))
    return n_rows, reasons


@dataclass(frozen=True)
class _Encoding:
    part: InputPart
    out: Path
    model: str
    device: str
    reading: dict[str, Any]
    features: dict[str, Any]
    seconds_per_molecule: float | None


def encode_parts(
    model: str | Path | None,
    paths: Sequence[str | Path],
    out: str | Path,
    *,
    shard_rows: int | None = None,
    cluster: str | None = None,
    device: str = "auto",
    smiles_column: str | None = None,
    name_column: str | None = None,
    seconds_per_molecule: float | None = None,
    progress: Progress = SILENT,
    **features: Any,
) -> tuple[int, Counter[str]]:
    """Encode files of molecules as a Parquet data set with one file for each part; finished parts are not done again.

    Args:
        model: a checkpoint, a run's directory or a shipped model's name.
        paths: files, or folders of files.
        out: the folder of the data set.
        shard_rows: cut the files into parts of this many rows; by default each file is a part.
        cluster: the address of a Dask scheduler; `None` encodes in this process.
        device: the device of each worker.
        smiles_column: see `read_molecules`.
        name_column: see `read_molecules`.
        seconds_per_molecule: see `FeatureEncoder.stream`.
        progress: reports parts done.
        features: arguments of `FeatureEncoder`.

    Returns:
        The number of rows, and of those that were not encoded by reason.
    """
    reading = {"smiles_column": smiles_column, "name_column": name_column}
    cut = input_parts(paths, shard_rows, **reading)
    settings = {
        "command": "encode",
        "inputs": fingerprint(list(dict.fromkeys(part.path for part in cut))),
        "shard_rows": shard_rows,
        "model": _fingerprint_of(model),
        **reading,
        "seconds_per_molecule": seconds_per_molecule,
        **features,
    }
    parts = Parts.begin(out, len(cut), settings, ending=ENDING)
    name = str(model) if model is not None else ""
    name = str(Path(name).resolve()) if name and Path(name).exists() else name
    tasks = [
        _Encoding(cut[i], parts.path(i).resolve(), name, device, reading, features, seconds_per_molecule)
        for i in parts.missing()
    ]
    for _ in do_parts(_encode_part, tasks, cluster=cluster, description="Encoding", progress=progress):
        pass
    n_rows, reasons = 0, Counter[str]()
    for i in range(parts.n):
        column = pq.read_table(parts.path(i), columns=["reason"]).column("reason").to_pylist()
        n_rows += len(column)
        reasons.update(count_reasons(column))
    return n_rows, reasons


def _encode_part(task: _Encoding) -> None:
    encoder = FeatureEncoder(_model(task.model, task.device), **task.features)
    with features_writer(task.out, encoder.names) as write:
        rows = task.part.rows(**task.reading)
        encode_rows_to(write, encoder, rows, seconds_per_molecule=task.seconds_per_molecule)


@lru_cache(maxsize=1)
def _model(name: str, device: str) -> LoadedModel:
    return LoadedModel.load(name or None, device=device)


@dataclass(frozen=True)
class _Sampling:
    n: int
    seed: int
    out: Path
    model: str
    device: str
    how: dict[str, Any]
    describe: Callable[[Sequence[str]], pd.DataFrame]


def sample_parts(
    model: str | Path | None,
    n: int,
    out: str | Path,
    *,
    describe: Callable[[Sequence[str]], pd.DataFrame],
    seed: int | None = None,
    shard_rows: int | None = None,
    cluster: str | None = None,
    device: str = "auto",
    progress: Progress = SILENT,
    **how: Any,
) -> int:
    """Draw molecules as a Parquet data set with one file for each part; finished parts are not done again.

    Args:
        model: a checkpoint, a run's directory or a shipped model's name.
        n: how many.
        out: the folder of the data set.
        describe: makes the table of a part from its molecules; of a module.
        seed: each part has a seed of its own that is derived from this one.
        shard_rows: molecules in a part; 10,000 by default.
        cluster: the address of a Dask scheduler; `None` draws in this process.
        device: the device of each worker.
        progress: reports parts done.
        how: further arguments of `MoleculeGenerator.draw`.

    Returns:
        The number of distinct molecules.

    Raises:
        ConfigError: for `unique`, since parts are drawn independently of each other.
    """
    if how.get("unique"):
        raise ConfigError("parts are drawn independently, so a molecule may be in several: leave unique out")
    rows = shard_rows or SAMPLE_ROWS
    sizes = [min(rows, n - first) for first in range(0, n, rows)]
    settings: dict[str, Any] = {"command": "sample", "n": n, "seed": seed, "shard_rows": rows}
    settings |= {"model": _fingerprint_of(model), "how": hashlib.sha256(repr(_sorted(how)).encode()).hexdigest()}
    parts = Parts.begin(out, len(sizes), settings, ending=ENDING)
    seeds = [int(s) for s in np.random.SeedSequence(seed).generate_state(len(sizes))]
    name = "" if model is None else str(Path(model).resolve()) if Path(model).exists() else str(model)
    tasks = [
        _Sampling(sizes[i], seeds[i], parts.path(i).resolve(), name, device, how, describe) for i in parts.missing()
    ]
    for _ in do_parts(_sample_part, tasks, cluster=cluster, description="Sampling", progress=progress):
        pass
    distinct: set[str] = set()
    for i in range(parts.n):
        distinct.update(pq.read_table(parts.path(i), columns=["smiles"]).column("smiles").to_pylist())
    return len(distinct)


def _sample_part(task: _Sampling) -> None:
    drawn = draw(_model(task.model, task.device), task.n, seed=task.seed, progress=SILENT, **task.how)
    write_table(task.describe(drawn.smiles), task.out)


def _sorted(how: dict[str, Any]) -> list[Any]:
    return [(name, sorted(v) if isinstance(v, set | frozenset) else v) for name, v in sorted(how.items())]


def _fingerprint_of(model: str | Path | None) -> Any:
    path = checkpoint_path(model)
    return fingerprint([str(path.resolve() / "model.safetensors")])
