"""The structural filters of MOSES, which exclude molecules that a medicinal chemist would reject at first sight."""

import csv
from functools import lru_cache
from importlib.resources import files

from rdkit import Chem, DataStructs

from molvae.chem.parse import parse_smiles

ALLOWED_ELEMENTS = frozenset({"C", "N", "S", "O", "F", "Cl", "Br", "H"})
MAX_RING = 7  # atoms


def passes_filters(mol: Chem.Mol) -> bool:
    """Whether a molecule passes all filters of MOSES (Polykovskiy et al. 2020).

    It must have only rings of at most 7 atoms, no charged atoms, only the elements C, N, S, O, F, Cl, Br and H, and no
    match with explicit hydrogens of the 22 medicinal chemistry filters (MCF) and the 480 PAINS patterns.

    Pattern fingerprints are compared first, so that only patterns that can match are searched for. This does not change
    the result and takes a quarter of the time.
    """
    if any(len(ring) > MAX_RING for ring in mol.GetRingInfo().AtomRings()):
        return False
    if any(atom.GetFormalCharge() or atom.GetSymbol() not in ALLOWED_ELEMENTS for atom in mol.GetAtoms()):
        return False
    with_hydrogens = Chem.AddHs(mol)
    screen = Chem.PatternFingerprint(with_hydrogens)
    if any(
        DataStructs.AllProbeBitsMatch(needed, screen) and with_hydrogens.HasSubstructMatch(pattern)
        for pattern, needed in _patterns()
    ):
        return False
    return parse_smiles(Chem.MolToSmiles(mol, isomericSmiles=False)) is not None


@lru_cache(maxsize=1)
def _patterns() -> tuple[tuple[Chem.Mol, DataStructs.ExplicitBitVect], ...]:
    folder = files("molvae.scoring") / "filters"
    mcf = csv.DictReader((folder / "mcf.csv").read_text(encoding="utf-8").splitlines())
    pains = csv.reader((folder / "wehi_pains.csv").read_text(encoding="utf-8").splitlines())
    smarts = [*(row["smarts"] for row in mcf), *(row[0].strip() for row in pains)]
    patterns = [Chem.MolFromSmarts(text) for text in smarts]
    return tuple((pattern, Chem.PatternFingerprint(pattern)) for pattern in patterns)
