"""Fingerprint similarity."""

from rdkit import DataStructs
from rdkit.Chem import rdFingerprintGenerator

from molvae.chem.parse import parse_smiles

_ECFP4 = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=2048)


def tanimoto(a: str, b: str) -> float:
    """Tanimoto similarity of two molecules' ECFP4 bits (2,048), in [0, 1]; nan when one does not parse."""
    first, second = parse_smiles(a), parse_smiles(b)
    if first is None or second is None:
        return float("nan")
    return DataStructs.TanimotoSimilarity(_ECFP4.GetFingerprint(first), _ECFP4.GetFingerprint(second))
