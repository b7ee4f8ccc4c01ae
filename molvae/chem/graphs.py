"""A molecule as a graph of small whole numbers.

Every feature is a class with a code from 0; what no class fits gets the last one ("other"). None depends on the order
of the atoms: stereocentres are described by their CIP label, not by the order of their neighbours.

| of an atom | classes |
| --- | --- |
| element | B, C, N, O, F, Si, P, S, Cl, Se, Br, I, other |
| degree | 0 … 5 heavy neighbours, other |
| charge | -2, -1, 0, 1, 2, other |
| hydrogens | 0 … 4, other |
| hybridisation | sp, sp², sp³, other |
| aromatic | no, yes |
| ring | smallest ring it is in: none, 3, 4, 5, 6, 7, other |
| CIP | none, R, S, other |

| of a bond | classes |
| --- | --- |
| order | single, double, triple, aromatic, other |
| conjugated | no, yes |
| ring | no, yes |
| stereo | none, E, Z |
"""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from rdkit import Chem

from molvae.chem.parse import parse_smiles
from molvae.chem.standardise import ORGANIC_ELEMENTS

FEATURES_VERSION = 1
_HYBRIDISATIONS = (Chem.HybridizationType.SP, Chem.HybridizationType.SP2, Chem.HybridizationType.SP3)
_ORDERS = (Chem.BondType.SINGLE, Chem.BondType.DOUBLE, Chem.BondType.TRIPLE, Chem.BondType.AROMATIC)
_STEREO = {
    Chem.BondStereo.STEREOE: 1,
    Chem.BondStereo.STEREOTRANS: 1,
    Chem.BondStereo.STEREOZ: 2,
    Chem.BondStereo.STEREOCIS: 2,
}
_RINGS = (0, 3, 4, 5, 6, 7)


@dataclass(frozen=True)
class MolGraph:
    """One molecule's graph.

    Attributes:
        atoms: `(N, 8)` uint8 codes, columns as in the module's table, in the order of the canonical SMILES.
        bonds: `(E, 2)` uint16 atom numbers; every bond stands twice, once in each direction.
        bond_codes: `(E, 4)` uint8.
    """

    atoms: np.ndarray
    bonds: np.ndarray
    bond_codes: np.ndarray


def mol_to_graph(mol: Chem.Mol) -> MolGraph:
    """The graph of a molecule's heavy atoms (hydrogens are counted, not drawn).

    Atoms stand in the order of the canonical SMILES, whatever their order in `mol`: the place of an atom is then a
    fact about the molecule.
    """
    rings = mol.GetRingInfo()
    order = canonical_order(mol)
    place = {atom: number for number, atom in enumerate(order)}
    atoms = np.array([_atom_codes(mol.GetAtomWithIdx(atom), rings) for atom in order], dtype=np.uint8)
    ends, codes = [], []
    for bond in mol.GetBonds():
        a, b = place[bond.GetBeginAtomIdx()], place[bond.GetEndAtomIdx()]
        code = _bond_codes(bond)
        ends += [(a, b), (b, a)]
        codes += [code, code]
    return MolGraph(
        atoms,
        np.array(ends, dtype=np.uint16).reshape(-1, 2),
        np.array(codes, dtype=np.uint8).reshape(-1, 4),
    )


def canonical_order(mol: Chem.Mol) -> list[int]:
    """Atom indices of a molecule in the order of its canonical SMILES."""
    Chem.MolToSmiles(mol)
    return json.loads(mol.GetProp("_smilesAtomOutputOrder").replace(",]", "]"))


def smiles_to_graph(smiles: str) -> MolGraph | None:
    """The graph of a standardised SMILES, `None` when it does not parse.

    A molecule that was just standardised may carry traces of what was cut off; its SMILES does not, and gives the same
    graph in preparing and in encoding.
    """
    mol = parse_smiles(smiles)
    return None if mol is None else mol_to_graph(mol)


def _atom_codes(atom: Chem.Atom, rings: Any) -> tuple[int, ...]:
    ring = rings.MinAtomRingSize(atom.GetIdx())
    label = atom.GetProp("_CIPCode") if atom.HasProp("_CIPCode") else ""
    return (
        _code(atom.GetSymbol(), ORGANIC_ELEMENTS),
        _code(atom.GetDegree(), range(6)),
        _code(atom.GetFormalCharge(), (-2, -1, 0, 1, 2)),
        _code(atom.GetTotalNumHs(), range(5)),
        _code(atom.GetHybridization(), _HYBRIDISATIONS),
        int(atom.GetIsAromatic()),
        _code(ring, _RINGS),
        _code(label, ("", "R", "S")),
    )


def _bond_codes(bond: Chem.Bond) -> tuple[int, ...]:
    return (
        _code(bond.GetBondType(), _ORDERS),
        int(bond.GetIsConjugated()),
        int(bond.IsInRing()),
        _STEREO.get(bond.GetStereo(), 0),
    )


def _code(value: Any, classes: Any) -> int:
    return classes.index(value) if value in classes else len(classes)
