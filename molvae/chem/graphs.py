"""Molecular graphs whose atom and bond features are class codes.

Every feature has a fixed set of classes, coded from 0; a value outside them gets the last class ("other"). No feature
depends on the order of the atoms: stereocenters are described by their CIP labels, not by the order of their neighbors.

| atom feature | classes |
| --- | --- |
| element | B, C, N, O, F, Si, P, S, Cl, Se, Br, I, other |
| degree | 0 … 5 heavy neighbors, other |
| charge | -2, -1, 0, 1, 2, other |
| hydrogens | 0 … 4, other |
| hybridization | sp, sp², sp³, other |
| aromatic | no, yes |
| ring | size of the smallest ring that contains it: none, 3, 4, 5, 6, 7, other |
| CIP | none, R, S, other |

| bond feature | classes |
| --- | --- |
| order | single, double, triple, aromatic, other |
| conjugated | no, yes |
| in a ring | no, yes |
| stereo | none, E, Z |
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rdkit import Chem

from molvae.chem.parse import parse_smiles
from molvae.chem.standard_form import ORGANIC_ELEMENTS
from molvae.chem.standardize import Standardized

FEATURES_VERSION = 1
_ELEMENTS = {Chem.GetPeriodicTable().GetAtomicNumber(symbol): code for code, symbol in enumerate(ORGANIC_ELEMENTS)}
_CHARGES = {-2: 0, -1: 1, 0: 2, 1: 3, 2: 4}
_HYBRIDIZATIONS = {Chem.HybridizationType.SP: 0, Chem.HybridizationType.SP2: 1, Chem.HybridizationType.SP3: 2}
_RINGS = {0: 0, 3: 1, 4: 2, 5: 3, 6: 4, 7: 5}
_CIP = {"": 0, "R": 1, "S": 2}
_ORDERS = {Chem.BondType.SINGLE: 0, Chem.BondType.DOUBLE: 1, Chem.BondType.TRIPLE: 2, Chem.BondType.AROMATIC: 3}
_STEREO = {
    Chem.BondStereo.STEREOE: 1,
    Chem.BondStereo.STEREOTRANS: 1,
    Chem.BondStereo.STEREOZ: 2,
    Chem.BondStereo.STEREOCIS: 2,
}


@dataclass(frozen=True)
class MolGraph:
    """The graph of one molecule.

    Attributes:
        atoms: `(N, 8)` uint8 codes with the columns of the module's table; atoms are in the order of the canonical
            SMILES.
        bonds: `(E, 2)` uint16 atom indices; every bond appears twice, once in each direction.
        bond_codes: `(E, 4)` uint8 codes of the bonds, with the columns of the module's table.
    """

    atoms: np.ndarray
    bonds: np.ndarray
    bond_codes: np.ndarray


def mol_to_graph(mol: Chem.Mol, *, order: Sequence[int] | None = None) -> MolGraph:
    """The graph of a molecule's heavy atoms; hydrogens are counted as an atom feature and are not nodes.

    Atoms are in the order of the canonical SMILES, so that the result does not depend on the atom order in `mol`. Bonds
    are sorted by their atoms.

    Args:
        mol: a sanitized molecule.
        order: atom indices in the order of the canonical SMILES, if they are known already.
    """
    order = canonical_order(mol) if order is None else order
    rings = mol.GetRingInfo()
    codes = [_atom_codes(mol.GetAtomWithIdx(atom), atom, rings) for atom in order]  # GetAtoms() takes twice as long
    places = np.empty(len(order), dtype=np.uint16)
    places[list(order)] = np.arange(len(order))
    bonds = [mol.GetBondWithIdx(bond) for bond in range(mol.GetNumBonds())]
    given = np.array([(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in bonds], dtype=np.intp).reshape(-1, 2)
    ends = np.sort(places[given], axis=1)
    by_place = np.lexsort((ends[:, 1], ends[:, 0]))
    bond_codes = np.array([_bond_codes(bond) for bond in bonds], dtype=np.uint8).reshape(-1, 4)
    return MolGraph(
        np.array(codes, dtype=np.uint8),
        np.stack([ends, ends[:, ::-1]], axis=1)[by_place].reshape(-1, 2),
        np.repeat(bond_codes[by_place], 2, axis=0),
    )


def canonical_order(mol: Chem.Mol) -> list[int]:
    """Atom indices of a molecule in the order of its canonical SMILES."""
    Chem.MolToSmiles(mol)
    return _written_order(mol)


def standard_graph(standard: Standardized) -> MolGraph | None:
    """The graph of a molecule that was just standardized; `None` if it was rejected."""
    if standard.mol is None:
        return None
    return mol_to_graph(standard.mol, order=None if standard.changed else _written_order(standard.mol))


def _written_order(mol: Chem.Mol) -> list[int]:
    """Atom indices in the order of the SMILES that RDKit wrote last for this molecule."""
    return json.loads(mol.GetProp("_smilesAtomOutputOrder").replace(",]", "]"))


def smiles_to_graph(smiles: str) -> MolGraph | None:
    """The graph of a standardized SMILES; `None` if it does not parse."""
    mol = parse_smiles(smiles)
    return None if mol is None else mol_to_graph(mol)


def _atom_codes(atom: Chem.Atom, index: int, rings: Any) -> tuple[int, ...]:
    return (
        _ELEMENTS.get(atom.GetAtomicNum(), len(_ELEMENTS)),
        min(atom.GetDegree(), 6),
        _CHARGES.get(atom.GetFormalCharge(), len(_CHARGES)),
        min(atom.GetTotalNumHs(), 5),
        _HYBRIDIZATIONS.get(atom.GetHybridization(), len(_HYBRIDIZATIONS)),
        int(atom.GetIsAromatic()),
        _RINGS.get(rings.MinAtomRingSize(index), len(_RINGS)),
        _CIP.get(atom.GetProp("_CIPCode"), len(_CIP)) if atom.HasProp("_CIPCode") else 0,
    )


def _bond_codes(bond: Chem.Bond) -> tuple[int, ...]:
    return (
        _ORDERS.get(bond.GetBondType(), len(_ORDERS)),
        int(bond.GetIsConjugated()),
        int(bond.IsInRing()),
        _STEREO.get(bond.GetStereo(), 0),
    )
