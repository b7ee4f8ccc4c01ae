"""Conversion of molecules to their standard form, the same before training, encoding and featurizing."""

from dataclasses import dataclass
from functools import lru_cache

from rdkit import Chem
from rdkit.Chem.MolStandardize import rdMolStandardize

from molvae.chem.parse import MAX_ATOMS, is_too_large, parse_smiles, silence_rdkit, without_maps
from molvae.chem.standard_form import StandardForm

CHARGED = Chem.MolFromSmarts("[!+0]")
_FEW_FRAGMENTS = 10
_LABELED = Chem.MolFromSmarts("[!0*]")
_DRAWN_APART = Chem.MolFromSmarts("[S,Se,P;+,+2]-[O,S;-]")
_DRAWN_TOGETHER = """
Sulfone	[S,Se;+2:1](-[O;-:2])-[O;-:3]>>[*+0:1](=[O+0:2])=[O+0:3]
Sulfoxide	[S,Se;+:1]-[O,S;-:2]>>[*+0:1]=[*+0:2]
Phosphine oxide	[P;+:1]-[O,S;-:2]>>[P+0:1]=[*+0:2]
"""


@dataclass(frozen=True)
class Standardized:
    """The result of standardizing one molecule.

    Attributes:
        smiles: canonical SMILES; `None` if the molecule is rejected.
        mol: the standardized molecule; its atoms are in the order of the input, or of `smiles` if `changed`.
        reason: why the molecule is rejected; `None` if it is not.
        changed: whether atoms, charges or isotopes differ from the input.
        lost: what the standard form removed: "stereo", "isotopes".
        stripped: canonical SMILES of the components left out; see `molvae.chem.components`.
    """

    smiles: str | None
    mol: Chem.Mol | None
    reason: str | None = None
    changed: bool = False
    lost: tuple[str, ...] = ()
    stripped: tuple[str, ...] = ()


def uncharged(mol: Chem.Mol) -> Chem.Mol:
    """A copy whose charges are neutralized where adding or removing protons can do so."""
    with silence_rdkit():
        return _uncharger().uncharge(mol)


def drawn_together(mol: Chem.Mol) -> Chem.Mol:
    """The molecule with double bonds in place of charges in sulfones, sulfoxides and phosphine oxides.

    ChEMBL draws sulfoxides with charges, ZINC without them.

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
    return rdMolStandardize.Uncharger()  # creating one takes longer than using it


class Standardizer(StandardForm):
    """Converts molecules to the standard form that its options describe.

    Atom maps and CXSMILES extensions are annotations and are always removed.

    >>> Standardizer(neutralize=True).apply("[Na+].[O-]C(=O)C").smiles
    'CC(=O)O'
    """

    def apply(self, smiles: str) -> Standardized:
        """Standardize one SMILES; a molecule that is rejected raises no error, but its result has a reason.

        The reason is the step that failed: "unparsable", "text_after_smiles" (RDKit would take it for a name),
        "several_fragments", "too_small", "too_large", "element", or a step whose result is no valid molecule:
        "invalid_largest_fragment", "invalid_neutralized".
        """
        mol = parse_smiles(smiles)
        if mol is None:
            words = smiles.split()
            followed = len(words) > 1 and parse_smiles(words[0]) is not None
            reason = "text_after_smiles" if followed else "too_large" if is_too_large(smiles) else "unparsable"
            return Standardized(None, None, reason)
        return self._standardize(mol, stereo=any(sign in smiles for sign in "@/\\"))

    def apply_mol(self, mol: Chem.Mol) -> Standardized:
        """Standardize an RDKit molecule, which is not modified."""
        if mol.GetNumAtoms() > MAX_ATOMS:
            return Standardized(None, None, "too_large")
        return self._standardize(without_maps(mol), stereo=True)

    def _standardize(self, mol: Chem.Mol, *, stereo: bool) -> Standardized:
        """Standardize; stereo is looked for, which takes time, only if `stereo` says so."""
        changed = False
        lost: list[str] = []
        stripped: tuple[str, ...] = ()
        if len(Chem.GetMolFrags(mol)) > 1:
            if not self.largest_fragment:
                return Standardized(None, None, "several_fragments")
            mol, stripped = _largest_fragment(mol)
            if parse_smiles(Chem.MolToSmiles(mol)) is None:  # the rest of a cut complex may be
                return Standardized(None, None, "invalid_largest_fragment")
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
        again = parse_smiles(smiles)
        if again is None:  # without its charge, PF6- has an impossible valence
            return Standardized(None, None, "invalid_neutralized")
        if "[H]" in smiles:  # deuterium is written as an atom, and hydrogen is not
            smiles = Chem.MolToSmiles(again)
        return Standardized(smiles, again, changed=True, lost=tuple(lost), stripped=stripped)


def _largest_fragment(mol: Chem.Mol) -> tuple[Chem.Mol, tuple[str, ...]]:
    """The largest component, and the SMILES of the others.

    It is the one with the most atoms, hydrogens counted, and of these the heaviest. RDKit's time grows with the cube of
    the number of components, so that each different one is looked at once.

    >>> kept, others = _largest_fragment(Chem.MolFromSmiles("C." * 300 + "CCO"))
    >>> Chem.MolToSmiles(kept), len(others), set(others)
    ('CCO', 300, {'C'})
    """
    with silence_rdkit():
        components = Chem.MolToSmiles(mol).split(".")
        if len(components) > _FEW_FRAGMENTS:
            different = Chem.MolFromSmiles(".".join(sorted(set(components))))
            mol = mol if different is None else different
        chosen = rdMolStandardize.LargestFragmentChooser().choose(mol)
    kept = Chem.MolToSmiles(chosen)
    if kept in components:
        components.remove(kept)
    return chosen, tuple(components)


@lru_cache
def _foreign(elements: tuple[str, ...]) -> Chem.Mol:
    """A SMARTS pattern for atoms that are neither hydrogen nor one of `elements`."""
    table = Chem.GetPeriodicTable()
    return Chem.MolFromSmarts("[!#1" + "".join(f";!#{table.GetAtomicNumber(symbol)}" for symbol in elements) + "]")
