"""The one standard form of a molecule, used alike before training, encoding and featurizing."""

from dataclasses import dataclass
from functools import lru_cache

from rdkit import Chem
from rdkit.Chem.MolStandardize import rdMolStandardize

from molvae.chem.parse import parse_smiles, silence_rdkit

ORGANIC_ELEMENTS = ("B", "C", "N", "O", "F", "Si", "P", "S", "Cl", "Se", "Br", "I")


_CHARGED = Chem.MolFromSmarts("[!+0]")
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
    """

    smiles: str | None
    mol: Chem.Mol | None
    reason: str | None = None
    changed: bool = False


def is_sound(mol: Chem.Mol) -> bool:
    """Whether a molecule has neither unpaired electrons nor a charge that protons could balance.

    Nitro groups, N-oxides and quaternary ammonium are sound.

    >>> [is_sound(Chem.MolFromSmiles(s)) for s in ("C[N+](=O)[O-]", "[O-]c1ccccc1", "C[N+]C")]
    [True, False, False]
    """
    if any(atom.GetNumRadicalElectrons() for atom in mol.GetAtoms()):
        return False
    return not mol.HasSubstructMatch(_CHARGED) or Chem.MolToSmiles(uncharged(mol)) == Chem.MolToSmiles(mol)


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


@dataclass(frozen=True)
class Standardizer:
    """Parse, keep the largest fragment, optionally neutralize, check elements and size, canonicalize.

    Args:
        largest_fragment: drop counter-ions and solvents; otherwise several fragments are a rejection.
        neutralize: remove charges that protons can balance, and those of sulfoxides and their like (`drawn_together`).
        elements: the only elements allowed; empty allows all.
        min_atoms: fewest heavy atoms allowed.
        max_atoms: most heavy atoms allowed.
        strip_isotopes: drop isotope labels.
        strip_stereo: drop stereocenters and double-bond geometry.
    """

    largest_fragment: bool = True
    neutralize: bool = False
    elements: tuple[str, ...] = ORGANIC_ELEMENTS
    min_atoms: int = 1
    max_atoms: int = 100
    strip_isotopes: bool = False
    strip_stereo: bool = False

    def apply(self, smiles: str) -> Standardized:
        """Standardize one SMILES; never raises for a bad molecule, the reason is in the result."""
        mol = parse_smiles(smiles)
        if mol is None:
            return Standardized(None, None, "unparsable")
        return self.apply_mol(mol)

    def apply_mol(self, mol: Chem.Mol) -> Standardized:
        """Standardize an RDKit molecule; the given one is not changed."""
        changed = False
        if len(Chem.GetMolFrags(mol)) > 1:
            if not self.largest_fragment:
                return Standardized(None, None, "several_fragments")
            with silence_rdkit():
                mol = rdMolStandardize.LargestFragmentChooser().choose(mol)
            changed = True
        if self.neutralize and mol.HasSubstructMatch(_CHARGED):
            mol = uncharged(drawn_together(mol))
            changed = True
        if self.strip_isotopes and mol.HasSubstructMatch(_LABELED):
            mol = Chem.Mol(mol)
            for atom in mol.GetAtoms():
                atom.SetIsotope(0)
            changed = True
        if self.strip_stereo:
            mol = Chem.Mol(mol)
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
            return Standardized(smiles, mol)
        again = parse_smiles(smiles)  # without traces of what was cut off; half of a ferrocene is no molecule
        if again is None:
            return Standardized(None, None, "unparsable")
        return Standardized(smiles, again, changed=True)


@lru_cache
def _foreign(elements: tuple[str, ...]) -> Chem.Mol:
    """The pattern of an atom that is neither hydrogen nor one of `elements`."""
    table = Chem.GetPeriodicTable()
    return Chem.MolFromSmarts("[!#1" + "".join(f";!#{table.GetAtomicNumber(symbol)}" for symbol in elements) + "]")
