"""The tokens of several randomized SMILES per molecule. This module does not need rdkit."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from molvae.data.graphs import cuts, stretches
from molvae.documents import DocumentError, read_array
from molvae.errors import PreparedDataError

FOLDER = "randomized"
FOLDERS = (FOLDER, "randomized-2")  # new ones are complete before the old ones go; `meta.json` names those that count
META_KEY = "randomized_smiles"


@dataclass(frozen=True)
class RandomizedStore:
    """The randomized SMILES (or SELFIES made from them) of all molecules of a prepared folder, memory-mapped.

    Molecule i has the rows `i * (n_randomized + 1) + j`: j = 0 is its canonical SMILES, the others are randomized. The
    molecules of every split have them, so that rows can be found without an index.

    Attributes:
        tokens: the token ids of all rows end to end, without bos and eos.
        offsets: `(n * (n_randomized + 1) + 1,)` int64; row r is `tokens[offsets[r]:offsets[r + 1]]`.
        n_randomized: number of randomized SMILES per molecule.
    """

    tokens: np.ndarray
    offsets: np.ndarray
    n_randomized: int

    @classmethod
    def open(cls, folder: Path, n_molecules: int, n_randomized: int) -> "RandomizedStore":
        """Open the folder; raises `PreparedDataError` if it is incomplete or has another number of rows."""
        try:
            tokens, offsets = (read_array(folder / f"{name}.npy") for name in ("tokens", "offsets"))
        except (OSError, DocumentError) as error:
            raise PreparedDataError(f"{folder} is incomplete or damaged: {error}") from error
        expected = n_molecules * (n_randomized + 1)
        if tokens.ndim != 1 or tokens.dtype.kind != "u" or not cuts(offsets, tokens):
            raise PreparedDataError(f"{folder} is damaged: its arrays do not fit together")
        if len(offsets) - 1 != expected:
            raise PreparedDataError(
                f"{folder} holds {len(offsets) - 1} rows; expected {expected}: write them again with "
                f"`molvae data randomize {folder.parent}`"
            )
        return cls(tokens, offsets, n_randomized)

    def take(self, indices: np.ndarray, pick: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The token ids of one SMILES of each molecule.

        Args:
            indices: `(B,)`, the molecules.
            pick: `(B,)`, which SMILES of each molecule, 0 (canonical) to `n_randomized`.

        Returns:
            The token ids end to end `(ΣT,)` int64, and the number of them per molecule `(B,)`.
        """
        rows, lengths = stretches(self.offsets, indices * (self.n_randomized + 1) + pick)
        return self.tokens[rows].astype(np.int64), lengths
