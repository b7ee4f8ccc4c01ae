"""The graphs of many molecules in flat arrays, and batches of them. This module does not need rdkit."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from molvae.data.atom_tokens import AtomTokenMap
from molvae.documents import DocumentError, read_array
from molvae.errors import PreparedDataError

if TYPE_CHECKING:
    from molvae.chem.graphs import MolGraph

ATOM_CLASSES = (13, 7, 6, 6, 4, 2, 7, 4)  # number of classes per column; see `molvae.chem.graphs`
BOND_CLASSES = (5, 2, 2, 3)
ARRAYS: dict[str, tuple[type[np.generic], int]] = {
    "atoms": (np.uint8, len(ATOM_CLASSES)),
    "bonds": (np.uint16, 2),
    "bond_codes": (np.uint8, len(BOND_CLASSES)),
}
FOLDER = "graphs"


@dataclass(frozen=True)
class GraphBatch:
    """A batch of molecular graphs in the format of torch-geometric.

    Attributes:
        atoms: `(N, 8)` int64 codes.
        edge_index: `(2, E)` int64, source and target atoms; every bond appears in both directions.
        bond_codes: `(E, 4)` int64 codes.
        graph_index: `(N,)` int64, ascending, the molecule that each atom belongs to.
        n_graphs: number of molecules.
        atom_tokens: `(N,)` int64, the position of the token that writes each atom in the canonical SMILES or SELFIES,
            counted from 0; `None` if unknown.
    """

    atoms: Tensor
    edge_index: Tensor
    bond_codes: Tensor
    graph_index: Tensor
    n_graphs: int
    atom_tokens: Tensor | None = None

    def to(self, device: torch.device | str) -> "GraphBatch":
        """The same batch on a device."""
        return self.each(lambda t: t.to(device, non_blocking=True))

    def each(self, change: Callable[[Tensor], Tensor]) -> "GraphBatch":
        """The same batch with `change` applied to every tensor."""
        return GraphBatch(
            atoms=change(self.atoms),
            edge_index=change(self.edge_index),
            bond_codes=change(self.bond_codes),
            graph_index=change(self.graph_index),
            n_graphs=self.n_graphs,
            atom_tokens=None if self.atom_tokens is None else change(self.atom_tokens),
        )

    def with_atom_tokens(self, finder: AtomTokenMap, token_ids: np.ndarray, lengths: np.ndarray) -> "GraphBatch":
        """The same batch with its atom tokens, from token ids `(ΣT,)` and lengths `(B,)`; see `AtomTokenMap.find`."""
        n_atoms = np.bincount(self.graph_index.numpy(), minlength=self.n_graphs)
        return replace(self, atom_tokens=torch.from_numpy(finder.find(token_ids, lengths, n_atoms)))


@dataclass(frozen=True)
class GraphStore:
    """The graphs of n molecules in flat arrays, memory-mapped when they are opened from a prepared folder.

    Attributes:
        atoms: `(ΣN, 8)` uint8 codes.
        bonds: `(ΣE, 2)` uint16, atom indices within each molecule.
        bond_codes: `(ΣE, 4)` uint8 codes.
        atom_offsets: `(n + 1,)` int64; molecule i has the atoms `atom_offsets[i]` to `atom_offsets[i + 1]`.
        bond_offsets: `(n + 1,)` int64, likewise for the bonds.
    """

    atoms: np.ndarray
    bonds: np.ndarray
    bond_codes: np.ndarray
    atom_offsets: np.ndarray
    bond_offsets: np.ndarray

    @classmethod
    def of_graphs(cls, graphs: "Sequence[MolGraph]") -> "GraphStore":
        """Concatenate the graphs of single molecules."""
        return cls(
            np.concatenate([g.atoms for g in graphs]),
            np.concatenate([g.bonds for g in graphs]),
            np.concatenate([g.bond_codes for g in graphs]),
            offsets_of([len(g.atoms) for g in graphs]),
            offsets_of([len(g.bonds) for g in graphs]),
        )

    @classmethod
    def open(cls, folder: Path, n_molecules: int) -> "GraphStore":
        """Open `folder/graphs`; raises `PreparedDataError` if it is incomplete or has another number of molecules."""
        names = (*ARRAYS, "atom_offsets", "bond_offsets")
        try:
            store = cls(**{name: read_array(folder / FOLDER / f"{name}.npy") for name in names})
        except (OSError, DocumentError) as error:
            raise PreparedDataError(f"{folder / FOLDER} is incomplete or damaged: {error}") from error
        if not store._fits():
            raise PreparedDataError(f"{folder / FOLDER} is damaged: its arrays do not fit together")
        if len(store) != n_molecules:
            raise PreparedDataError(f"{folder / FOLDER} holds {len(store)} graphs; expected {n_molecules}")
        return store

    def _fits(self) -> bool:
        flat = ((getattr(self, name), dtype, columns) for name, (dtype, columns) in ARRAYS.items())
        return (
            all(array.dtype == dtype and array.shape[1:] == (columns,) for array, dtype, columns in flat)
            and cuts(self.atom_offsets, self.atoms)
            and cuts(self.bond_offsets, self.bonds)
            and cuts(self.bond_offsets, self.bond_codes)
            and len(self.atom_offsets) == len(self.bond_offsets)
        )

    def __len__(self) -> int:
        return len(self.atom_offsets) - 1

    def batch(self, indices: np.ndarray) -> GraphBatch:
        """Gather the graphs of molecules `(B,)` into one batch."""
        atom_rows, n_atoms = stretches(self.atom_offsets, indices)
        bond_rows, n_bonds = stretches(self.bond_offsets, indices)
        first_atom = np.cumsum(n_atoms) - n_atoms
        # for rows of a few bytes, `take` is many times faster than indexing with an array
        ends = self.bonds.take(bond_rows, axis=0).astype(np.int64) + np.repeat(first_atom, n_bonds)[:, None]
        return GraphBatch(
            atoms=torch.from_numpy(self.atoms.take(atom_rows, axis=0).astype(np.int64)),
            edge_index=torch.from_numpy(np.ascontiguousarray(ends.T)),
            bond_codes=torch.from_numpy(self.bond_codes.take(bond_rows, axis=0).astype(np.int64)),
            graph_index=torch.from_numpy(np.repeat(np.arange(len(indices)), n_atoms)),
            n_graphs=len(indices),
        )


def stretches(offsets: np.ndarray, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows that molecules have in a flat array, and the number of rows per molecule.

    Args:
        offsets: `(n + 1,)`; molecule i has the rows `offsets[i]` to `offsets[i + 1]`.
        indices: `(B,)`, the molecules.
    """
    starts = np.asarray(offsets[indices])
    counts = np.asarray(offsets[indices + 1]) - starts
    within = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(starts, counts) + within, counts


def cuts(offsets: np.ndarray, flat: np.ndarray) -> bool:
    """Whether offsets `(n + 1,)` cut all of a flat array into n stretches."""
    if offsets.ndim != 1 or offsets.dtype.kind != "i" or not len(offsets):
        return False
    return bool(offsets[0] == 0 and offsets[-1] == len(flat) and not (offsets[1:] < offsets[:-1]).any())


def offsets_of(counts: ArrayLike) -> np.ndarray:
    """Where each molecule starts in a flat array, and where the last one ends, from counts `(n,)`: `(n + 1,)` int64."""
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]).astype(np.int64)
