"""Everything a loaded model does, on every kind of model: none of them trained, all of them whole."""

import numpy as np
import pandas as pd
import pytest
import torch

import molvae
from molvae.checkpoint import add_prior, save_checkpoint
from molvae.chem.kept import Kept
from molvae.chem.parse import parse_smiles
from molvae.chem.soundness import is_sound
from molvae.chem.standard_form import StandardForm
from molvae.data.prepared import PreparedData
from molvae.errors import ConfigError, InputError
from molvae.evaluation.geometry import latent_geometry, measure_molecules
from molvae.evaluation.model_metrics import model_metrics
from molvae.generator import MoleculeGenerator
from molvae.nn.build import ModelConfig, build_model
from molvae.nn.priors.autoregressive import AutoregressivePriorConfig
from molvae.nn.priors.flow import FlowPriorConfig
from molvae.optimize.objective import Objective, parse_objective
from molvae.optimize.run import optimize

SLOTS = 32
GRU = {"token_dim": 8, "hidden_dim": 8}
SMALL = {"token_dim": 8, "hidden_dim": 16}
VQ = {"kind": "vq", "n_slots": SLOTS, "n_codes": 12, "code_dim": 2, "shared": True}
GNN = {"kind": "gnn", "hidden_dim": 8, "n_layers": 1, "h_dim": 8}
KINDS = {
    "gaussian": {"encoder": GRU, "latent": {"latent_dim": 8}, "decoder": SMALL},
    "codes": {"encoder": GRU | {"n_slots": SLOTS}, "latent": VQ, "decoder": SMALL | {"n_slots": SLOTS}},
    "conditional": {
        "encoder": GRU,
        "latent": {"latent_dim": 8},
        "decoder": SMALL,
        "condition": {"properties": ["logp"], "dim": 4},
    },
    "graphs": {"encoder": GNN, "latent": {"latent_dim": 8}, "decoder": SMALL},
}
PRIORS = {
    "gaussian": FlowPriorConfig(),
    "codes": AutoregressivePriorConfig(hidden_dim=8, n_layers=1),
    "conditional": FlowPriorConfig(),
}
CHIRAL, SALT = "C[C@H](N)C(=O)O", "CC(=O)Nc1ccccc1.Cl"


@pytest.fixture(scope="module", params=list(KINDS))
def vae(
    request: pytest.FixtureRequest, prepared: PreparedData, tmp_path_factory: pytest.TempPathFactory
) -> MoleculeGenerator:
    path = tmp_path_factory.mktemp(request.param) / "model"
    config = ModelConfig.model_validate(KINDS[request.param])
    torch.manual_seed(0)
    model = build_model(config, vocabulary_size=len(prepared.vocabulary), property_names=["logp"])
    if model.latent.discrete:
        model.latent.codebooks.codes.normal_()
    form = StandardForm(neutralize=True, strip_stereo=True)
    save_checkpoint(path, model, config=config, vocabulary=prepared.vocabulary, max_length=20, standard_form=form)
    if request.param in PRIORS:
        prior = PRIORS[request.param].build(model.latent, condition_dim=model.condition_dim)
        add_prior(path, prior, config=PRIORS[request.param], report={})
    return molvae.load(path, device="cpu")


def test_molecules_go_there_and_back(vae: MoleculeGenerator, molecules: tuple[str, ...]) -> None:
    assert len(vae.sample(3, seed=0)) == 3
    encoded = vae.encode_rows([*molecules, CHIRAL, "xx", None])
    assert encoded.valid.tolist() == [*[True] * (len(molecules) + 1), False, False]
    assert encoded.lost[len(molecules)] == ("stereo",)
    assert len(vae.decode(encoded.z)) == len(molecules) + 3
    frame = vae.reconstruct([*molecules, CHIRAL])
    assert frame["lost"].tolist() == [*[""] * len(molecules), "stereo"]
    assert not frame["exact"].iloc[-1]
    assert vae.properties(molecules).notna().all(axis=None)
    assert np.isfinite(vae.negative_elbo(molecules)).all()
    assert np.isfinite(vae.novelty_score(molecules, reference=molecules)).all()


