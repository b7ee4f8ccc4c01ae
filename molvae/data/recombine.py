"""Smaller and larger molecules than a file has, made of its own, for an encoder that is to read such too."""

from collections.abc import Sequence

import numpy as np
from joblib import Parallel, delayed
from rdkit import Chem

from molvae.chem.parse import parse_smiles, silence_rdkit
from molvae.chem.recombine import random_join, random_part
from molvae.data.chunks import batched
from molvae.errors import ConfigError
from molvae.progress import SILENT, Progress

CHUNK = 1000
AGAIN = 0.4  # of the parts are cut once more
WITH_PART = 0.7  # of the pairs are a molecule and a part of another


def recombined(
    smiles: Sequence[str],
    *,
    parts: float,
    pairs: float,
    seed: int = 0,
    n_jobs: int = -1,
    progress: Progress = SILENT,
) -> list[str]:
    """Canonical SMILES of random parts of molecules, and of pairs of molecules or their parts joined by a bond.

    Each once, and none that is among `smiles`. The same molecules give the same ones with any number of processes.

    Args:
        smiles: what they are made of; what does not parse is passed over.
        parts: tries a molecule, at most 1.
        pairs: tries a molecule, at most 1.
        seed: of the random places.
        n_jobs: processes; -1 is one a core.
        progress: reports molecules.

    Raises:
        ConfigError: for shares outside 0 to 1.
    """
    if not (0 <= parts <= 1 and 0 <= pairs <= 1):
        raise ConfigError(f"got {parts:g} parts and {pairs:g} pairs a molecule; expected 0 to 1 of each")
    chunks = enumerate(batched(smiles, CHUNK))
    calls = (delayed(_of_chunk)(chunk, parts, pairs, (seed, number)) for number, chunk in chunks)
    known: set[str] = set()
    made: dict[str, None] = {}
    with progress.stage("Recombining", total=len(smiles), unit="molecules") as stage:
        for given, new in Parallel(n_jobs=n_jobs, return_as="generator", pre_dispatch="4*n_jobs")(calls):
            known.update(given)
            made |= dict.fromkeys(new)
            stage.advance(len(given))
    return [text for text in made if text not in known]


def _of_chunk(smiles: list[str], parts: float, pairs: float, seed: tuple[int, int]) -> tuple[list[str], list[str]]:
    """Canonical SMILES of the molecules, and of what is made of them."""
    rng = np.random.default_rng(seed)
    mols = [mol for mol in map(parse_smiles, smiles) if mol is not None]
    made: list[Chem.Mol | None] = []
    with silence_rdkit():
        for mol in mols:
            if rng.random() < parts:
                part = _sane(random_part(mol, rng))
                if part is not None and rng.random() < AGAIN:
                    part = _sane(random_part(part, rng))
                made.append(part)
            if rng.random() < pairs:
                other = mols[int(rng.integers(len(mols)))]
                partner = _sane(random_part(other, rng)) if rng.random() < WITH_PART else other
                made.append(None if partner is None else _sane(random_join(mol, partner, rng)))
        return list(map(Chem.MolToSmiles, mols)), [Chem.MolToSmiles(mol) for mol in made if mol is not None]


def _sane(mol: Chem.Mol | None) -> Chem.Mol | None:
    """As its SMILES is read again, `None` where it is not."""
    return None if mol is None else parse_smiles(Chem.MolToSmiles(mol))
