"""The suite beside what the original code of MOSES and GuacaMol recorded (scripts/make/record_moses_metrics.py)."""

import math

import numpy as np
import pytest

from molvae.scoring.fcd import fcd_available
from molvae.scoring.guacamol import fcd_score
from molvae.scoring.reference import known_molecules, reference_statistics
from molvae.scoring.suite import evaluate_smiles

from .conftest import read_smiles

LISTS = ("moses", "zinc250k", "odd")
NAMES = {"unique@1k": "unique@1000", "unique@10k": "unique@10000"}
WITHOUT_COUNTERPART = {"GuacaMol KL", "GuacaMol FCD"}


@pytest.fixture(scope="module")
def references():
    return {
        name: reference_statistics(read_smiles(f"reference_{split}.smi.gz"), fcd=fcd_available(), n_jobs=2)
        for name, split in (("test", "test"), ("test_scaffolds", "test_scaffolds"))
    }


@pytest.fixture(scope="module")
def tables(references):
    known = known_molecules(read_smiles("reference_train.smi.gz"), n_jobs=2)
    return {name: evaluate_smiles(read_smiles(f"{name}.smi"), **references, known=known, n_jobs=2) for name in LISTS}


@pytest.mark.parametrize("name", LISTS)
def test_every_metric_agrees_with_moses_to_a_thousandth(name, tables, recorded):
    ours = {NAMES.get(k, k): v for k, v in tables[name].metrics.items() if k not in WITHOUT_COUNTERPART}
    theirs = recorded[name]["moses"]
    if name == "odd" or not fcd_available():  # fcd_torch reads salts in part: see scoring.fcd
        ours, theirs = ({k: v for k, v in d.items() if "FCD" not in k} for d in (ours, theirs))
    assert set(ours) == set(theirs)
    differences = {k: ours[k] - theirs[k] for k in theirs if not abs(ours[k] - theirs[k]) < 1e-3}
    assert not differences


@pytest.mark.parametrize("name", LISTS)
def test_novelty_is_exactly_that_of_moses_given_a_canonical_training_set(name, tables, recorded):
    assert tables[name].metrics["Novelty"] == recorded[name]["moses_novelty_canonical_training_set"]


@pytest.mark.skipif(not fcd_available(), reason="needs fcd")
@pytest.mark.parametrize("name", LISTS)
def test_fcd_agrees_with_the_package_fcd(name, tables, recorded):
    for label, value in recorded[name]["fcd"].items():
        assert tables[name].metrics[f"FCD/{label}"] == pytest.approx(value, abs=1e-3)
    expected = fcd_score(recorded[name]["fcd"]["Test"])  # the subset of a small reference is all of it
    assert tables[name].metrics["GuacaMol FCD"] == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("name", LISTS)
def test_kl_score_agrees_with_guacamol(name, tables, recorded):
    theirs = recorded[name]["guacamol_kl"]
    assert tables[name].metrics["GuacaMol KL"] == pytest.approx(theirs["score"], abs=1e-3)
    expected = {k: math.exp(-v) for k, v in theirs["divergences"].items()}
    assert tables[name].terms == pytest.approx(expected, abs=1e-3)


def test_a_cached_reference_gives_the_same_statistics(tmp_path, references):
    smiles = read_smiles("reference_test.smi.gz")[:60]
    computed = reference_statistics(smiles, fcd=False, cache=tmp_path, n_jobs=1)
    assert [p.suffix for p in tmp_path.iterdir()] == [".npz"]
    cached = reference_statistics(smiles, fcd=False, cache=tmp_path, n_jobs=1)
    assert (cached.fragments, cached.scaffolds) == (computed.fragments, computed.scaffolds)
    for name in ("fingerprints", "properties"):
        np.testing.assert_array_equal(getattr(cached, name), getattr(computed, name))
    np.testing.assert_array_equal(cached.guacamol.nearest, computed.guacamol.nearest)
