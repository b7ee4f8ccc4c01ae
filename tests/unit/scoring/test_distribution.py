import numpy as np
import pytest
from rdkit import Chem, DataStructs
from rdkit.Chem import rdFingerprintGenerator

from molvae.scoring.distribution import (
    cosine_similarity,
    fraction_novel,
    fraction_unique,
    internal_diversity,
    nearest_similarities,
    wasserstein,
)
from molvae.scoring.molecules import packed_morgan

from .conftest import read_smiles


@pytest.fixture(scope="module")
def mols():
    return [Chem.MolFromSmiles(s) for s in read_smiles("zinc250k.smi")[:120]]


@pytest.fixture(scope="module")
def similarities(mols):
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=1024)
    bits = [generator.GetFingerprint(mol) for mol in mols]
    return np.array([DataStructs.BulkTanimotoSimilarity(b, bits) for b in bits])


@pytest.fixture(scope="module")
def packed(mols):
    return np.stack([packed_morgan(mol) for mol in mols])


def test_nearest_similarities_are_rdkits(packed, similarities):
    ours = nearest_similarities(packed[:40], packed[40:])
    np.testing.assert_allclose(ours, similarities[:40, 40:].max(axis=1), rtol=1e-6)


def test_without_references_the_molecule_itself_is_no_neighbor(packed, similarities):
    expected = (similarities - np.eye(len(packed))).max(axis=1)
    np.testing.assert_allclose(nearest_similarities(packed), expected, rtol=1e-6)


def test_a_twin_is_a_neighbor_of_similarity_one(packed):
    assert nearest_similarities(packed[[3, 7, 3]])[[0, 2]].tolist() == [1, 1]


def test_internal_diversity_is_the_mean_over_all_pairs(packed, similarities):
    first, second = internal_diversity(packed)
    assert first == pytest.approx(1 - similarities.mean(), abs=1e-6)
    assert second == pytest.approx(1 - np.sqrt((similarities**2).mean(axis=1)).mean(), abs=1e-6)


def test_blocks_and_processes_change_nothing(packed, similarities, monkeypatch):
    monkeypatch.setattr("molvae.scoring.distribution.COLUMNS", 17)
    monkeypatch.setattr("molvae.scoring.distribution.ROWS", 13)
    np.testing.assert_allclose(
        nearest_similarities(packed[:40], packed[40:]), similarities[:40, 40:].max(axis=1), rtol=1e-6
    )
    assert internal_diversity(packed)[0] == pytest.approx(1 - similarities.mean(), abs=1e-6)


def test_molecules_without_bits_have_no_similarity():
    empty = np.zeros((2, 128), dtype=np.uint8)
    assert nearest_similarities(empty).tolist() == [0, 0]
    assert internal_diversity(empty) == (1, 1)


def test_uniqueness_counts_the_first_k_only():
    assert fraction_unique(["C", "C", "O", "N"], 2) == 0.5
    assert fraction_unique(["C", "C", "O", "N"], 10) == 0.75


def test_novelty_counts_a_molecule_once():
    assert fraction_novel(["C", "C", "C", "O"], {"O"}) == 0.5


def test_cosine_similarity_of_counts_by_hand():
    assert cosine_similarity({"a": 3, "b": 4}, {"a": 3, "c": 4}) == pytest.approx(9 / 25)


def test_wasserstein_of_a_shift_is_the_shift():
    values = np.array([0.0, 1.0, 5.0])
    assert wasserstein(values, values + 2) == pytest.approx(2)


def test_nothing_generated_is_nan():
    nothing = np.empty((0, 128), dtype=np.uint8)
    values = [fraction_unique([], 10), fraction_novel([], {"C"}), cosine_similarity({}, {"C": 1})]
    values += [wasserstein(np.empty(0), np.ones(2)), *internal_diversity(nothing)]
    assert np.isnan(values).all()
    assert len(nearest_similarities(nothing, nothing)) == 0
