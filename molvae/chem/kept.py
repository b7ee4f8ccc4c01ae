"""The part of a molecule that is kept while the rest is written anew: a scaffold, a motif, fragments to be linked.

It is a SMILES in which `*` (or `[*:1]`) marks each place where something is attached. Without a mark, every atom with a
hydrogen may grow. Two or more fragments, as in `*c1ccccc1.*C1CC1`, are to be linked.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from rdkit import Chem

from molvae.chem.parse import parse_smiles, silence_rdkit
from molvae.errors import InputError

SLOT = "molvae_kept"
"""Atom property: the number that the atom has in the kept part."""
MOST_MATCHES = 1_000
_BONDED = "molvae_bonded"
ORDERS, FEWEST_ORDERS = 4, 24  # attempts per wanted spelling, and in all
_TETRAHEDRAL = (Chem.ChiralType.CHI_TETRAHEDRAL_CW, Chem.ChiralType.CHI_TETRAHEDRAL_CCW)


@dataclass(frozen=True)
class Spelling:
    """A molecule written so that what comes next is bonded to the atom that grows.

    Attributes:
        text: SMILES without the end.
        order: for each atom of the text, its number in the kept part; -1 for atoms that are not kept.
    """

    text: str
    order: tuple[int, ...]


@dataclass(frozen=True)
class Fragment:
    """A connected piece of the kept part.

    Attributes:
        mol: without marks; its atoms know their numbers.
        points: the numbers of the atoms with a mark, one for each mark.
    """

    mol: Chem.Mol
    points: tuple[int, ...]


class Kept:
    """The kept part, as it was asked for.

    Args:
        smiles: fragments, separated by a dot where there are several, with `*` at each place where they may grow.

    Attributes:
        points: the number of the kept atom of each mark; atoms are numbered in the order of `smiles`.
        fragments: its connected pieces.

    Raises:
        InputError: for text that does not parse, a mark without exactly one single bond, an atom that cannot grow, and
            several fragments of which one has no mark.

    >>> Kept("c1ccc(*)nc1").holds(Chem.MolFromSmiles("c1ccc(OC)nc1"))
    True
    >>> Kept("c1ccc(*)nc1").holds(Chem.MolFromSmiles("Cc1ccc(OC)nc1"))
    False
    """

    def __init__(self, smiles: str) -> None:
        self.smiles = smiles
        marked = parse_smiles(smiles)
        if marked is None:
            raise InputError(
                f"the kept part {smiles!r} does not parse as a SMILES; expected one such as c1ccc(*)nc1, with * where "
                "it may grow"
            )
        self._marked = marked
        marks = [atom for atom in marked.GetAtoms() if atom.GetAtomicNum() == 0]
        for atom in marked.GetAtoms():
            atom.SetIntProp(SLOT, -1)
        kept = [atom for atom in marked.GetAtoms() if atom.GetAtomicNum() != 0]
        for number, atom in enumerate(kept):
            atom.SetIntProp(SLOT, number)
        if not kept:
            raise InputError(f"the kept part {smiles!r} has no atom beside its marks")
        for mark in marks:
            self._check(mark)
        if any(atom.GetNumRadicalElectrons() for atom in kept):
            raise InputError(
                f"the kept part {smiles!r} has unpaired electrons; write CH3 as C and OH as O, and give a SMARTS to "
                "--contains"
            )
        self.points = tuple(mark.GetNeighbors()[0].GetIntProp(SLOT) for mark in marks)
        self.fragments = tuple(
            Fragment(
                self._closed(piece),
                tuple(a.GetNeighbors()[0].GetIntProp(SLOT) for a in piece.GetAtoms() if not a.GetAtomicNum()),
            )
            for piece in Chem.GetMolFrags(marked, asMols=True)
        )
        for fragment in self.fragments:
            if self.linked and not fragment.points:
                raise InputError(
                    f"the kept part {smiles!r} has several fragments, of which {Chem.MolToSmiles(fragment.mol)} has no "
                    "*; mark where each may be linked, and leave counterions out"
                )
        if not self.points and not self.free:
            raise InputError(f"no atom of the kept part {smiles!r} has a hydrogen that could be replaced")

    def _check(self, mark: Chem.Atom) -> None:
        bonds = mark.GetBonds()
        wrong = None
        if len(bonds) != 1:
            wrong = f"has {len(bonds)} bonds, and a ring cannot be closed through a mark"
        elif bonds[0].GetBondType() != Chem.BondType.SINGLE:
            wrong = "has a bond that is not single"
        elif mark.GetNeighbors()[0].GetAtomicNum() == 0:
            wrong = "is bonded to another *"
        if wrong is not None:
            raise InputError(
                f"in the kept part {self.smiles!r} a * {wrong}; expected one single bond to a kept atom, everything "
                "else written with its atoms"
            )

    @staticmethod
    def _closed(mol: Chem.Mol) -> Chem.Mol:
        """The molecule with hydrogen in place of its marks; stereo that depends on them is left out."""
        changed = Chem.RWMol(mol)
        for atom in changed.GetAtoms():
            if not atom.GetAtomicNum():
                atom.SetAtomicNum(1)
                atom.SetNoImplicit(True)
        return _without_hydrogens(changed)

    @cached_property
    def free(self) -> tuple[int, ...]:
        """The numbers of the atoms that have a hydrogen, where the part may grow if it has no marks."""
        atoms = (atom for fragment in self.fragments for atom in fragment.mol.GetAtoms())
        return tuple(atom.GetIntProp(SLOT) for atom in atoms if atom.GetTotalNumHs())

    @property
    def linked(self) -> bool:
        """Whether there are several fragments."""
        return len(self.fragments) > 1

    def fragment_of(self, number: int) -> int:
        """Which fragment has this atom."""
        has = [any(atom.GetIntProp(SLOT) == number for atom in f.mol.GetAtoms()) for f in self.fragments]
        return has.index(True)

    def with_stereo(self, mol: Chem.Mol) -> Chem.Mol:
        """A molecule that has grown, with the stereo of the kept part also where it was lost on the way.

        That is stereo which depends on what was attached at a mark, and all of it for a model that has no stereo.

        Args:
            mol: its atoms have the property `SLOT`.
        """
        if not self._stereo:
            return mol
        changed = Chem.RWMol(mol)
        own = {a.GetIntProp(SLOT): a.GetIdx() for a in changed.GetAtoms() if a.GetIntProp(SLOT) >= 0}

        def here(atom: Chem.Atom, neighbor: Chem.Atom) -> int | None:
            """The index of a neighbor of a kept atom; of what was attached to it where the neighbor is a mark."""
            if neighbor.GetAtomicNum():
                return own[neighbor.GetIntProp(SLOT)]
            neighbors = changed.GetAtomWithIdx(own[atom.GetIntProp(SLOT)]).GetNeighbors()
            outside = [a.GetIdx() for a in neighbors if a.GetIntProp(SLOT) < 0]
            return outside[0] if len(outside) == 1 else None

        for item in self._stereo:
            if isinstance(item, Chem.Bond):
                ends = (item.GetBeginAtom(), item.GetEndAtom())
                beside = [
                    found
                    for atom, i in zip(ends, item.GetStereoAtoms(), strict=True)
                    if (found := here(atom, self._marked.GetAtomWithIdx(i))) is not None
                ]
                begin, end = (own[atom.GetIntProp(SLOT)] for atom in ends)
                bond = changed.GetBondBetweenAtoms(begin, end)
                if len(beside) == len(ends):
                    bond.SetStereoAtoms(*(beside if bond.GetBeginAtomIdx() == begin else beside[::-1]))
                    bond.SetStereo(_geometry(item))
                continue
            wanted = [here(item, bond.GetOtherAtom(item)) for bond in item.GetBonds()]
            atom = changed.GetAtomWithIdx(own[item.GetIntProp(SLOT)])
            neighbors = [bond.GetOtherAtomIdx(atom.GetIdx()) for bond in atom.GetBonds()]
            if None not in wanted and set(wanted) == set(neighbors):
                atom.SetChiralTag(item.GetChiralTag())
                if _is_odd([wanted.index(i) for i in neighbors]):
                    atom.InvertChirality()
        return changed.GetMol()

    @cached_property
    def _stereo(self) -> list[Chem.Atom | Chem.Bond]:
        """The stereocenters and double bonds of the kept part that have stereo."""
        centers = [atom for atom in self._marked.GetAtoms() if atom.GetChiralTag() in _TETRAHEDRAL]
        return [*centers, *(bond for bond in self._marked.GetBonds() if len(bond.GetStereoAtoms()) == 2)]

    def holds(self, mol: Chem.Mol) -> bool:
        """Whether a molecule has the kept part atom for atom, grown nowhere but at the marks.

        For each place where it is found, all bonds that leave it are cut; what remains must be the kept part: the same
        atoms, bonds, charges and hydrogens, and a cut at each mark. Stereo counts where the kept part has it.
        """
        return self.found(mol) is not None

    def found(self, mol: Chem.Mol) -> Chem.Mol | None:
        """A copy of a molecule whose atoms know their numbers in the kept part; `None` if it does not have it."""
        places = [self._places(mol, query, numbers) for query, numbers in self._queries]
        if not all(places):
            return None
        cut = set[frozenset[int]]()
        for chosen in itertools.islice(itertools.product(*places), MOST_MATCHES):
            numbers = dict(itertools.chain.from_iterable(chosen))
            atoms = frozenset(numbers)
            if len(atoms) < self._n_atoms or atoms in cut:
                continue
            cut.add(atoms)
            if _cut(mol, atoms, closed=not self.points) == self._text:
                copy = Chem.Mol(mol)
                for atom in copy.GetAtoms():
                    atom.SetIntProp(SLOT, numbers.get(atom.GetIdx(), -1))
                return copy
        return None

    def _places(self, mol: Chem.Mol, query: Chem.Mol, numbers: Mapping[int, int]) -> list[list[tuple[int, int]]]:
        """Where a fragment is found: its atoms in the molecule, with their numbers in the kept part."""
        matches = mol.GetSubstructMatches(query, useChirality=True, uniquify=False, maxMatches=MOST_MATCHES)
        return [[(match[i], number) for i, number in numbers.items()] for match in matches]

    @cached_property
    def _queries(self) -> list[tuple[Chem.Mol, dict[int, int]]]:
        """For each fragment a query in which the marks match any atom, and the numbers of its kept atoms."""
        how = Chem.AdjustQueryParameters.NoAdjustments()
        how.makeDummiesQueries = True  # type: ignore[assignment]
        frags = Chem.GetMolFrags(self._marked, asMols=True)
        kept = [{a.GetIdx(): a.GetIntProp(SLOT) for a in frag.GetAtoms() if a.GetAtomicNum()} for frag in frags]
        return [(Chem.AdjustQueryProperties(frag, how), numbers) for frag, numbers in zip(frags, kept, strict=True)]

    def flat(self) -> "Kept":
        """The same part without stereo."""
        return Kept(Chem.MolToSmiles(self._marked, isomericSmiles=False))

    @cached_property
    def _n_atoms(self) -> int:
        return sum(fragment.mol.GetNumAtoms() for fragment in self.fragments)

    @cached_property
    def _text(self) -> str:
        return _flat_smiles(self._marked)

    def __repr__(self) -> str:
        return f"Kept({self.smiles!r})"


def spellings(mol: Chem.Mol, atom: int, n: int, rng: np.random.Generator) -> list[Spelling]:
    """At most `n` different ways to write a molecule so that what comes next replaces a hydrogen of one atom.

    Args:
        mol: its atoms have the property `SLOT`.
        atom: index of the atom that grows.
        n: how many are wanted.
        rng: draws the orders in which the other atoms are written.

    >>> mol = Kept("*N").fragments[0].mol
    >>> [s.text for s in spellings(mol, 0, 1, np.random.default_rng(0))]
    ['N']
    """
    marked, mark = _marked_at(mol, atom)
    if marked is None:
        return []
    distances = Chem.GetDistanceMatrix(marked)
    n_atoms = marked.GetNumAtoms()
    found: dict[str, Spelling] = {}
    with silence_rdkit():
        for _ in range(max(ORDERS * n, FEWEST_ORDERS)):
            root = int(rng.integers(n_atoms - 1))  # the mark has the last index
            path = distances[root] + distances[:, mark] == distances[root, mark]
            rank = np.argsort(np.argsort(rng.random(n_atoms) + path + 2 * (np.arange(n_atoms) == mark)))
            ordered = Chem.RenumberAtoms(marked, np.argsort(rank).tolist())
            text = Chem.MolToSmiles(ordered, canonical=False, rootedAtAtom=int(rank[root]))
            if not text.endswith("*"):
                continue
            written = list(map(int, ordered.GetProp("_smilesAtomOutputOrder").strip("[],").split(",")))
            order = tuple(ordered.GetAtomWithIdx(i).GetIntProp(SLOT) for i in written[:-1])
            found.setdefault(text[:-1], Spelling(text[:-1], order))
            if len(found) == n:
                break
    return list(found.values())


def grown(text: str, spelling: Spelling) -> Chem.Mol | None:
    """The molecule that a SMILES spells which begins with a spelling; `None` if it is none, or in pieces.

    Its atoms have the property `SLOT`.
    """
    if "." in text:
        return None
    mol = parse_smiles(text)
    if mol is None or mol.GetNumAtoms() <= len(spelling.order):
        return None
    for atom in mol.GetAtoms():
        place = atom.GetIdx()
        atom.SetIntProp(SLOT, spelling.order[place] if place < len(spelling.order) else -1)
    return mol


def numbered(mol: Chem.Mol, number: int) -> int:
    """The index of the kept atom with this number."""
    return next(atom.GetIdx() for atom in mol.GetAtoms() if atom.GetIntProp(SLOT) == number)


@dataclass(frozen=True)
class Site:
    """Where a fragment may be put into a molecule: at an atom, in place of a hydrogen or of the piece behind a bond.

    Attributes:
        atom: index of the atom that gets the bond.
        gone: indices of the atoms of the piece, the one at the bond first; empty for a hydrogen.
    """

    atom: int
    gone: tuple[int, ...] = ()


def link_sites(mol: Chem.Mol) -> list[Site]:
    """All places of a molecule that has grown where a fragment may be put; no kept atom gets a bond or goes.

    >>> mol = grown("c1ccccc1OC", Spelling("c1ccccc1", (0, 1, 2, 3, 4, 5)))
    >>> link_sites(mol)
    [Site(atom=7, gone=()), Site(atom=6, gone=(7,))]
    """
    kept = {atom.GetIdx() for atom in mol.GetAtoms() if atom.GetIntProp(SLOT) >= 0}
    new = [atom.GetIdx() for atom in mol.GetAtoms() if atom.GetIdx() not in kept]
    sites = [Site(i) for i in new if mol.GetAtomWithIdx(i).GetTotalNumHs()]
    for bond in mol.GetBonds():
        if bond.IsInRing() or bond.GetBondType() != Chem.BondType.SINGLE:
            continue
        for atom, other in itertools.permutations((bond.GetBeginAtomIdx(), bond.GetEndAtomIdx())):
            piece = _behind(mol, atom, other)
            if atom not in kept and kept.isdisjoint(piece):
                sites.append(Site(atom, piece))
    return sites


def change_sites(mol: Chem.Mol, kept: Kept) -> list[Site]:
    """All places of a molecule that has grown where it may be written anew while its kept part stays.

    That is where a fragment may be put, and at the kept atoms: behind the bonds at which the part has grown, and in
    place of the hydrogens of a part without marks.
    """
    numbers = {atom.GetIdx(): atom.GetIntProp(SLOT) for atom in mol.GetAtoms()}
    whole = {atom for atom, number in numbers.items() if number >= 0}
    sites = link_sites(mol)
    for bond in mol.GetBonds():
        for atom, other in itertools.permutations((bond.GetBeginAtomIdx(), bond.GetEndAtomIdx())):
            if atom in whole and other not in whole and not bond.IsInRing():
                piece = _behind(mol, atom, other)
                if whole.isdisjoint(piece):
                    sites.append(Site(atom, piece))
    if not kept.points:
        sites += [Site(i) for i in whole if mol.GetAtomWithIdx(i).GetTotalNumHs()]
    return sites


def linked(mol: Chem.Mol, site: Site, fragment: Chem.Mol, atom: int) -> Chem.Mol | None:
    """A molecule with a fragment put in, bonded by one of its atoms; `None` where that is no molecule."""
    rest, at = cleared(mol, site)
    return None if rest is None else joined(rest, at, fragment, atom)


def cleared(mol: Chem.Mol, site: Site) -> tuple[Chem.Mol | None, int]:
    """A molecule with a hydrogen in place of the piece at a site, and the index of the atom that has it."""
    if not site.gone:
        return mol, site.atom
    changed = Chem.RWMol(mol)
    end = changed.GetAtomWithIdx(site.gone[0])
    end.SetAtomicNum(1)
    end.SetFormalCharge(0)
    end.SetIsAromatic(False)
    end.SetNumExplicitHs(0)
    end.SetNoImplicit(True)
    changed.GetAtomWithIdx(site.atom).SetIntProp(_BONDED, 1)
    for index in sorted(site.gone[1:], reverse=True):
        changed.RemoveAtom(index)
    with silence_rdkit():
        try:
            Chem.SanitizeMol(changed)
            rest = _without_hydrogens(changed)
        except (ValueError, RuntimeError):
            return None, -1
    at = next(atom for atom in rest.GetAtoms() if atom.HasProp(_BONDED))
    at.ClearProp(_BONDED)
    return rest, int(at.GetIdx())


def _behind(mol: Chem.Mol, atom: int, other: int) -> tuple[int, ...]:
    """The atoms behind a bond that is in no ring, seen from its first atom, the nearest first."""
    found, at = [other], 0
    while at < len(found):
        neighbors = [a.GetIdx() for a in mol.GetAtomWithIdx(found[at]).GetNeighbors()]
        found += [i for i in neighbors if i != atom and i not in found]
        at += 1
    return tuple(found)


def joined(one: Chem.Mol, atom: int, other: Chem.Mol, other_atom: int) -> Chem.Mol | None:
    """Two molecules with a bond in place of a hydrogen of an atom of each; `None` where an atom has none."""
    first, mark = _marked_at(one, atom)
    second, other_mark = _marked_at(other, other_atom)
    if first is None or second is None:
        return None
    n = first.GetNumAtoms()
    both = Chem.RWMol(Chem.CombineMols(first, second))
    # Each mark becomes the other half's atom, so that the neighbors of a stereocenter keep their order.
    ends = (atom, n + other_atom)
    for end, gone, partner in ((ends[0], mark, ends[1]), (ends[1], n + other_mark, ends[0])):
        _turn(both, end, gone, partner)
    both.AddBond(*ends, Chem.BondType.SINGLE)
    for index in sorted((mark, n + other_mark), reverse=True):
        both.RemoveAtom(index)
    with silence_rdkit():
        try:
            Chem.SanitizeMol(both)
        except (ValueError, RuntimeError):
            return None
    return both.GetMol()


def _geometry(bond: Chem.Bond) -> Chem.BondStereo:
    """Cis or trans with respect to the bond's own stereo atoms, which E and Z are once read from a SMILES."""
    same = {Chem.BondStereo.STEREOZ: Chem.BondStereo.STEREOCIS, Chem.BondStereo.STEREOE: Chem.BondStereo.STEREOTRANS}
    return same.get(bond.GetStereo(), bond.GetStereo())


