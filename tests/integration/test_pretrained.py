"""The models that ship with the package: they load, sample, say where they come from, and are small."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from rdkit.Chem import Crippen

import molvae
from molvae import LatentFeaturizer
from molvae.chem.parse import parse_smiles
from molvae.cli import main
from molvae.errors import CheckpointError
from molvae.pretrained import DEFAULT, FEATURIZER, READER, model_card, model_folder, model_names

LIMIT_MB = 25


def test_samples_of_the_default_model_can_be_asked_to_be_novel() -> None:
    vae = molvae.load(DEFAULT, device="cpu")
    assert vae.known is not None
    assert len(vae.known) == pytest.approx(1_568_717, rel=1e-3)
    drawn = vae.draw(300, novel=True, seed=0)
    assert 0.05 < drawn.n_known / (drawn.n_drawn - drawn.n_invalid) < 0.3  # the model card has 15 %


def test_there_is_a_default_model() -> None:
    assert model_names()[0] == DEFAULT


@pytest.mark.parametrize("name", [DEFAULT, READER])
def test_a_shipped_generator_samples_and_reconstructs(name: str) -> None:
    vae = molvae.load(name, device="cpu")
    smiles = vae.sample(32, seed=0)
    assert all(parse_smiles(s) is not None for s in smiles)
    assert len(set(smiles)) > 28
    frame = vae.reconstruct(["CC(=O)Nc1ccc(O)cc1", "COc1ccccc1OCC(O)CO", "O=C(NCc1ccccc1)c1ccco1"])
    assert frame["exact"].all()
    read = vae.encode_rows(smiles)
    assert all(why is None or why.startswith("too_long") for why in read.reasons)  # canonical tokens may be more
    assert vae.properties(smiles)[read.valid].notna().all(axis=None)


def test_the_shipped_featurizer_knows_descriptors_and_puts_relatives_side_by_side() -> None:
    smiles = ["CCCCCCCC", "OCC(O)CO", "Oc1ccccc1", "Cc1ccccc1O", "CC(=O)Nc1ccc(O)cc1", "CC(=O)Nc1ccc(OC)cc1"]
    vae = molvae.load(FEATURIZER, device="cpu")
    logp = vae.properties(smiles)["logp"].to_numpy()
    truth = [Crippen.MolLogP(parse_smiles(s)) for s in smiles]
    assert np.abs(logp - truth).max() < 0.8
    rows = LatentFeaturizer().transform(smiles)
    cosines = np.corrcoef(rows)
    assert cosines[2, 3] > cosines[2, :2].max()
    assert cosines[5, 4] > cosines[5, :4].max()


@pytest.mark.parametrize("name", model_names())
def test_a_shipped_model_has_a_card_and_is_small(name: str) -> None:
    card = model_card(name)
    for word in ("Data", "Limits", "Figures", "What was tried"):
        assert word in card
    assert sum(file.stat().st_size for file in model_folder(name).iterdir()) < LIMIT_MB * 1e6


def test_a_name_that_does_not_ship_is_one_sentence() -> None:
    with pytest.raises(
        CheckpointError, match=f"no shipped model is called 'chembl'; there are: {DEFAULT}, {FEATURIZER}, {READER}"
    ):
        model_folder("chembl")
    with pytest.raises(CheckpointError, match="no such directory"):
        molvae.load("chembl")


def test_models_are_listed_and_their_cards_printed() -> None:
    listed = CliRunner().invoke(main, ["models"])
    said = " ".join(listed.output.split())
    assert "moses reads molecules of Br, C, Cl, F, N, O, S, up to" in said
    assert "stereo: refused; charges: refused" in said
    assert "stereo: dropped; charges: removed where protons can balance them, else kept" in said
    assert listed.exit_code == 0
    assert all(name in listed.output for name in model_names())
    assert "sampling" in listed.output
    assert CliRunner().invoke(main, ["models", DEFAULT]).output.strip() == model_card(DEFAULT).strip()


def test_commands_use_the_shipped_model_by_default() -> None:
    result = CliRunner().invoke(main, ["sample", "-n", "3", "--seed", "0", "-q"])
    assert result.exit_code == 0, result.output
    assert len(result.stdout.splitlines()) == 4


def test_a_folder_that_happens_to_be_called_like_a_model_does_not_hide_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / DEFAULT).mkdir()
    monkeypatch.chdir(tmp_path)
    assert molvae.load(DEFAULT, device="cpu").sample(2, seed=0)


def test_a_bridge_is_all_molecules_that_come_nearer_step_by_step() -> None:
    vae = molvae.load(device="cpu")
    path = vae.interpolate("CC(=O)Nc1ccc(OC)cc1", "O=C(NCc1ccccc1)c1ccco1", steps=7)
    assert len(path) == 7
    assert path["source"].tolist() == ["given", *["decoded"] * 5, "given"]
    assert all(parse_smiles(s) is not None for s in path["smiles"])
    assert (path["tanimoto_to_end"] - path["tanimoto_to_start"]).diff().dropna().ge(-1e-9).all()
    assert path["smiles"].nunique() > 3
    assert vae.interpolate("CCOc1ccccc1C", "CCOc1ccccc1C", steps=3)["smiles"].nunique() == 1
