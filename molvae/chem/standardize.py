"""The one standard form of a molecule, used alike before training, encoding and featurizing."""

from dataclasses import dataclass
from functools import lru_cache

from rdkit import Chem
from rdkit.Chem.MolStandardize import rdMolStandardize

from molvae.chem.parse import parse_smiles, silence_rdkit
from molvae.chem.standard_form import StandardForm

CHARGED = Chem.MolFromSmarts("[!+0]")
_LABELED = Chem.MolFromSmarts("[!0*]")
_DRAWN_APART = Chem.MolFromSmarts("[S,Se,P;+,+2]-[O,S;-]")
_DRAWN_TOGETHER = """
Sulfone	[S,Se;+2:1](-[O;-:2])-[O;-:3]>>[*+0:1](=[O+0:2])=[O+0:3]
Sulfoxide	[S,Se;+:1]-[O,S;-:2]>>[*+0:1]=[*+0:2]
Phosphine oxide	[P;+:1]-[O,S;-:2]>>[P+0:1]=[*+0:2]
"""


@dataclass(frozen=True)
class Standardized:
    """One molecule's outcome.

    Attributes:
        smiles: canonical; `None` where the molecule cannot be used.
        mol: the same, with its atoms in the order they were given in, or in that of `smiles` where it was changed.
        reason: why it cannot be used, `None` where it can.
        changed: whether atoms, charges or isotopes are others than those given.
        lost: what the standard form does not keep of it: "stereo", "isotopes".
    """

    smiles: str | None
    mol: Chem.Mol | None
    reason: str | None = None
    changed: bool = False
    lost: tuple[str, ...] = ()


def uncharged(mol: Chem.Mol) -> Chem.Mol:
    """A copy without the charges that protons can balance."""
    with silence_rdkit():
        return _uncharger().uncharge(mol)


def drawn_together(mol: Chem.Mol) -> Chem.Mol:
    """A molecule whose sulfones, sulfoxides and phosphine oxides have double bonds in place of charges.

    ChEMBL draws sulfoxides with charges, ZINC without.

    >>> Chem.MolToSmiles(drawn_together(Chem.MolFromSmiles("C[S+]([O-])C")))
    'CS(C)=O'
    """
    if not mol.HasSubstructMatch(_DRAWN_APART):
        return mol
    with silence_rdkit():
        return _normalizer().normalize(mol)


@lru_cache(maxsize=1)
def _normalizer() -> rdMolStandardize.Normalizer:
    return rdMolStandardize.NormalizerFromData(_DRAWN_TOGETHER, rdMolStandardize.CleanupParameters())


@lru_cache(maxsize=1)
def _uncharger() -> rdMolStandardize.Uncharger:
    return rdMolStandardize.Uncharger()  # making one takes longer than using it


class Standardizer(StandardForm):
    """Parses, keeps the largest fragment, neutralizes, checks elements and size, canonicalizes: as its options say.

    Atom maps and CXSMILES extensions are annotations and never kept.

    >>> Standardizer(neutralize=True).apply("[Na+].[O-]C(=O)C").smiles
    'CC(=O)O'
    """

    def apply(self, smiles: str) -> Standardized:
        """Standardize one SMILES; never raises for a bad molecule, the reason is in the result."""
        mol = parse_smiles(smiles)
        if mol is None:
            return Standardized(None, None, "unparsable")
        return self._standardize(mol, mapped=":" in smiles, stereo=any(sign in smiles for sign in "@/\\"))

    def apply_mol(self, mol: Chem.Mol) -> Standardized:
        """Standardize an RDKit molecule; the given one is not changed."""
        return self._standardize(mol, mapped=True, stereo=True)

    def _standardize(self, mol: Chem.Mol, *, mapped: bool, stereo: bool) -> Standardized:
        """Standardize; whether there may be atom maps or stereo is said, since looking for them takes time."""
        changed, lost = False, []
        if mapped and any(atom.GetAtomMapNum() for atom in mol.GetAtoms()):
            mol, changed = without_maps(mol), True
        if len(Chem.GetMolFrags(mol)) > 1:
            if not self.largest_fragment:
                return Standardized(None, None, "several_fragments")
            with silence_rdkit():
                mol = rdMolStandardize.LargestFragmentChooser().choose(mol)
            changed = True
        if self.neutralize and mol.HasSubstructMatch(CHARGED):
            mol = uncharged(drawn_together(mol))
            changed = True
        if self.strip_isotopes and mol.HasSubstructMatch(_LABELED):
            mol = Chem.Mol(mol)
            for atom in mol.GetAtoms():
                atom.SetIsotope(0)
            changed = True
            lost.append("isotopes")
        if self.strip_stereo:
            mol = Chem.Mol(mol)
            if stereo and any(sign in Chem.MolToSmiles(mol) for sign in "@/\\"):
                lost.append("stereo")
            Chem.RemoveStereochemistry(mol)
        n_heavy = mol.GetNumHeavyAtoms()
        if n_heavy < self.min_atoms:
            return Standardized(None, None, "too_small")
        if n_heavy > self.max_atoms:
            return Standardized(None, None, "too_large")
        if self.elements and mol.HasSubstructMatch(_foreign(tuple(self.elements))):
            return Standardized(None, None, "element")
        smiles = Chem.MolToSmiles(mol)
        if not changed:
            return Standardized(smiles, mol, lost=tuple(lost))
        again = parse_smiles(smiles)  # without traces of what was cut off; half of a ferrocene is no molecule
        if again is None:
            return Standardized(None, None, "unparsable")
        return Standardized(smiles, again, changed=True, lost=tuple(lost))


def without_maps(mol: Chem.Mol) -> Chem.Mol:
    """A copy without atom maps, which are annotations and no chemistry.

    >>> Chem.MolToSmiles(without_maps(Chem.MolFromSmiles("[CH3:1][CH2:2][OH:3]")))
    'CCO'
    """
    mol = Chem.Mol(mol)
    for atom in mol.GetAtoms():
        atom.SetAtomMapNum(0)
    Chem.AssignStereochemistry(mol, cleanIt=True, force=True)  # two neighbors may have differed by their map alone
    return mol


@lru_cache
def _foreign(elements: tuple[str, ...]) -> Chem.Mol:
    """The pattern of an atom that is neither hydrogen nor one of `elements`."""
    table = Chem.GetPeriodicTable()
    return Chem.MolFromSmarts("[!#1" + "".join(f";!#{table.GetAtomicNumber(symbol)}" for symbol in elements) + "]")
