"""The molecules of a prepared folder that are trained on, which are found shard by shard."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from molvae.data.prepared import PreparedData

PERMUTED = 20_000_000  # molecules that are drawn from by a permutation, which takes 8 bytes each


@dataclass(frozen=True)
class Selection:
    """A choice of molecules of a prepared folder.

    Attributes:
        counts: `(S,)`, the number of chosen molecules in each shard.
        shard: gives the chosen molecules of one shard, ascending.
    """

    counts: np.ndarray
    shard: Callable[[int], np.ndarray]

    @classmethod
    def of(cls, indices: np.ndarray) -> "Selection":
        """The given molecules, as one shard."""
        return cls(np.array([len(indices)]), lambda _: indices)

    @classmethod
    def of_split(cls, data: PreparedData, split: str, *, max_tokens: int | None = None) -> "Selection":
        """The molecules of a split with at most `max_tokens` tokens; `None` for no limit.

        Raises:
            PreparedDataError: for a split that the folder does not have.
        """

        def shard(i: int) -> np.ndarray:
            there = data.shard(i)
            if split not in there.split_names and data.n_shards > 1:
                return np.empty(0, dtype=np.int64)
            found = there.indices(split)
            if max_tokens is not None:
                found = found[there.offsets[found + 1] - there.offsets[found] <= max_tokens]
            return found + data.first_molecules[i]

        if max_tokens is None:
            return cls(np.array(data.count(split)), shard)
        return cls(np.array([len(shard(i)) for i in range(data.n_shards)]), shard)

    def __len__(self) -> int:
        return int(self.counts.sum())

    def draw(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """A random choice of at most `n` of the molecules, ascending."""
        total = len(self)
        if n >= total or total <= PERMUTED:
            chosen = rng.permutation(total)[:n]
        else:
            chosen = rng.choice(total, n, replace=False, shuffle=False)
        chosen = np.sort(chosen)
        starts = np.concatenate([[0], np.cumsum(self.counts)])
        bounds = np.searchsorted(chosen, starts)
        parts = [self.shard(i)[chosen[a:b] - starts[i]] for i, (a, b) in enumerate(pairwise(bounds)) if b > a]
        return np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)
