"""Substructure matching with a limit on its time.

RDKit's search tries everything before it says no: `*.*.*.*.*.*.[U]` takes longer than anyone waits.
"""

import time
from typing import Any

from rdkit import Chem

from molvae.chem.parse import silence_rdkit
from molvae.errors import PatternTimeoutError

SECONDS = 10.0
"""The default limit for one pattern and one molecule."""
MAX_PATTERN = 2_000
"""Characters of a SMARTS."""


def parse_smarts(smarts: str) -> Any:
    """The query of a SMARTS; `None` if RDKit rejects it, it has no atoms or is longer than `MAX_PATTERN`."""
    if len(smarts) > MAX_PATTERN:
        return None
    with silence_rdkit():
        query = Chem.MolFromSmarts(smarts)
    return query if query is not None and query.GetNumAtoms() else None


def has_match(mol: Chem.Mol, query: Chem.Mol, *, seconds: float = SECONDS) -> bool:
    """Whether a molecule contains a substructure.

    Raises:
        PatternTimeoutError: when the search takes longer than `seconds`.

    >>> has_match(Chem.MolFromSmiles("CCO"), Chem.MolFromSmarts("CO"))
    True
    """
    end = time.monotonic() + seconds

    def in_time(_query_atom: Any, _atom: Any) -> bool:
        if time.monotonic() > end:
            raise PatternTimeoutError(
                f"the pattern {Chem.MolToSmarts(query)} was searched for longer than {seconds:g} seconds in "
                f"{Chem.MolToSmiles(mol)}; write it simpler, or raise seconds_per_pattern"
            )
        return True

    how = Chem.SubstructMatchParameters()
    how.setExtraAtomCheckFunc(in_time)
    return mol.HasSubstructMatch(query, how)
