"""What QED (Bickerton et al. 2012) needs of a molecule: just what `rdkit.Chem.QED` finds, in a third of the time.

RDKit tries 116 structural alerts on every molecule. Here an alert is tried only if the molecule has a bond of each kind
that the alert has, and, where the alert asks for them, charges, isotopes, fused rings and as many rings. QED counts the
rings that are left without aliphatic ring atoms; here these are the bonds that close a cycle, counted without finding
the rings.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from rdkit import Chem
from rdkit.Chem import QED, rdMolDescriptors

_ELEMENTS = (5, 6, 7, 8, 9, 14, 15, 16, 17, 34, 35, 53)  # of molecules that are looked at here; others are RDKit's
_N_ELEMENTS = len(_ELEMENTS)
_N_CLASSES = 2 * _N_ELEMENTS  # of atoms: aliphatic, then aromatic
_ATOMS = _N_CLASSES * 4 * _N_CLASSES  # kinds: those of bonds come first, then those of atoms from here on
_FLAGS = _ATOMS + _N_CLASSES  # and then the flags
_CLASS = np.full(256, -1, dtype=np.int64)
_CLASS[list(_ELEMENTS)] = np.arange(_N_ELEMENTS)
_ORDER = np.full(8, -1, dtype=np.int64)  # twice the bond order → class
_ORDER[[2, 3, 4, 6]] = np.arange(4)
_QUERY_ORDERS = {"": (0, 1), "-": (0,), ":": (1,), "=": (2,), "=&!@": (2,), "#": (3,)}
_QUERY_LEAF = re.compile(r"Atom(\w+) (-?\d+) = val")
_AROMATIC_TYPE = 1000  # RDKit adds this to the number of an aromatic element
_MOST_ATOMS = 500  # RDKit stops counting matches at 1,000


def qed_properties(mol: Chem.Mol) -> Any:
    """The `QEDproperties` that QED is computed from, equal to those of `rdkit.Chem.QED.properties`."""
    if mol.GetNumAtoms() > mol.GetNumHeavyAtoms():
        mol = Chem.RemoveHs(mol)
    bonds = None if mol.GetNumAtoms() > _MOST_ATOMS else _bonds(mol)
    if bonds is None:
        return QED.properties(mol)
    begins, ends, kinds = bonds
    aliphatic = {atom for (atom,) in mol.GetSubstructMatches(QED.AliphaticRings)}
    return QED.QEDproperties(
        MW=rdMolDescriptors._CalcMolWt(mol),
        ALOGP=rdMolDescriptors.CalcCrippenDescriptors(mol)[0],
        HBA=sum(len(mol.GetSubstructMatches(pattern)) for pattern in QED.Acceptors),
        HBD=rdMolDescriptors.CalcNumHBD(mol),
        PSA=rdMolDescriptors.CalcTPSA(mol),
        ROTB=rdMolDescriptors.CalcNumRotatableBonds(mol, rdMolDescriptors.NumRotatableBondsOptions.Strict),
        AROM=_n_cycles((pair for pair in zip(begins, ends, strict=True) if aliphatic.isdisjoint(pair)), mol),
        ALERTS=sum(mol.HasSubstructMatch(alert) for alert in _alerts_of(kinds)),
    )


def possible_alerts(mol: Chem.Mol) -> list[Chem.Mol] | None:
    """The structural alerts that a molecule without explicit hydrogens may have; `None` if all have to be tried."""
    bonds = _bonds(mol)
    return None if bonds is None else _alerts_of(bonds[2])


def _bonds(mol: Chem.Mol) -> tuple[list[int], list[int], np.ndarray] | None:
    """The atoms at both ends of each bond; the kinds of bonds and atoms, and the flags. `None` for an unusual kind."""
    n = mol.GetNumAtoms()
    orders = np.rint(2 * Chem.GetAdjacencyMatrix(mol, useBO=True)).astype(np.int64)
    classes = _CLASS[[mol.GetAtomWithIdx(i).GetAtomicNum() for i in range(n)]]
    begins, ends = np.nonzero(orders)
    order = _ORDER[orders[begins, ends].clip(max=7)]
    if len(begins) != 2 * mol.GetNumBonds() or (classes < 0).any() or (order < 0).any():
        return None
    classes = np.where((orders == 3).any(1), classes + _N_ELEMENTS, classes)
    kinds = (classes[begins] * 4 + order) * _N_CLASSES + classes[ends]
    once = begins < ends
    kinds = np.concatenate([kinds, classes + _ATOMS, _flags(mol)])
    return begins[once].tolist(), ends[once].tolist(), kinds


def _n_cycles(bonds: Iterable[tuple[int, int]], mol: Chem.Mol) -> int:
    """How many bonds close a cycle of those before them."""
    root = list(range(mol.GetNumAtoms()))
    n = 0
    for begin, end in bonds:
        while root[begin] != begin:
            begin = root[begin]
        while root[end] != end:
            end = root[end]
        n += begin == end
        root[end] = begin
    return n


_CHARGED, _LABELED, _IN_TWO_RINGS, _RINGS = range(4)  # places of the flags; the last for one ring, then for two, …
_MOST_RINGS = 4
_FLAG_QUERIES = (  # in the order of their places
    Chem.MolFromSmarts("[!+0]"),
    Chem.MolFromSmarts("[!0*]"),
    Chem.MolFromSmarts("[R2]"),
)
_FLAG_OF = {"FormalCharge": _CHARGED, "Isotope": _LABELED, "InNRings": _IN_TWO_RINGS}


def _flags(mol: Chem.Mol) -> np.ndarray:
    flags = [place for place, query in enumerate(_FLAG_QUERIES) if mol.HasSubstructMatch(query)]
    flags += range(_RINGS, _RINGS + min(mol.GetRingInfo().NumRings(), _MOST_RINGS))
    return np.array(flags, dtype=np.int64) + _FLAGS


def _alerts_of(kinds: np.ndarray) -> list[Chem.Mol]:
    """The alerts that a molecule with these kinds of bonds and atoms, and these flags, may have."""
    meets, first = _alert_needs()
    possible = np.logical_and.reduceat(meets[kinds].any(0), first)
    return [QED.StructuralAlerts[i] for i in np.flatnonzero(possible).tolist()]


@lru_cache(maxsize=1)
def _alert_needs() -> tuple[np.ndarray, np.ndarray]:
    """Which kinds meet which needs, `(kinds, needs)` bool, and the first of each alert's needs.

    A molecule that has an alert has, for each of the alert's needs, a kind that meets it.
    """
    needs = [sorted({*_needs(alert)}, key=sorted) for alert in QED.StructuralAlerts]
    flat = [need for own in needs for need in own]
    meets = np.zeros((_FLAGS + _RINGS + _MOST_RINGS, len(flat)), dtype=bool)
    for column, need in enumerate(flat):
        meets[list(need), column] = True
    return meets, np.cumsum([0, *map(len, needs[:-1])])


def _needs(pattern: Chem.Mol) -> Iterator[frozenset[int]]:
    atoms = [_Query.of(atom) for atom in pattern.GetAtoms()]
    for atom in atoms:
        yield frozenset(_ATOMS + one for one in atom.classes)
        yield from (frozenset({_FLAGS + flag}) for flag in atom.flags)
    for bond in pattern.GetBonds():
        orders = _QUERY_ORDERS.get(bond.GetSmarts(), range(4))  # type: ignore[call-arg]
        yield frozenset(
            (one * 4 + order) * _N_CLASSES + other
            for one in atoms[bond.GetBeginAtomIdx()].classes
            for order in orders
            for other in atoms[bond.GetEndAtomIdx()].classes
        )
    ends = ((bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in pattern.GetBonds())
    n_rings = min(_n_cycles(ends, pattern), _MOST_RINGS)
    if n_rings:
        yield frozenset({_FLAGS + _RINGS + n_rings - 1})


@dataclass(frozen=True)
class _Query:
    """What an atom must be for a query atom to match it, as far as it is looked at here.

    Attributes:
        classes: the atom has one of these classes.
        flags: the molecule has all of these flags.
    """

    classes: frozenset[int] = frozenset(range(_N_CLASSES))
    flags: frozenset[int] = frozenset()

    @classmethod
    def of(cls, atom: Chem.Atom) -> "_Query":
        """Read RDKit's description of a query atom: a tree, each level indented below the one above."""
        return cls._read([line for line in atom.DescribeQuery().splitlines() if line.strip()])

    @classmethod
    def _read(cls, lines: list[str]) -> "_Query":
        head, rest = lines[0].strip(), lines[1:]
        starts = [i for i, line in enumerate(rest) if _indent(line) == _indent(rest[0])]
        parts = [cls._read(rest[start:end]) for start, end in pairwise([*starts, len(rest)])]
        if parts and head == "AtomOr":
            common = frozenset.intersection(*(part.flags for part in parts))
            return cls(frozenset.union(*(part.classes for part in parts)), common)
        if parts and head == "AtomAnd":
            joined = frozenset.union(*(part.flags for part in parts))
            return cls(frozenset.intersection(*(part.classes for part in parts)), joined)
        leaf = _QUERY_LEAF.fullmatch(head)
        return cls() if leaf is None else cls._of_leaf(leaf[1], int(leaf[2]))

    @classmethod
    def _of_leaf(cls, kind: str, value: int) -> "_Query":
        if kind in ("AtomicNum", "Type"):
            place = int(_CLASS[value % _AROMATIC_TYPE])
            aliphatic, aromatic = frozenset({place} - {-1}), frozenset({place + _N_ELEMENTS} - {_N_ELEMENTS - 1})
            if kind == "AtomicNum":
                return cls(aliphatic | aromatic)
            return cls(aromatic if value > _AROMATIC_TYPE else aliphatic)
        in_two = kind != "InNRings" or value == 2
        return cls(flags=frozenset({_FLAG_OF[kind]})) if kind in _FLAG_OF and value and in_two else cls()


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
