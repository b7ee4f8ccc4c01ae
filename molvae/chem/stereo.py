"""Stereoisomers of molecules whose stereo is not defined everywhere, which docking needs."""

from rdkit import Chem
from rdkit.Chem.EnumerateStereoisomers import EnumerateStereoisomers, StereoEnumerationOptions

from molvae.chem.parse import parse_smiles, silence_rdkit

MOST = 16
"""Stereoisomers per molecule, by default."""


def stereoisomers(smiles: str, *, most: int = MOST) -> list[str]:
    """The stereoisomers of a molecule, canonical: its undefined centers and double bonds in both senses.

    Args:
        smiles: a molecule; what is defined stays.
        most: how many, at most; beyond that a choice of them that is always the same.

    Returns:
        At least one SMILES; the molecule itself when nothing is undefined or it does not parse.

    >>> stereoisomers("CC(O)F")
    ['C[C@@H](O)F', 'C[C@H](O)F']
    """
    mol = parse_smiles(smiles)
    if mol is None:
        return [smiles]
    how = StereoEnumerationOptions(onlyUnassigned=True, unique=True, maxIsomers=most, rand=0)
    with silence_rdkit():
        found = sorted({Chem.MolToSmiles(isomer) for isomer in EnumerateStereoisomers(mol, options=how)})
    return found or [Chem.MolToSmiles(mol)]
