"""Token arrays of many molecules: writing them from symbols, and converting them back to symbols."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from molvae.data.chunks import batched
from molvae.data.graphs import offsets_of
from molvae.data.vocabulary import Vocabulary
from molvae.progress import SILENT, Progress

BATCH = 5_000
MERGE_SAMPLE = 300_000  # molecules that fragments are learned from; more take longer and change little


def write_tokens(
    folder: Path,
    molecules: Iterable[list[str]],
    n: int,
    *,
    vocabulary: Vocabulary,
    description: str = "Merging fragments",
    unit: str = "molecules",
    progress: Progress = SILENT,
) -> np.ndarray:
    """Write `tokens.npy` and `offsets.npy` from the symbols of `n` molecules; return the token counts."""
    dtype = np.uint16 if len(vocabulary) <= np.iinfo(np.uint16).max else np.uint32
    lengths = np.empty(n, np.int64)
    flat = folder / "tokens.raw"
    done = 0
    with progress.stage(description, total=n, unit=unit) as stage, flat.open("wb") as file:
        for batch in batched(molecules, BATCH):
            encoded = vocabulary.encode_many(batch)
            file.write(np.concatenate([np.asarray(e, dtype=dtype) for e in encoded]).tobytes())
            lengths[done : done + len(batch)] = [len(e) for e in encoded]
            done += len(batch)
            stage.advance(len(batch))
    np.save(folder / "tokens.npy", np.memmap(flat, dtype=dtype, mode="r"))
    flat.unlink()
    np.save(folder / "offsets.npy", offsets_of(lengths))
    return lengths


def spell_tokens(
    tokens: np.ndarray, offsets: np.ndarray, rows: Iterable[int], *, vocabulary: Vocabulary
) -> Iterator[list[str]]:
    """The symbols of some rows of the arrays that `write_tokens` wrote."""
    for row in rows:
        yield vocabulary.decode(tokens[offsets[row] : offsets[row + 1]].tolist())


def merge_stride(n: int) -> int:
    """The stride through `n` molecules that gives a sample of at most `MERGE_SAMPLE` to learn fragments from."""
    return max(1, -(-n // MERGE_SAMPLE))


def token_counts(vocabulary: Vocabulary, lengths: np.ndarray, max_symbols: int) -> dict[str, Any]:
    """The numbers of tokens for `meta.json`."""
    return {
        "vocabulary": len(vocabulary),
        "total": int(lengths.sum()),
        "mean_length": float(lengths.mean()),
        "max_length": int(lengths.max()),
        "max_symbols": max_symbols,
    }
