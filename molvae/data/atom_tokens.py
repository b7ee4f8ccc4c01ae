"""Atom tokens: which token of a molecule writes each of its atoms. Only the syntax of SMILES and SELFIES is needed."""

import re
from collections.abc import Sequence

import numpy as np

from molvae.data.vocabulary import SPECIALS, Vocabulary

_COUNTED = re.compile(r"\[.*(?:Branch|Ring)([123])\]")  # SELFIES: the next 1 to 3 symbols encode a number, not atoms
_MOST_PENDING = 3


class AtomTokenMap:
    """Finds the atom tokens of molecules: the token that writes each atom, with the atoms in the order of the tokens.

    Args:
        vocabulary: the vocabulary of the tokens.

    >>> atom_tokens = AtomTokenMap(Vocabulary.of_symbols(["[C]", "[O]", "[=Branch1]"], notation="selfies"))
    >>> atom_tokens.find(np.array([5, 5, 4, 5, 6, 6]), np.array([6]), np.array([4])).tolist()
    [0, 1, 4, 5]
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        read = _read_selfies if vocabulary.notation == "selfies" else _read_smiles
        table = [[read(token, pending) for pending in range(_MOST_PENDING + 1)] for token in vocabulary.tokens]
        empty = [[(0, pending) for pending in range(_MOST_PENDING + 1)]] * len(SPECIALS)
        self.table = np.array(empty + table, dtype=np.int64)  # (V, pending before, [atoms, pending after])

    def find(self, token_ids: np.ndarray, lengths: np.ndarray, n_atoms: np.ndarray) -> np.ndarray:
        """The position of every atom's token, counted from 0 in each molecule: `(ΣN,)`.

        Args:
            token_ids: `(ΣT,)`, molecules end to end, without bos and eos.
            lengths: `(B,)`, number of tokens per molecule.
            n_atoms: `(B,)`, number of atoms per molecule. Where the tokens write another number of atoms (for example
                explicit hydrogens), the atoms are spread evenly over the tokens.
        """
        rows = np.repeat(np.arange(len(lengths)), lengths)
        places = np.arange(len(token_ids)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        padded = np.zeros((len(lengths), int(lengths.max(initial=0))), dtype=np.int64)
        padded[rows, places] = token_ids
        counts, pending = np.zeros_like(padded), np.zeros(len(lengths), dtype=np.int64)
        for t in range(padded.shape[1]):
            counts[:, t], pending = self.table[padded[:, t], pending].T
        fits = counts.sum(1) == n_atoms
        if fits.all():
            return np.repeat(np.broadcast_to(np.arange(padded.shape[1]), padded.shape).ravel(), counts.ravel())
        return np.concatenate(
            [
                np.repeat(np.arange(len(row)), row) if fit else np.arange(atoms) * length // max(atoms, 1)
                for row, fit, atoms, length in zip(counts, fits, n_atoms, lengths, strict=True)
            ]
        )


def _read_selfies(symbols: Sequence[str], pending: int) -> tuple[int, int]:
    atoms = 0
    for symbol in symbols:
        counted = _COUNTED.fullmatch(symbol)
        if pending:
            pending -= 1
        elif counted:
            pending = int(counted[1])
        else:
            atoms += 1
    return atoms, pending


def _read_smiles(symbols: Sequence[str], pending: int) -> tuple[int, int]:
    return sum(symbol[0] == "[" or symbol[0].isalpha() for symbol in symbols), pending
