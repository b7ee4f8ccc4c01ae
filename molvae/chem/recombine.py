"""Molecules out of parts of others. They keep valences, and know no reactions."""

import numpy as np
from rdkit import Chem

TRIALS = 10


def random_part(mol: Chem.Mol, rng: np.random.Generator) -> Chem.Mol | None:
    """One side of a random single bond outside rings, hydrogen in place of the other; `None` where there is no bond.

    Bonds to a lone atom are not cut.
    """
    bonds = [
        bond.GetIdx()
        for bond in mol.GetBonds()
        if bond.GetBondType() == Chem.BondType.SINGLE
        and not bond.IsInRing()
        and min(bond.GetBeginAtom().GetDegree(), bond.GetEndAtom().GetDegree()) > 1
    ]
    if not bonds:
        return None
    sides = Chem.GetMolFrags(Chem.FragmentOnBonds(mol, [int(rng.choice(bonds))], addDummies=False), asMols=True)
    return sides[int(rng.integers(len(sides)))]


def random_join(a: Chem.Mol, b: Chem.Mol, rng: np.random.Generator) -> Chem.Mol | None:
    """Both joined by a single bond between random atoms that have hydrogen, one of them carbon; `None` without such."""
    places = [[atom.GetIdx() for atom in mol.GetAtoms() if atom.GetTotalNumHs()] for mol in (a, b)]
    if not all(places):
        return None
    for _ in range(TRIALS):
        i, j = (int(rng.choice(free)) for free in places)
        if "C" in (a.GetAtomWithIdx(i).GetSymbol(), b.GetAtomWithIdx(j).GetSymbol()):
            break
    else:
        return None
    joined = Chem.RWMol(Chem.CombineMols(a, b))
    ends = (i, a.GetNumAtoms() + j)
    joined.AddBond(*ends, Chem.BondType.SINGLE)
    for atom in map(joined.GetAtomWithIdx, ends):
        if atom.GetNumExplicitHs():
            atom.SetNumExplicitHs(atom.GetNumExplicitHs() - 1)
    mol = joined.GetMol()
    return mol if Chem.SanitizeMol(mol, catchErrors=True) == Chem.SanitizeFlags.SANITIZE_NONE else None
