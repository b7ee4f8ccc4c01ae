"""What counts as molecules, and what does not."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from rdkit import Chem

from molvae.chem.inputs import as_molecule, as_molecules
from molvae.errors import InputError

ROWS = ["CCO", None, "CC"]


@pytest.mark.parametrize(
    "given",
    [
        ROWS,
        tuple(ROWS),
        (row for row in ROWS),
        np.array(ROWS, dtype=object),
        np.array([[r] for r in ROWS], dtype=object),
        pd.Series(["CCO", np.nan, "CC"]),
        pd.Series(["CCO", pd.NA, "CC"], dtype="string"),
        pd.DataFrame({"smiles": ROWS}),
        pa.array(ROWS),
        pa.chunked_array([ROWS[:1], ROWS[1:]]),
        ["CCO", float("nan"), Chem.MolFromSmiles("CC")],
        ["CCO", pd.NA, np.str_("CC")],
    ],
    ids=lambda given: type(given).__name__,
)
def test_whatever_holds_molecules_is_taken(given: object) -> None:
    assert as_molecules(given) == ROWS


def test_no_molecules_are_none() -> None:
    assert as_molecules([]) == []


@pytest.mark.parametrize(
    ("odd", "message"),
    [
        ("CCO", "got a single str; expected a list"),
        (b"CCO", "got a single bytes; expected a list"),
        (Chem.MolFromSmiles("CCO"), "got a single Mol; expected a list"),
        ({"smiles": ["CCO"]}, "got a dict; expected a list"),
        (5, "got a int; expected a list"),
        (["CCO", 5], "row 1: got int 5; expected a SMILES or an RDKit molecule"),
        (np.zeros((2, 3)), r"got an array of shape \(2, 3\)"),
    ],
)
def test_what_is_no_list_of_molecules_is_refused(odd: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        as_molecules(odd)


def test_one_molecule_may_be_a_smiles_or_rdkits() -> None:
    assert as_molecule("CCO") == as_molecule(Chem.MolFromSmiles("OCC")) == "CCO"
    with pytest.raises(InputError, match="expected one SMILES or RDKit molecule"):
        as_molecule(["CCO"])
