"""Parallel work on long lists, which are cut into chunks; the results are in order."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np

from molvae.config import Jobs, checked
from molvae.progress import SILENT, Progress

T = TypeVar("T")


def map_chunks(
    function: Callable[..., T],
    items: Sequence[Any] | np.ndarray,
    *arguments: Any,
    chunk_size: int,
    description: str,
    n_jobs: int = 1,
    progress: Progress = SILENT,
) -> Iterator[T]:
    """Yield `function(chunk, *arguments)` for consecutive chunks of `items`.

    Large arrays among `arguments` are memory-mapped for the worker processes and not copied.
    """
    from joblib import Parallel, delayed, effective_n_jobs  # slow to import

    starts = range(0, len(items), chunk_size)
    n_workers = min(effective_n_jobs(checked(Jobs, n_jobs, "n_jobs")), max(1, len(starts)))
    parallel = Parallel(n_jobs=n_workers, return_as="generator")
    calls = (delayed(function)(items[i : i + chunk_size], *arguments) for i in starts)
    with progress.stage(description, total=len(items)) as stage:
        for i, result in zip(starts, parallel(calls), strict=True):
            stage.advance(min(chunk_size, len(items) - i))
            yield result
