"""Molecules' tokens in several random orders each. Knows no chemistry: rdkit is not needed."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from molvae.data.graphs import stretches
from molvae.errors import PreparedDataError

FOLDER = "randomized"
META_KEY = "randomized_smiles"


@dataclass(frozen=True)
class RandomizedStore:
    """Every molecule of a prepared folder written in several orders, memory-mapped.

    Molecule i has the rows `i * (n_randomized + 1) + j`: j = 0 is the canonical order, the others are random ones.
    All molecules have them, whatever their split: a row is then found without an index.

    Attributes:
        tokens: all rows' token ids end to end, without bos and eos.
        offsets: `(n * (n_randomized + 1) + 1,)` int64; row r is `tokens[offsets[r]:offsets[r + 1]]`.
        n_randomized: random orders per molecule.
    """

    tokens: np.ndarray
    offsets: np.ndarray
    n_randomized: int

    @classmethod
    def open(cls, folder: Path, n_molecules: int, n_randomized: int) -> "RandomizedStore":
        """Open a prepared folder's `randomized`; raises `PreparedDataError` when they are incomplete or of others."""
        try:
            tokens, offsets = (
                np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in ("tokens", "offsets")
            )
        except (OSError, ValueError, EOFError) as error:
            raise PreparedDataError(f"{folder} is incomplete or damaged: {error}") from error
        expected = n_molecules * (n_randomized + 1)
        if len(offsets) - 1 != expected or int(offsets[-1]) != len(tokens):
            raise PreparedDataError(
                f"{folder} holds {len(offsets) - 1} rows; expected {expected}: write them again with "
                f"`molvae data randomize {folder.parent}`"
            )
        return cls(tokens, offsets, n_randomized)

    def take(self, indices: np.ndarray, pick: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Token ids of molecules, each in one of its orders.

        Args:
            indices: `(B,)` molecules.
            pick: `(B,)` orders, 0 to `n_randomized`.

        Returns:
            Token ids end to end `(ΣT,)` int64, and each molecule's number of them `(B,)`.
        """
        rows, lengths = stretches(self.offsets, indices * (self.n_randomized + 1) + pick)
        return self.tokens[rows].astype(np.int64), lengths
