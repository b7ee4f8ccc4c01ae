"""The structural filters of MOSES, which exclude molecules that a medicinal chemist would reject at first sight."""

import csv
from functools import lru_cache
from importlib.resources import files

from rdkit import Chem, DataStructs

from molvae.chem.parse import parse_smiles

ALLOWED_ELEMENTS = frozenset({"C", "N", "S", "O", "F", "Cl", "Br", "H"})
MAX_RING = 7  # atoms


def passes_filters(mol: Chem.Mol) -> bool:
    """Whether a molecule passes all filters of MOSES (Polykovskiy et al. 2020)."""
    return refused_by(mol) is None


def refused_by(mol: Chem.Mol) -> str | None:
    """The first filter of MOSES (Polykovskiy et al. 2020) that refuses a molecule, `None` if it passes all.

    It must have only rings of at most 7 atoms, no charged atoms, only the elements C, N, S, O, F, Cl, Br and H, and no
    match with explicit hydrogens of the 22 medicinal chemistry filters (MCF) and the 480 PAINS patterns.

    Pattern fingerprints are compared first, so that only patterns that can match are searched for. This does not change
    the result and takes a quarter of the time.
    """
    if any(len(ring) > MAX_RING for ring in mol.GetRingInfo().AtomRings()):
        return f"a ring above {MAX_RING} atoms"
    if any(atom.GetFormalCharge() for atom in mol.GetAtoms()):
        return "a charge"
    if any(atom.GetSymbol() not in ALLOWED_ELEMENTS for atom in mol.GetAtoms()):
        return "an element"
    with_hydrogens = Chem.AddHs(mol)
    screen = Chem.PatternFingerprint(with_hydrogens)
    for name, pattern, needed in _patterns():
        if DataStructs.AllProbeBitsMatch(needed, screen) and with_hydrogens.HasSubstructMatch(pattern):
            return name
    return None if parse_smiles(Chem.MolToSmiles(mol, isomericSmiles=False)) is not None else "no valid SMILES"


@lru_cache(maxsize=1)
def _patterns() -> tuple[tuple[str, Chem.Mol, DataStructs.ExplicitBitVect], ...]:
    """Name, pattern and the bits that a molecule with it has."""
    folder = files("molvae.scoring") / "filters"
    mcf = csv.DictReader((folder / "mcf.csv").read_text(encoding="utf-8").splitlines())
    pains = csv.reader((folder / "wehi_pains.csv").read_text(encoding="utf-8").splitlines())
    named = [(row["names"], row["smarts"]) for row in mcf]
    named += [(f"PAINS {row[1].removeprefix('<regId=').removesuffix('>')}", row[0].strip()) for row in pains]
    patterns = [(name, Chem.MolFromSmarts(smarts)) for name, smarts in named]
    return tuple((name, pattern, Chem.PatternFingerprint(pattern)) for name, pattern in patterns)
