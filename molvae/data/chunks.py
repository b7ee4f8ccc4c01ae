"""Streams cut into chunks."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


def batched(items: Iterable[T], n: int) -> Iterator[list[T]]:
    """Consecutive lists of `n` items; the last may be shorter.

    >>> list(batched("abcde", 2))
    [['a', 'b'], ['c', 'd'], ['e']]
    """
    iterator = iter(items)
    while batch := list(itertools.islice(iterator, n)):
        yield batch


def map_smiles(folder: Path, function: Callable[..., T], *arguments: Any, n_rows: int, n_jobs: int) -> Iterator[T]:
    """Apply `function(smiles, *arguments)` to a prepared folder's SMILES in parallel, `n_rows` per call, in order."""
    import pyarrow.parquet as pq
    from joblib import Parallel, delayed

    batches = pq.ParquetFile(folder / "smiles.parquet").iter_batches(n_rows, columns=["smiles"])
    calls = (delayed(function)(batch.column("smiles").to_pylist(), *arguments) for batch in batches)
    yield from Parallel(n_jobs=n_jobs, return_as="generator", pre_dispatch="4*n_jobs")(calls)
