import numpy as np
import pytest

from molvae.errors import InputError, InputFileError
from molvae.report.distributions import plot_distributions

RNG = np.random.default_rng(0)
REFERENCE = {"logP": RNG.normal(size=300), "weight": RNG.normal(300, 20, size=300), "QED": RNG.uniform(size=300)}


@pytest.fixture(autouse=True)
def _needs_matplotlib():
    pytest.importorskip("matplotlib")


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_a_panel_a_property_is_drawn(tmp_path, ending):
    path = tmp_path / f"plot.{ending}"
    plot_distributions({"seed 0": REFERENCE, "seed 1": {k: v + 1 for k, v in REFERENCE.items()}}, REFERENCE, path)
    assert path.stat().st_size > 1000
    assert list(tmp_path.iterdir()) == [path]


def test_a_collapsed_an_empty_and_a_nan_list_can_be_drawn(tmp_path):
    odd = {"logP": np.ones(9), "weight": np.empty(0), "QED": np.array([np.nan, 0.5, 0.6])}
    plot_distributions({"odd": odd}, REFERENCE, tmp_path / "plot.svg")


def test_a_missing_property_is_named(tmp_path):
    with pytest.raises(InputError, match="odd lacks weight, QED"):
        plot_distributions({"odd": {"logP": np.ones(3)}}, REFERENCE, tmp_path / "plot.svg")


def test_another_ending_is_refused(tmp_path):
    with pytest.raises(InputFileError, match=r"expected an ending of \.png, \.svg, \.pdf"):
        plot_distributions({}, REFERENCE, tmp_path / "plot.docx")
