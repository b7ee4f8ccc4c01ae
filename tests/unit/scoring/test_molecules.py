import numpy as np
import pytest
from rdkit import Chem

from molvae.scoring.molecules import brics_fragments, canonical_list, describe_molecules, murcko_scaffold
from molvae.scoring.structural_filters import _patterns, passes_filters

from .conftest import read_smiles


def test_invalid_empty_and_missing_smiles_only_count_as_given():
    described = describe_molecules(["OCC", "", None, "C1CC", "CCO"], n_jobs=1)
    assert (described.n_input, described.smiles) == (5, ["CCO", "CCO"])
    assert described.fingerprints.shape == (2, 128)
    assert described.properties[0] == pytest.approx([-0.0014, 1.9803, 0.4068, 46.069], abs=1e-3)
    assert described.passes.all()


def test_a_list_without_any_molecule_can_be_described():
    described = describe_molecules(["nonsense"], n_jobs=1)
    assert (len(described), described.fingerprints.shape, len(described.passes)) == (0, (0, 128), 0)


def test_chunks_and_processes_change_nothing(monkeypatch):
    smiles = read_smiles("odd.smi")[:60]
    whole = describe_molecules(smiles, n_jobs=1)
    monkeypatch.setattr("molvae.scoring.molecules.CHUNK", 7)
    cut = describe_molecules(smiles, n_jobs=1)
    assert (cut.smiles, cut.fragments, cut.scaffolds) == (whole.smiles, whole.fragments, whole.scaffolds)
    np.testing.assert_array_equal(cut.fingerprints, whole.fingerprints)


def test_canonical_list_keeps_places():
    assert canonical_list(["OC", "nonsense", "C"], n_jobs=1) == ["CO", None, "C"]


def test_fragments_are_cut_at_brics_bonds():
    fragments = brics_fragments(Chem.MolFromSmiles("CCOC(=O)c1ccccc1"))
    assert sorted(fragments) == sorted(["[16*]c1ccccc1", "[1*]C([6*])=O", "[3*]O[3*]", "[4*]CC"])


@pytest.mark.parametrize(
    ("smiles", "scaffold"), [("Cc1ccccc1", None), ("CCCC", None), ("Cc1ccc(-c2ccccc2)cc1", "c1ccc(-c2ccccc2)cc1")]
)
def test_scaffolds_have_at_least_two_rings(smiles, scaffold):
    assert murcko_scaffold(Chem.MolFromSmiles(smiles)) == scaffold


@pytest.mark.parametrize(
    "smiles",
    ["C1CCCCCCC1", "C[N+](C)(C)C", "O=[N+]([O-])c1ccccc1", "CB(O)O", "CCCl", "C=CC#N", "O=C1C=CC(=O)C=C1"],
    ids=["ring of 8", "charge", "nitro", "boron", "MCF alkyl chloride", "MCF acrylonitrile", "PAINS quinone"],
)
def test_filters_reject(smiles):
    assert not passes_filters(Chem.MolFromSmiles(smiles))


def test_the_screen_of_pattern_fingerprints_rejects_nothing_that_a_search_finds():
    assert len(_patterns()) == 502
    for smiles in read_smiles("zinc250k.smi")[:60]:
        with_hydrogens = Chem.AddHs(Chem.MolFromSmiles(smiles))
        found = any(with_hydrogens.HasSubstructMatch(pattern) for _, pattern, _ in _patterns())
        assert not (found and passes_filters(Chem.MolFromSmiles(smiles)))