def _is_odd(permutation: list[int]) -> bool:
    return sum(a > b for a, b in itertools.combinations(permutation, 2)) % 2 == 1


def _turn(mol: Chem.RWMol, center: int, gone: int, partner: int) -> None:
    """Invert the tag of a stereocenter where replacing one neighbor, whose bond moves to the end, would change it."""
    atom = mol.GetAtomWithIdx(center)
    if atom.GetChiralTag() not in _TETRAHEDRAL:
        return
    places = [bond.GetOtherAtomIdx(center) for bond in atom.GetBonds()]
    if (len(places) - 1 - places.index(gone)) % 2:
        atom.InvertChirality()


def _marked_at(mol: Chem.Mol, atom: int) -> tuple[Chem.Mol | None, int]:
    """The molecule with a mark, its last atom, in place of a hydrogen of one atom; `None` if it has no hydrogen."""
    if not mol.GetAtomWithIdx(atom).GetTotalNumHs():
        return None, -1
    changed = Chem.RWMol(Chem.AddHs(mol, onlyOnAtoms=[atom]))
    hydrogen = next(a.GetIdx() for a in changed.GetAtomWithIdx(atom).GetNeighbors() if a.GetAtomicNum() == 1)
    mark = changed.GetAtomWithIdx(hydrogen)
    mark.SetAtomicNum(0)
    mark.SetIntProp(SLOT, -1)
    with silence_rdkit():
        marked = Chem.RemoveHs(changed)
    index = next(a.GetIdx() for a in marked.GetAtomWithIdx(atom).GetNeighbors() if a.GetAtomicNum() == 0)
    if index != marked.GetNumAtoms() - 1:
        rest = [i for i in range(marked.GetNumAtoms()) if i != index]
        marked = Chem.RenumberAtoms(marked, [*rest, index])
    return marked, marked.GetNumAtoms() - 1


