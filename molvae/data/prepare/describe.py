"""The work of each process of `prepare`: from a chunk of SMILES to standardized SMILES, symbols and descriptors."""

from dataclasses import dataclass

import numpy as np
from rdkit import Chem
from rdkit.Chem.Scaffolds import MurckoScaffold

from molvae.chem.descriptors import descriptor_names, descriptors
from molvae.chem.graphs import MolGraph, standard_graph
from molvae.chem.notation import notation
from molvae.chem.standardize import Standardizer
from molvae.data.prepare.config import PrepareConfig
from molvae.data.prepare.splits import hash_fraction
from molvae.errors import InputError
from molvae.supervised import supervised


@dataclass(frozen=True)
class DescribedChunk:
    """The results for a chunk of rows; rejected rows have an empty SMILES and a reason."""

    smiles: list[str]
    symbols: list[str]  # joined by spaces, because one string pickles faster than many
    scaffolds: list[str]
    reasons: list[str | None]
    descriptors: np.ndarray
    graphs: list[MolGraph | None]
    stripped: list[tuple[str, ...]]  # components left out, canonical SMILES


def describe_in_time(smiles: list[str | None], config: PrepareConfig) -> DescribedChunk:
    """`describe_chunk`, in which no molecule may take longer than `config.seconds_per_molecule`."""
    if config.seconds_per_molecule is None:
        return describe_chunk(smiles, config)
    chunk, lost = supervised(describe_chunk, smiles, config, seconds=config.seconds_per_molecule)
    for i, reason in lost.items():
        chunk.reasons[i] = reason
    return chunk


def describe_chunk(smiles: list[str | None], config: PrepareConfig) -> DescribedChunk:
    """Standardize a chunk of SMILES and compute their symbols and descriptors; `None` is a row rejected before."""
    names = descriptor_names(config.descriptors)
    standardizer = Standardizer(**config.standard_form.arguments())
    line = notation(config.notation)
    n = len(smiles)
    values = np.full((n, len(names)), np.nan, np.float32)
    chunk = DescribedChunk([""] * n, [""] * n, [""] * n, [None] * n, values, [None] * n, [()] * n)
    for i, text in enumerate(smiles):
        if text is None:
            continue
        standard = standardizer.apply(text)
        if standard.smiles is None or standard.mol is None:
            chunk.reasons[i] = standard.reason
            continue
        try:
            symbols = line.to_symbols(standard.smiles)
        except InputError:
            chunk.reasons[i] = f"not_{config.notation}"
            continue
        if len(symbols) > config.max_symbols:
            chunk.reasons[i] = "too_many_symbols"
            continue
        if config.graphs:
            chunk.graphs[i] = standard_graph(standard)
        chunk.smiles[i] = standard.smiles
        chunk.stripped[i] = standard.stripped
        chunk.symbols[i] = " ".join(symbols)
        if hash_fraction(f"described {standard.smiles}") < config.descriptor_fraction:
            chunk.descriptors[i] = descriptors(standard.mol, names)
        if config.split == "scaffold":
            chunk.scaffolds[i] = _scaffold(standard.mol)
    return chunk


def _scaffold(mol: Chem.Mol) -> str:
    return MurckoScaffold.MurckoScaffoldSmiles(mol=mol)
