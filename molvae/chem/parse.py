"""From SMILES to RDKit molecules and back, without RDKit's log messages."""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager

from rdkit import Chem, rdBase

from molvae.errors import InputError

_EXTENSION = re.compile(r"\s+\|[^|]*\|.*", re.DOTALL)
_AFTER_SMILES = re.compile(r"(?<=\S)\s+\S|\0")
MAX_CHARACTERS = 20_000
"""Of a SMILES that is parsed."""
MAX_ATOMS = 2_000
"""Heavy atoms of a molecule; RDKit's time grows with their square, and a chain of 20,000 overflows its stack."""


@contextmanager
def silence_rdkit() -> Iterator[None]:
    """Mute RDKit's log messages inside the block; global settings stay unchanged."""
    with rdBase.BlockLogs():
        yield


def parse_smiles(smiles: str) -> Chem.Mol | None:
    """Parse and sanitize a SMILES; `None` if RDKit rejects it, text follows it, it has no atoms or is too large.

    What is too large says `is_too_large`.

    A CXSMILES extension (`|…|`) and atom maps are annotations and are ignored.

    >>> Chem.MolToSmiles(parse_smiles("[CH3:1][OH:2] |$a;b$|"))
    'CO'
    >>> parse_smiles("CC C") is None  # RDKit would take the second word for a name
    True
    """
    if len(smiles) > MAX_CHARACTERS:
        return None
    if "|" in smiles:
        smiles = _EXTENSION.sub("", smiles)
    if _AFTER_SMILES.search(smiles):
        return None
    with silence_rdkit():
        mol = Chem.MolFromSmiles(smiles)
    if mol is None or not 0 < mol.GetNumAtoms() <= MAX_ATOMS:
        return None
    return without_maps(mol) if ":" in smiles else mol


def without_maps(mol: Chem.Mol) -> Chem.Mol:
    """The molecule without atom maps, which are annotations.

    >>> Chem.MolToSmiles(without_maps(Chem.MolFromSmiles("[CH3:1][CH2:2][OH:3]")))
    'CCO'
    """
    if not any(atom.GetAtomMapNum() for atom in mol.GetAtoms()):
        return mol
    mol = Chem.Mol(mol)
    for atom in mol.GetAtoms():
        atom.SetAtomMapNum(0)
    Chem.AssignStereochemistry(mol, cleanIt=True, force=True)  # two neighbors may have differed only by their maps
    return mol


def inchi_to_smiles(inchi: str) -> str | None:
    """The canonical SMILES of an InChI, or `None` when RDKit cannot read it.

    >>> inchi_to_smiles("InChI=1S/C2H6O/c1-2-3/h3H,2H2,1H3")
    'CCO'
    """
    with silence_rdkit():
        mol = Chem.MolFromInchi(inchi.strip())
    return Chem.MolToSmiles(mol) if mol is not None and mol.GetNumAtoms() else None


def is_too_large(smiles: str) -> bool:
    """Whether a SMILES has more than `MAX_CHARACTERS` or `MAX_ATOMS`, so that `parse_smiles` does not take it.

    >>> is_too_large("C" * 2001), is_too_large("C" * 2000)
    (True, False)
    """
    if len(smiles) > MAX_CHARACTERS:
        return True
    if len(smiles) <= MAX_ATOMS:
        return False
    with silence_rdkit():
        mol = Chem.MolFromSmiles(_EXTENSION.sub("", smiles), sanitize=False)
    return mol is not None and mol.GetNumAtoms() > MAX_ATOMS


def canonical_smiles(smiles: str) -> str | None:
    """RDKit's canonical isomeric SMILES of `smiles`, or `None` when it does not parse."""
    mol = parse_smiles(smiles)
    return None if mol is None else Chem.MolToSmiles(mol)


def random_orders(smiles: str, n: int) -> list[str]:
    """`n` randomized SMILES of a molecule, with random first atoms and random branches (Arús-Pous et al. 2019).

    The random seed is a hash of the SMILES, so that a molecule gets the same randomized SMILES in every process and
    file. For small molecules some of them are equal.

    Raises:
        InputError: when `smiles` does not parse.
    """
    mol = parse_smiles(smiles)
    if mol is None:
        raise InputError(f"could not parse {smiles!r} as a molecule")
    seed = int.from_bytes(hashlib.blake2b(smiles.encode(), digest_size=4).digest(), "big") >> 1  # RDKit takes a C int
    return list(Chem.MolToRandomSmilesVect(mol, n, randomSeed=seed))
