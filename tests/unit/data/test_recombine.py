import numpy as np
import pytest
from rdkit import Chem

from molvae.chem.parse import canonical_smiles
from molvae.chem.recombine import random_join, random_part
from molvae.data.recombine import recombined
from molvae.errors import ConfigError


def test_a_part_is_one_side_of_a_bond():
    rng = np.random.default_rng(0)
    mol = Chem.MolFromSmiles("c1ccccc1CCC(=O)NC")
    known = {"Cc1ccccc1", "CNC=O", "CNC(C)=O", "CCc1ccccc1", "c1ccccc1", "CCC(=O)NC", "CN", "O=CCCc1ccccc1"}
    assert {Chem.MolToSmiles(random_part(mol, rng)) for _ in range(100)} == known
    assert random_part(Chem.MolFromSmiles("c1ccccc1C"), rng) is None


def test_a_join_has_the_atoms_of_both_and_no_bond_between_heteroatoms():
    rng = np.random.default_rng(0)
    a, b = Chem.MolFromSmiles("c1cc[nH]c1"), Chem.MolFromSmiles("CN")
    made = {Chem.MolToSmiles(random_join(a, b, rng)) for _ in range(60)}
    assert made == {"CNc1cc[nH]c1", "CNc1ccc[nH]1", "NCc1cc[nH]c1", "NCc1ccc[nH]1", "NCn1cccc1"}
    assert random_join(Chem.MolFromSmiles("O"), Chem.MolFromSmiles("N"), rng) is None
    assert random_join(a, Chem.MolFromSmiles("FC(F)(F)F"), rng) is None


def test_new_molecules_are_canonical_and_the_same_with_any_number_of_processes(molecules):
    smiles = [*molecules, "not a molecule"]
    alone = recombined(smiles, parts=1.0, pairs=1.0, n_jobs=1)
    assert alone == recombined(smiles, parts=1.0, pairs=1.0, n_jobs=2)
    assert alone != recombined(smiles, parts=1.0, pairs=1.0, n_jobs=1, seed=1)
    assert len(set(alone)) == len(alone) > len(molecules) / 2
    assert not set(alone) & set(molecules)
    assert all(canonical_smiles(text) == text and "." not in text for text in alone)


def test_shares_outside_0_to_1_are_refused():
    with pytest.raises(ConfigError, match="got 2 parts and 0 pairs"):
        recombined(["CC"], parts=2, pairs=0)
