"""Molecules and patterns that would take forever, or the whole memory."""

import time

import numpy as np
import pytest
from rdkit import Chem

from molvae.chem.descriptors import descriptors
from molvae.chem.matching import MAX_PATTERN, has_match, parse_smarts
from molvae.chem.parse import MAX_ATOMS, is_too_large, parse_smiles
from molvae.chem.standardize import Standardizer
from molvae.errors import PatternTimeoutError
from molvae.optimize.constraints import Constraints
from molvae.optimize.objective import Objective
from molvae.optimize.score import Molecule
from molvae.optimize.scores import IsomerScore, SmartsScore
from molvae.scoring.molecules import describe_molecules

ENDLESS = ".".join("*" * 25) + ".[U]"
DRUG = "CC(C)Cc1ccc(cc1)C(C)C(=O)OCCN1CCN(CC1)c1ccccc1"


def test_a_pattern_that_never_ends_is_ended() -> None:
    mol, began = Chem.MolFromSmiles(DRUG), time.monotonic()
    with pytest.raises(PatternTimeoutError, match=r"longer than 0\.05 seconds .* raise seconds_per_pattern"):
        has_match(mol, Chem.MolFromSmarts(ENDLESS), seconds=0.05)
    with pytest.raises(PatternTimeoutError):
        Constraints(keeps=(ENDLESS,), sound=False, seconds_per_pattern=0.05).refusal(mol)
    with pytest.raises(PatternTimeoutError):
        SmartsScore(pattern=ENDLESS, seconds_per_pattern=0.05).values([Molecule(DRUG, mol)])
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("smarts", ["c1ccccc1", "[$(C(=O)O)]", "N.N", "[U]", "C(F)(F)F", "[#6]1~[#7]~[#6]~[#6]~[#7]1"])
def test_a_limit_changes_no_answer(smarts: str) -> None:
    query = parse_smarts(smarts)
    for smiles in (DRUG, "CCO", "FC(F)(F)c1ccncc1"):
        mol = Chem.MolFromSmiles(smiles)
        assert has_match(mol, query) == mol.HasSubstructMatch(query)


def test_the_limit_is_no_part_of_what_identifies_a_run() -> None:
    objective = Objective.of_callable(lambda smiles: [0.0])
    slow, fast = (objective.with_constraints(Constraints(keeps=("C",), seconds_per_pattern=s)) for s in (1.0, 2.0))
    assert slow.description == fast.description
    assert slow.with_constraints(Constraints(sound=False)).constraints.seconds_per_pattern == 1.0


@pytest.mark.parametrize("smarts", ["", "C" * (MAX_PATTERN + 1), "[", "C(" * 500])
def test_what_is_no_pattern_is_none(smarts: str) -> None:
    assert parse_smarts(smarts) is None


@pytest.mark.parametrize(
    "smiles",
    ["C" * (MAX_ATOMS + 1), "C" * 1_000_000, "C(" * 5000 + "C" + ")" * 5000, ".".join(["CO"] * 1500)],
    ids=["chain", "text", "nested", "salt"],
)
def test_a_molecule_too_large_for_rdkit_is_refused_at_once(smiles: str) -> None:
    began = time.monotonic()
    assert parse_smiles(smiles) is None
    assert is_too_large(smiles)
    assert Standardizer().apply(smiles).reason == "too_large"
    assert Standardizer().apply_mol(Chem.MolFromSmiles("C" * 2001)).reason == "too_large"
    assert time.monotonic() - began < 10
    assert Standardizer().apply("C1CC").reason == "unparsable"


def test_the_largest_of_many_fragments_is_found_in_time() -> None:
    began = time.monotonic()
    assert Standardizer().apply(".".join(["CO", "N", "[Na+].[Cl-]"] * 390 + ["CCOC"])).smiles == "CCOC"
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("extra", ["O", "CC", "c1ccccc1", "[Na+]"])
def test_many_fragments_and_few_are_chosen_alike(extra: str) -> None:
    few = f"CCO.CCN.CCC.OC=O.{extra}"
    many = ".".join([few] * 6)
    assert Standardizer().apply(few).smiles == Standardizer().apply(many).smiles


@pytest.mark.parametrize("formula", ["Xx2", "C" + "9" * 50, "C1H1" * 40, "", "c6"])
def test_a_formula_of_no_molecule_is_refused(formula: str) -> None:
    with pytest.raises(ValueError, match=r"formula|no element"):
        IsomerScore(formula=formula)


def test_a_descriptor_that_overflows_is_nan() -> None:
    values = descriptors(Chem.MolFromSmiles(".".join(["CO"] * 900)), ("qed", "mw"))
    assert np.isnan(values[0])
    assert values[1] > 0


@pytest.mark.parametrize("smiles", [".".join(["CO"] * 900), "C" * 500, "C1CC1" * 50], ids=lambda s: s[:5])
def test_generated_molecules_of_any_size_are_described(smiles: str) -> None:
    assert describe_molecules([smiles, "CCO"], n_jobs=1).n_input == 2