@pytest.mark.parametrize("kept", ["*c1ccccc1", "*C(=O)N*", "*CC.*CN", "C[C@H](*)O"])
def test_molecules_keep_a_part(vae: MoleculeGenerator, kept: str) -> None:
    found = vae.draw(2, keep=kept, seed=0)
    assert all(Kept(kept).holds(parse_smiles(smiles)) for smiles in found.smiles)
    assert found.smiles == vae.sample(2, keep=kept, seed=0)
    with pytest.raises(InputError, match="cannot write"):
        vae.sample(2, keep="*c1ccc([Se]C)cc1")


@pytest.mark.parametrize("method", ["linear", "spherical", "bridge", None])
def test_paths_are_sound_and_say_what_each_step_is(vae: MoleculeGenerator, method: str | None) -> None:
    path = vae.interpolate(CHIRAL, "CC(=O)Nc1ccccc1", steps=4, method=method)
    assert path["source"].iloc[[0, -1]].tolist() == ["given", "given"]
    assert path["smiles"].iloc[0] == CHIRAL
    inner = path.iloc[1:-1]
    assert set(inner["source"]) <= {"decoded", "repeated", "none"}
    assert ((inner["smiles"] == "") == (inner["source"] == "none")).all()
    assert all(is_sound(parse_smiles(s)) for s in inner["smiles"] if s)


def test_walks_are_sound_and_new(vae: MoleculeGenerator) -> None:
    walks = vae.neighbors(SALT, walks=2, steps=4, seed=0)
    assert walks["walk"].tolist() == [1] * 4 + [2] * 4
    assert walks["status"].iloc[[0, 4]].tolist() == ["start", "start"]
    new = walks[walks["status"] == "new"]
    assert new["smiles"].is_unique
    assert all(is_sound(parse_smiles(s)) and s != "CC(=O)Nc1ccccc1" for s in new["smiles"])
    assert (walks.loc[walks["status"] == "none", "smiles"] == "").all()
    pd.testing.assert_frame_equal(walks, vae.neighbors(SALT, walks=2, steps=4, seed=0))
    if vae.model.latent.discrete:
        falls = new.groupby("walk")["tanimoto_to_start"].apply(lambda s: s.diff().dropna().lt(0).all())
        assert falls.all()


@pytest.mark.parametrize("method", ["tanimoto-bo", "evolution", "random", "gradient"])
def test_searches_start_from_chiral_molecules_and_salts(vae: MoleculeGenerator, method: str) -> None:
    if method == "gradient" and vae.model.latent.discrete:
        pytest.skip("codes have no gradient")
    wanted = Objective.of_config(parse_objective({"scores": [{"kind": "logp"}]}, where="test"))
    found = optimize(vae, wanted, method=method, n_calls=12, batch_size=6, start=[CHIRAL, SALT])
    assert {"CC(N)C(=O)O", "CC(=O)Nc1ccccc1"} <= set(found.frame["smiles"])
    assert len(found.notes) == 2
    assert len(found.scores) > 2
    assert not found.stuck


def test_the_model_is_measured(vae: MoleculeGenerator, molecules: tuple[str, ...]) -> None:
    values = model_metrics(vae, molecules, n_bounded=4)
    assert all(np.isfinite(v) for v in values.values())
    geometry = latent_geometry(vae, measure_molecules(vae, [*molecules, "xx"], descriptor_set=("logp",)))
    assert geometry.n_molecules == len(molecules)
    assert geometry.n_unusable == 1


def test_a_conditional_model_is_asked_while_it_searches_and_walks(vae: MoleculeGenerator) -> None:
    if vae.model.condition is None:
        with pytest.raises(ConfigError, match="the model cannot be asked for 'logp'"):
            vae.neighbors("CCO", condition={"logp": 2.0})
        return
    assert len(vae.neighbors("CCO", walks=1, steps=3, condition={"logp": 2.0}, seed=0)) == 3
    assert len(vae.optimize("qed", n_calls=4, method="random", condition={"logp": 2.0})) == 4


def test_a_molecule_with_more_tokens_than_the_slots_hold_is_too_long(vae: MoleculeGenerator) -> None:
    encoded = vae.encode_rows(["CNCO" * 20])
    limit = vae.model.encoder.max_tokens
    n = len(vae.token_ids(str(encoded.smiles[0])) or ())
    assert encoded.reasons == [None if limit is None else f"too_long {n} of {limit} tokens"]
