"""Unsound molecules: groups that no chemist would draw, which optimization and latent paths leave out."""

from functools import lru_cache

from rdkit import Chem

from molvae.chem.standardize import CHARGED, uncharged

UNSOUND = {
    "peroxide": "[OX2,OX1]-[OX2,OX1]",
    "halogen on N, O or S": "[$([#7,#8]),$([#16;X2,X3])]-[F,Cl,Br,I]",
    "sulfur cation": "[#16+;!$([#16X3+]([#6])([#6])[#6]);!$([#16+]-[O-])]",
    "halogen with several bonds": "[F,Cl,Br,I;!D0;!D1]",
    "three N in a row": "[NX3;!$(N~[!#6;!#7;!#1])]-[NX3]-[NX3]",
    "three S in a row": "[SX2]-[SX2]-[SX2]",
    "two O on one N": "[OX2]-[NX3]-[OX2]",
    "strained triple bond or allene": "[$([#6;r3,r4,r5,r6,r7]#[#6;R]),$([#6;r3,r4,r5,r6,r7;X2](=[*;R])=[*;R])]",
}
"""Name → SMARTS. Sulfonyl halides, SF5, sulfoxides drawn with charges and trialkylsulfonium do not match."""


def unsoundness(mol: Chem.Mol) -> str | None:
    """The reason why a molecule is unsound; `None` if it is sound.

    Unsound are unpaired electrons ("radical"), a charge that adding or removing protons could neutralize ("charge")
    and the groups of `UNSOUND`. Nitro groups, N-oxides and quaternary ammonium are sound.

    >>> [unsoundness(Chem.MolFromSmiles(s)) for s in ("C[N+](=O)[O-]", "[O-]c1ccccc1", "CC(=O)OO", "C[CH2]")]
    [None, 'charge', 'peroxide', 'radical']
    """
    if any(atom.GetNumRadicalElectrons() for atom in mol.GetAtoms()):
        return "radical"
    if mol.HasSubstructMatch(CHARGED) and Chem.MolToSmiles(uncharged(mol)) != Chem.MolToSmiles(mol):
        return "charge"
    return next((name for name, pattern in _patterns() if mol.HasSubstructMatch(pattern)), None)


def is_sound(mol: Chem.Mol) -> bool:
    """Whether `unsoundness` finds no reason.

    >>> [is_sound(Chem.MolFromSmiles(s)) for s in ("C[N+](C)(C)C", "C[N+]C")]
    [True, False]
    """
    return unsoundness(mol) is None


@lru_cache(maxsize=1)
def _patterns() -> tuple[tuple[str, Chem.Mol], ...]:
    return tuple((name, Chem.MolFromSmarts(smarts)) for name, smarts in UNSOUND.items())
