"""The training set in a checkpoint: a hash of each molecule, enough to tell whether a molecule is one of them."""

import hashlib
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from molvae.errors import CheckpointError

FILE = "training_set.hashes"
BYTES = 4  # of a hash; of molecules that are not known, a share of n / 2³² is taken for known
MOST = 200_000_000  # molecules that a file may stand for


class KnownMolecules:
    """A set of canonical SMILES, kept as sorted 32-bit hashes (BLAKE2): 1.7 bytes each in a file, for 600,000 of them.

    A molecule that is in the set is always found; another one is taken for known with a probability of n / 2³².

    Args:
        hashes: `(n,)` uint32, sorted, each once.

    >>> known = KnownMolecules.of(["CCO", "CCN"])
    >>> "CCO" in known, "CCC" in known, len(known)
    (True, False, 2)
    """

    def __init__(self, hashes: np.ndarray) -> None:
        self.hashes = hashes

    @classmethod
    def of(cls, smiles: Iterable[str]) -> "KnownMolecules":
        """The set of the given canonical SMILES."""
        return cls(np.unique(np.fromiter(map(_hash, smiles), dtype=np.uint32)))

    def __contains__(self, smiles: object) -> bool:
        value = np.uint32(_hash(str(smiles)))
        place = int(self.hashes.searchsorted(value))
        return place < len(self.hashes) and self.hashes[place] == value

    def __or__(self, other: "KnownMolecules") -> "KnownMolecules":
        return KnownMolecules(np.union1d(self.hashes, other.hashes))

    def __len__(self) -> int:
        return len(self.hashes)

    def save(self, folder: Path) -> None:
        """Write the file into a checkpoint directory."""
        gaps = np.diff(self.hashes, prepend=np.uint32(0)).astype("<u4")
        planes = gaps.view(np.uint8).reshape(-1, BYTES).T  # a plane of high bytes is nearly all zeros
        (folder / FILE).write_bytes(zlib.compress(planes.tobytes(), level=9))

    @classmethod
    def load(cls, folder: Path) -> "KnownMolecules | None":
        """Read the file of a checkpoint directory; `None` if there is none.

        Raises:
            CheckpointError: when the file is damaged.
        """
        path = folder / FILE
        if not path.is_file():
            return None
        reader = zlib.decompressobj()
        try:
            raw = reader.decompress(path.read_bytes(), MOST * BYTES)
        except (OSError, zlib.error) as error:
            raise CheckpointError(f"{path} is damaged: {error}") from error
        if not reader.eof or len(raw) % BYTES:
            raise CheckpointError(f"{path} is truncated or too large")
        planes = np.frombuffer(raw, dtype=np.uint8).reshape(BYTES, -1)
        gaps = np.ascontiguousarray(planes.T).view("<u4").ravel()
        return cls(np.cumsum(gaps, dtype=np.uint64).astype(np.uint32))


def _hash(smiles: str) -> int:
    return int.from_bytes(hashlib.blake2b(smiles.encode(), digest_size=BYTES).digest(), "little")
