"""Text to RDKit molecule and back, quietly."""

from collections.abc import Iterator
from contextlib import contextmanager

from rdkit import Chem, rdBase


@contextmanager
def silence_rdkit() -> Iterator[None]:
    """Mute RDKit's messages inside the block only; nothing global is left changed."""
    with rdBase.BlockLogs():
        yield


def parse_smiles(smiles: str) -> Chem.Mol | None:
    """Parse and sanitise a SMILES; `None` for anything RDKit refuses, or for no atoms at all."""
    with silence_rdkit():
        mol = Chem.MolFromSmiles(smiles)
    return mol if mol is not None and mol.GetNumAtoms() else None


def canonical_smiles(smiles: str) -> str | None:
    """RDKit's canonical isomeric SMILES of `smiles`, or `None` when it does not parse."""
    mol = parse_smiles(smiles)
    return None if mol is None else Chem.MolToSmiles(mol)
