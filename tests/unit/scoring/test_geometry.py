"""Latent geometry against spaces whose answer is known."""

import numpy as np
import pytest
from sklearn.metrics import mutual_info_score

from molvae.chem.parse import parse_smiles
from molvae.scoring.geometry import (
    _classes,
    _equal_width,
    disentanglement_and_completeness,
    distance_correlation,
    linear_probe,
    mutual_information_gap,
    separated_attribute_predictability,
    without,
)


@pytest.fixture
def factors() -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.stack([rng.normal(size=4000), rng.integers(0, 4, 4000)], axis=1)


def test_one_dimension_a_factor_has_a_gap_near_one(factors: np.ndarray) -> None:
    aligned = factors * [2.0, -1.0]
    assert (separated_attribute_predictability(aligned, factors) > 0.99).all()
    gaps = mutual_information_gap(aligned, factors)
    assert gaps[1] > 0.95
    assert gaps[0] > 0.5  # equal width against equal frequency lose some


def test_two_dimensions_that_say_the_same_have_no_gap(factors: np.ndarray) -> None:
    twice = np.concatenate([factors, factors], axis=1)
    np.testing.assert_allclose(mutual_information_gap(twice, factors), 0, atol=1e-12)
    np.testing.assert_allclose(separated_attribute_predictability(twice, factors), 0, atol=1e-12)


def test_mig_is_made_of_scikit_learns_mutual_information(factors: np.ndarray) -> None:
    z = np.random.default_rng(1).normal(size=(4000, 3)) + factors[:, :1]
    bins, classes = _equal_width(z), _classes(factors)
    for k, gap in enumerate(mutual_information_gap(z, factors)):
        information = sorted(mutual_info_score(b, classes[:, k]) for b in bins.T)
        entropy = mutual_info_score(classes[:, k], classes[:, k])
        assert gap == pytest.approx((information[-1] - information[-2]) / entropy)


def test_sap_is_made_of_squared_correlations(factors: np.ndarray) -> None:
    z = np.random.default_rng(1).normal(size=(4000, 3)) + factors[:, :1] * [1, 2, 3]
    for k, gap in enumerate(separated_attribute_predictability(z, factors)):
        r2 = sorted(np.corrcoef(column, factors[:, k])[0, 1] ** 2 for column in z.T)
        assert gap == pytest.approx(r2[-1] - r2[-2])
    in_molar = separated_attribute_predictability(z, factors * 1e-15)
    np.testing.assert_allclose(in_molar, separated_attribute_predictability(z, factors))


def test_rare_and_constant_factors() -> None:
    rng = np.random.default_rng(0)
    rare = np.zeros((1000, 2))
    rare[:30, 0] = 1
    z = np.stack([rare[:, 0], rng.normal(size=1000)], axis=1)
    for gaps in (mutual_information_gap(z, rare), separated_attribute_predictability(z, rare)):
        assert gaps[0] > 0.8
        assert np.isnan(gaps[1])


def test_a_linear_probe_reads_what_is_linear_in_z() -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(600, 5))
    factors = np.stack([z @ [1, 2, 3, 4, 5], rng.normal(size=600), np.ones(600)], axis=1)
    scores = linear_probe(z, factors, np.arange(600) % 4 == 0)
    assert scores[0] > 0.999
    assert scores[1] < 0.1
    assert np.isnan(scores[2])


def test_distances_that_follow_tanimoto_correlate_with_it() -> None:
    mols = [parse_smiles("C" * n + "O") for n in range(1, 30)]
    sizes = np.log(np.arange(1, 30, dtype=float))[:, None]
    assert distance_correlation(sizes, mols, n_pairs=500) > 0.7
    noise = np.random.default_rng(0).normal(size=(29, 4))
    assert abs(distance_correlation(noise, mols, n_pairs=500)) < 0.3


def test_dci_of_one_dimension_a_factor_is_one_and_of_a_rotation_less(factors: np.ndarray) -> None:
    z = np.concatenate([factors * [2.0, -1.0], np.random.default_rng(1).normal(size=(4000, 1))], axis=1)
    disentanglement, completeness = disentanglement_and_completeness(z, factors)
    assert disentanglement > 0.95
    assert (completeness > 0.95).all()
    spread = (factors - factors.mean(0)) / factors.std(0)
    rotated = spread @ np.array([[1.0, 1.0], [1.0, -1.0]])
    disentanglement, completeness = disentanglement_and_completeness(rotated, factors)
    assert disentanglement < 0.1
    assert (completeness < 0.1).all()


def test_dci_of_what_tells_nothing_is_not_a_number(factors: np.ndarray) -> None:
    disentanglement, completeness = disentanglement_and_completeness(np.zeros((4000, 3)), factors)
    assert np.isnan(disentanglement)
    assert np.isnan(completeness).all()


def test_what_only_size_explains_is_gone_without_it(factors: np.ndarray) -> None:
    """A dimension that encodes size tells of a factor that follows size, until both are freed of it."""
    rng = np.random.default_rng(2)
    size = rng.uniform(10, 40, size=(4000, 1))
    z = np.concatenate([size + rng.normal(size=(4000, 1)), rng.normal(size=(4000, 2))], axis=1)
    factor = 3 * size + 0.05 * size**2 + rng.normal(size=(4000, 1))
    assert separated_attribute_predictability(z, factor)[0] > 0.9
    left = separated_attribute_predictability(without(z, size), without(factor, size))[0]
    assert left < 0.02
    assert not without(2 * size, size).any()


def test_a_latent_that_is_the_same_for_all_has_no_correlation() -> None:
    mols = [parse_smiles("C" * n + "O") for n in range(1, 30)]
    assert np.isnan(distance_correlation(np.zeros((29, 4)), mols, n_pairs=100))
