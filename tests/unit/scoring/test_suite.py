import json
import logging
import math

import pytest

from molvae.errors import InputError
from molvae.scoring.reference import content_hash, known_molecules, reference_statistics
from molvae.scoring.suite import compare, evaluate_smiles

from .conftest import read_smiles

SMILES = ["CCO", "OCC", "c1ccccc1C(=O)NCC", "nonsense", "CCN1CCOCC1"]


@pytest.fixture(scope="module")
def reference():
    return reference_statistics(read_smiles("reference_test.smi.gz")[:50], fcd=False, n_jobs=1)


def test_without_references_only_what_needs_none_is_computed():
    table = evaluate_smiles(SMILES, n_jobs=1)
    assert set(table.metrics) == {"valid", "unique@1k", "unique@10k", "IntDiv", "IntDiv2", "Filters"}
    assert (table.metrics["valid"], table.metrics["unique@1k"]) == (0.8, 0.75)
    assert table.notes[0] == "unique@1k is computed from only 4 valid molecules"


def test_the_reference_beside_itself_is_nearest_to_itself(reference):
    metrics = evaluate_smiles(read_smiles("reference_test.smi.gz")[:50], test=reference, n_jobs=1).metrics
    for name in ("SNN/Test", "Frag/Test", "Scaf/Test", "GuacaMol KL"):
        assert metrics[name] == pytest.approx(1, abs=1e-6)
    for name in ("logP", "SA", "QED", "weight"):
        assert metrics[name] == pytest.approx(0, abs=1e-6)


def test_a_list_without_valid_molecules_gives_nan_and_null(reference):
    table = evaluate_smiles(["nonsense", None], test=reference, known={"CCO"}, n_jobs=1)
    assert table.metrics["valid"] == 0
    assert all(math.isnan(value) for name, value in table.metrics.items() if name != "valid")
    assert json.loads(table.to_json())["metrics"]["Novelty"] is None


def test_novelty_is_against_canonical_smiles():
    known = known_molecules(["OCC", "nonsense"], n_jobs=1)
    assert evaluate_smiles(SMILES, known=known, n_jobs=1).metrics["Novelty"] == pytest.approx(2 / 3)


def test_lists_stand_side_by_side_with_mean_and_deviation():
    tables = {"a": evaluate_smiles(SMILES, n_jobs=1), "b": evaluate_smiles(SMILES[:2], n_jobs=1)}
    frame = compare(tables)
    assert list(frame.columns) == ["metric", "a", "b", "mean", "sd"]
    assert frame.iloc[0].tolist()[:4] == ["valid", 0.8, 1.0, 0.9]
    assert list(compare({"a": tables["a"]}).columns) == ["metric", "a"]


def test_a_reference_without_valid_molecules_is_an_error():
    with pytest.raises(InputError, match="none of the 1 molecules of Test is valid"):
        reference_statistics(["nonsense"], name="Test", fcd=False, n_jobs=1)


def test_the_hash_depends_on_content_and_order():
    assert len({content_hash(s) for s in (["C", "O"], ["O", "C"], ["CO"], ["C"])}) == 4


def test_a_damaged_cache_is_computed_again(tmp_path, caplog):
    smiles = read_smiles("reference_test.smi.gz")[:10]
    reference_statistics(smiles, fcd=False, cache=tmp_path, n_jobs=1)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:100])
    with caplog.at_level(logging.WARNING):
        again = reference_statistics(smiles, fcd=False, cache=tmp_path, n_jobs=1)
    assert again.n_molecules == 10
    assert "is damaged" in caplog.text
    assert reference_statistics(smiles, fcd=False, cache=tmp_path, n_jobs=1).fragments == again.fragments
