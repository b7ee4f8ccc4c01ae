import numpy as np
import pytest
from scipy.linalg import sqrtm

from molvae.errors import MissingExtraError
from molvae.scoring import fcd
from molvae.scoring.fcd import chemnet_activations, chemnet_statistics, frechet_distance


def test_frechet_distance_is_the_textbook_formula():
    rng = np.random.default_rng(0)
    a, b = (chemnet_statistics(rng.normal(size=(50, 6)) * s + m) for s, m in ((1, 0), (2, 0.3)))
    difference = a.mean - b.mean
    trace = np.trace(a.covariance + b.covariance - 2 * np.real(sqrtm(a.covariance @ b.covariance)))
    assert frechet_distance(a, b) == pytest.approx(difference @ difference + trace)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-9)


def test_fewer_samples_than_dimensions_are_no_trouble():
    rng = np.random.default_rng(1)
    a, b = (chemnet_statistics(rng.normal(size=(4, 9))) for _ in range(2))
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a))


def test_fewer_than_two_molecules_have_no_distance():
    assert chemnet_statistics(np.ones((1, 3))) is None
    assert np.isnan(frechet_distance(None, None))


def test_without_the_package_the_error_names_the_extra(monkeypatch):
    monkeypatch.setattr(fcd, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'molvae\[metrics\]'"):
        chemnet_activations(["C"])


@pytest.mark.skipif(not fcd.fcd_available(), reason="needs fcd")
def test_a_molecules_activations_do_not_depend_on_its_company():
    alone = chemnet_activations(["CCO"], device="cpu")
    with_long = chemnet_activations(["C" * 600, "CCO"], device="cpu")
    np.testing.assert_allclose(with_long[1], alone[0], atol=1e-6)
