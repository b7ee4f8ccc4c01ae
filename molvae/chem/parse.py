"""Text to RDKit molecule and back, quietly."""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager

from rdkit import Chem, rdBase

from molvae.errors import InputError

_EXTENSION = re.compile(r"\s+\|.*", re.DOTALL)


@contextmanager
def silence_rdkit() -> Iterator[None]:
    """Mute RDKit's messages inside the block only; nothing global is left changed."""
    with rdBase.BlockLogs():
        yield


def parse_smiles(smiles: str) -> Chem.Mol | None:
    """Parse and sanitize a SMILES; `None` for anything RDKit refuses, or for no atoms at all.

    A CXSMILES extension (`|…|`) is an annotation and is not read.
    """
    if "|" in smiles:
        smiles = _EXTENSION.sub("", smiles)
    with silence_rdkit():
        mol = Chem.MolFromSmiles(smiles)
    return mol if mol is not None and mol.GetNumAtoms() else None


def canonical_smiles(smiles: str) -> str | None:
    """RDKit's canonical isomeric SMILES of `smiles`, or `None` when it does not parse."""
    mol = parse_smiles(smiles)
    return None if mol is None else Chem.MolToSmiles(mol)


def random_orders(smiles: str, n: int) -> list[str]:
    """The same molecule as `n` SMILES that start at random atoms and take random branches (Arús-Pous et al. 2019).

    The draw's seed is made from the SMILES, so that a molecule has the same orders in every process and file; small
    molecules repeat some.

    Raises:
        InputError: when `smiles` does not parse.
    """
    mol = parse_smiles(smiles)
    if mol is None:
        raise InputError(f"could not parse {smiles!r} as a molecule")
    seed = int.from_bytes(hashlib.blake2b(smiles.encode(), digest_size=4).digest(), "big") >> 1  # RDKit's is a C int
    return list(Chem.MolToRandomSmilesVect(mol, n, randomSeed=seed))