def _without_hydrogens(mol: Chem.Mol) -> Chem.Mol:
    how = Chem.RemoveHsParameters()
    how.removeDefiningBondStereo = True  # type: ignore[assignment]
    with silence_rdkit():
        bare = Chem.RemoveHs(mol, how)
        Chem.AssignStereochemistry(bare, cleanIt=True, force=True)
    return bare


def _cut(mol: Chem.Mol, atoms: frozenset[int], *, closed: bool) -> str:
    """Flat canonical SMILES of a set of atoms, with a mark at each bond that leaves it, or hydrogen if `closed`."""
    leaving = [
        bond.GetIdx() for bond in mol.GetBonds() if (bond.GetBeginAtomIdx() in atoms) != (bond.GetEndAtomIdx() in atoms)
    ]
    if not leaving:
        return _flat_smiles(mol) if len(atoms) == mol.GetNumAtoms() else ""
    if any(mol.GetBondWithIdx(bond).GetBondType() != Chem.BondType.SINGLE for bond in leaving):
        return ""
    pieces = Chem.FragmentOnBonds(mol, leaving, addDummies=True, dummyLabels=[(0, 0)] * len(leaving))
    rest = Chem.RWMol(pieces)
    of_part = [
        piece for piece in Chem.GetMolFrags(pieces) if any(i in atoms for i in piece)
    ]  # each piece is either within the part or outside of it
    for index in sorted(set(range(pieces.GetNumAtoms())) - set(itertools.chain(*of_part)), reverse=True):
        rest.RemoveAtom(index)
    if closed:
        return _flat_smiles(Kept._closed(rest))
    return _flat_smiles(rest)


def _flat_smiles(mol: Chem.Mol) -> str:
    """Canonical SMILES without stereo, of what RDKit makes of the molecule when it reads it."""
    text = Chem.MolToSmiles(mol, isomericSmiles=False)
    again = parse_smiles(text)
    return "" if again is None else Chem.MolToSmiles(again, isomericSmiles=False)
