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
    if structural_alert(mol) is not None:
        return False
    return parse_smiles(Chem.MolToSmiles(mol, isomericSmiles=False)) is not None


def structural_alert(mol: Chem.Mol) -> str | None:
    """The name of the first structural alert that a molecule has; `None` if it has none.

    Alerts are the 22 medicinal chemistry filters (MCF) of MOSES and the 480 PAINS patterns (Baell and Holloway 2010),
    matched with explicit hydrogens.

    >>> [structural_alert(Chem.MolFromSmiles(smiles)) for smiles in ("CCO", "CC=O")]
    [None, 'MCF7']
    """
    with_hydrogens = Chem.AddHs(mol)
    screen = Chem.PatternFingerprint(with_hydrogens)
    for name, pattern, needed in _patterns():
        if DataStructs.AllProbeBitsMatch(needed, screen) and with_hydrogens.HasSubstructMatch(pattern):
            return name
    return None


@lru_cache(maxsize=1)
def _patterns() -> tuple[tuple[str, Chem.Mol, DataStructs.ExplicitBitVect], ...]:
    folder = files("molvae.scoring") / "filters"
    mcf = csv.DictReader((folder / "mcf.csv").read_text(encoding="utf-8").splitlines())
    pains = csv.reader((folder / "wehi_pains.csv").read_text(encoding="utf-8").splitlines())
    named = [
        *((row["names"], row["smarts"]) for row in mcf),
        *((f"PAINS {row[1].strip('<>').removeprefix('regId=')}", row[0].strip()) for row in pains),
    ]
    patterns = [(name, Chem.MolFromSmarts(text)) for name, text in named]
    return tuple((name, pattern, Chem.PatternFingerprint(pattern)) for name, pattern in patterns)
