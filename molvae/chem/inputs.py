"""The forms of molecules that molvae's Python functions accept, converted to a list of SMILES."""

from collections.abc import Iterable
from typing import Any, TypeGuard

import numpy as np
from rdkit import Chem

from molvae.chem.parse import silence_rdkit
from molvae.errors import InputError


def as_molecules(molecules: Any) -> list[str | None]:
    """Convert molecules to a list of SMILES; missing ones (`None`, nan, `pd.NA`) become `None`.

    RDKit molecules are written as SMILES and later parsed like any other, so explicit hydrogens and the state of their
    sanitization do not matter.

    Args:
        molecules: a list, tuple or generator; a numpy array, pandas Series or pyarrow column; or a one-column table.

    Raises:
        InputError: for a single molecule, more than one column, or entries that are neither SMILES nor molecules.

    >>> as_molecules(["CCO", None, Chem.MolFromSmiles("OCC")])
    ['CCO', None, 'CCO']
    """
    if isinstance(molecules, str | bytes | Chem.Mol):
        raise InputError(f"got a single {type(molecules).__name__}; expected a list of SMILES or RDKit molecules")
    if isinstance(molecules, dict | set | frozenset) or not isinstance(molecules, Iterable):
        raise InputError(f"got a {type(molecules).__name__}; expected a list of SMILES or RDKit molecules")
    if _of_pandas(molecules):
        molecules = molecules.to_numpy(dtype=object)
    elif hasattr(molecules, "to_pylist"):  # a pyarrow column
        molecules = molecules.to_pylist()
    if isinstance(molecules, np.ndarray):
        if molecules.ndim == 2 and molecules.shape[1] == 1:
            molecules = molecules[:, 0]
        if molecules.ndim != 1:
            raise InputError(f"got an array of shape {molecules.shape}; expected one column of molecules")
    return [_as_smiles(row, entry) for row, entry in enumerate(molecules)]


def as_molecule(molecule: Any) -> str:
    """The SMILES of one molecule, given as a SMILES or an RDKit molecule; raises `InputError` for anything else."""
    smiles = None if isinstance(molecule, list | tuple | np.ndarray) else _as_smiles(0, molecule)
    if smiles is None:
        raise InputError(f"got {molecule!r}; expected one SMILES or RDKit molecule")
    return smiles


def _as_smiles(row: int, entry: Any) -> str | None:
    if isinstance(entry, str):
        return entry
    if isinstance(entry, Chem.Mol):
        with silence_rdkit():
            return Chem.MolToSmiles(entry)
    if isinstance(entry, list | tuple | np.ndarray) and len(entry) == 1:  # a row of a table with one column
        return _as_smiles(row, entry[0])
    if entry is None or (np.isscalar(entry) and entry != entry) or _is_missing(entry):
        return None
    shown = " ".join(repr(entry).split())[:60]  # a table's would have several lines
    raise InputError(f"row {row}: got {type(entry).__name__} {shown}; expected a SMILES or an RDKit molecule")


def _of_pandas(molecules: Any) -> TypeGuard[Any]:
    if not hasattr(molecules, "to_numpy"):
        return False
    import pandas as pd  # slow to import, and needed for its own types only

    return isinstance(molecules, pd.Series | pd.Index | pd.DataFrame)


def _is_missing(entry: Any) -> bool:
    import pandas as pd

    return entry is pd.NA or entry is pd.NaT
