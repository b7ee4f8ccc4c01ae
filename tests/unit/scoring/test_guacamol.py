import math

import numpy as np
import pytest

from molvae.scoring.guacamol import GuacamolSample, describe_sample, fcd_score, kl_score, reference_subset

from .conftest import read_smiles


@pytest.fixture(scope="module")
def sample():
    return describe_sample(read_smiles("zinc250k.smi")[:80])


def test_a_sample_beside_itself_scores_one(sample):
    score, terms = kl_score(sample, sample)
    assert score == pytest.approx(1)
    assert len(terms) == 10


def test_stereoisomers_count_once():
    assert len(describe_sample(["C[C@H](O)F", "C[C@@H](O)F", "CC(O)F"]).descriptors) == 1


def test_one_molecule_only_has_no_score(sample):
    assert math.isnan(kl_score(sample, describe_sample(["CCO"]))[0])
    assert math.isnan(kl_score(sample, describe_sample([]))[0])


def test_counts_outside_the_range_of_the_baseline_score_zero(sample):
    far = GuacamolSample(sample.descriptors + 1000, sample.nearest)
    assert kl_score(sample, far)[1]["NumAromaticRings"] == 0


def test_the_subset_is_the_one_guacamol_draws():
    np.random.seed(42)
    np.testing.assert_array_equal(reference_subset(50, 10), np.random.choice(50, 10, replace=False))
    assert sorted(reference_subset(5, 10)) == [0, 1, 2, 3, 4]


def test_fcd_score_falls_from_one():
    assert fcd_score(0) == 1
    assert fcd_score(5) == pytest.approx(math.exp(-1))
