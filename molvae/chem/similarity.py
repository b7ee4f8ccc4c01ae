"""Molecular fingerprints and their Tanimoto similarity."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from rdkit import Chem, DataStructs
from rdkit.Chem import rdFingerprintGenerator

from molvae.chem.parse import parse_smiles
from molvae.errors import InputError

ECFP4 = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=2048)
"""ECFP4 folded to 2,048 bits (Rogers and Hahn 2010)."""
_FEATURES = rdFingerprintGenerator.GetMorganFeatureAtomInvGen()


def _pharmacophore(mol: Chem.Mol) -> Any:
    from molvae.chem.pharmacophores import gobbi_fingerprint  # slow to import, and seldom needed

    return gobbi_fingerprint(mol)


FINGERPRINTS: dict[str, Callable[[Chem.Mol], Any]] = {
    "ecfp4": rdFingerprintGenerator.GetMorganGenerator(radius=2).GetSparseCountFingerprint,
    "ecfp6": rdFingerprintGenerator.GetMorganGenerator(radius=3).GetSparseCountFingerprint,
    "fcfp4": rdFingerprintGenerator.GetMorganGenerator(
        radius=2, atomInvariantsGenerator=_FEATURES
    ).GetSparseCountFingerprint,
    "ap": rdFingerprintGenerator.GetAtomPairGenerator(maxDistance=10).GetSparseCountFingerprint,
    "pharmacophore": _pharmacophore,
}
"""The fingerprints of GuacaMol's similarity tasks: unfolded counts, except `pharmacophore` (Gobbi's 2D bits)."""


def tanimoto(a: str, b: str) -> float:
    """Tanimoto similarity of two molecules' ECFP4 bits (2,048), in [0, 1]; nan if one does not parse."""
    first, second = parse_smiles(a), parse_smiles(b)
    if first is None or second is None:
        return float("nan")
    return DataStructs.TanimotoSimilarity(ECFP4.GetFingerprint(first), ECFP4.GetFingerprint(second))


def ecfp4_bits(smiles: Sequence[str]) -> np.ndarray:
    """The 2,048 ECFP4 bits of molecules as 0 and 1, `(n, 2048)` float32, for `tanimoto_matrix`.

    Raises:
        InputError: when one does not parse.
    """
    rows = [ECFP4.GetFingerprintAsNumPy(_parsed(text)) for text in smiles]
    return np.stack(rows).astype(np.float32) if rows else np.zeros((0, ECFP4.GetOptions().fpSize), dtype=np.float32)


def tanimoto_matrix(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Tanimoto similarities `(n, m)` of bits `(n, bits)` and `(m, bits)`; 1 for two rows without any bits.

    >>> tanimoto_matrix(np.eye(2), np.ones((1, 2))).tolist()
    [[0.5], [0.5]]
    """
    counts, other_counts = a.sum(1)[:, None], b.sum(1)[None, :]
    similarity = tanimoto_of_counts(a @ b.T, counts, other_counts)
    return np.where(counts + other_counts > 0, similarity, 1.0)


def tanimoto_of_counts(common: np.ndarray, counts: np.ndarray, other_counts: np.ndarray) -> np.ndarray:
    """Tanimoto similarities `(n, m)` from common bits `(n, m)` and bit counts `(n, 1)`, `(m,)`; 0 without any bits."""
    union = counts + other_counts
    union -= common
    return np.divide(common, np.maximum(union, 1, out=union), out=union)


def ecfp4_counts(smiles: Sequence[str]) -> np.ndarray:
    """How often each of the 2,048 folded ECFP4 features occurs in each molecule, `(n, 2048)` uint32.

    Raises:
        InputError: when one does not parse.
    """
    return np.stack([ECFP4.GetCountFingerprintAsNumPy(_parsed(text)) for text in smiles])


class SimilarityTo:
    """Tanimoto similarity to one molecule, whose fingerprint is computed once.

    Args:
        target: the molecule to compare with, as SMILES.
        fingerprint: a name in `FINGERPRINTS`, or "bits" for the 2,048 ECFP4 bits of `tanimoto`.

    Raises:
        InputError: when the target does not parse.

    >>> SimilarityTo("CCO", "ecfp4")(Chem.MolFromSmiles("OCC"))
    1.0
    """

    def __init__(self, target: str, fingerprint: str = "bits") -> None:
        self.fingerprint = ECFP4.GetFingerprint if fingerprint == "bits" else FINGERPRINTS[fingerprint]
        self.target = self.fingerprint(_parsed(target))

    def __call__(self, mol: Chem.Mol) -> float:
        """Similarity in [0, 1]."""
        return DataStructs.TanimotoSimilarity(self.fingerprint(mol), self.target)


def _parsed(smiles: str) -> Chem.Mol:
    mol = parse_smiles(smiles)
    if mol is None:
        raise InputError(f"{smiles!r} does not parse as a molecule")
    return mol
