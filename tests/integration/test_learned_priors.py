"""Priors trained with the model, and models that can be asked for properties."""

import json
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import yaml

import molvae
from molvae.config import dump_config
from molvae.data.prepared import PreparedData
from molvae.errors import ConfigError, PreparedDataError
from molvae.training.config import ExperimentConfig, PriorFitConfig
from molvae.training.fit import train
from molvae.training.heads import fit_heads_of
from molvae.training.prior import fit_prior_of

GAUSSIAN = {"kind": "gaussian", "latent_dim": 8}
CODES = {"kind": "vq", "n_slots": 4, "n_codes": 5, "code_dim": 2}
MIXTURE = {"kind": "autoregressive", "hidden_dim": 16, "n_layers": 1, "slot_dim": 2, "n_components": 8, "shared": True}


def with_slots(experiment: ExperimentConfig, **sections: object) -> ExperimentConfig:
    values = experiment.model_dump()
    for part in ("encoder", "decoder"):
        values["model"][part] |= {"n_slots": 4, "tokens_per_slot": 6}
    for name, section in sections.items():
        part, _, key = name.partition("__")
        if key:
            values[part][key] = section
        else:
            values[part] = section
    return ExperimentConfig.model_validate(values)


@pytest.mark.parametrize("latent", [GAUSSIAN, CODES], ids=["gaussian", "vq"])
def test_a_prior_trained_with_the_model_is_stored_drawn_from_and_resumed(
    latent: dict, experiment: ExperimentConfig, prepared: PreparedData, tmp_path: Path
) -> None:
    config = with_slots(experiment, model__latent=latent, prior={"fit": "joint", "model": MIXTURE})
    assert ExperimentConfig.model_validate(yaml.safe_load(dump_config(config))) == config
    result = train(config, prepared, tmp_path, device="cpu")
    assert result.kl_learned is not None
    assert np.isfinite(result.kl_learned)
    assert result.negative_elbo == pytest.approx(result.reconstruction + result.kl_learned)
    vae = molvae.load(str(tmp_path), device="cpu")
    report = vae.diagnostics["prior"]
    assert (report["fit"], report["kl"]) == ("joint", result.kl_learned)
    assert vae.novelty_score(prepared.smiles()).min() >= 0
    assert vae.sample(4, seed=0) == molvae.load(str(tmp_path), device="cpu").sample(4, seed=0, prior="learned")
    more = config.model_copy(update={"training": config.training.model_copy(update={"max_steps": 9})})
    train(more, prepared, tmp_path, device="cpu", resume=True)
    assert json.loads((tmp_path / "model" / "diagnostics.json").read_text())["training"]["steps"] == 9


def test_a_resumed_run_keeps_the_beta_of_its_constraint(
    experiment: ExperimentConfig, prepared: PreparedData, tmp_path: Path
) -> None:
    beta = {"kind": "geco", "reconstruction": 1.0, "start": 0.5, "speed": 0.1}
    config = with_slots(experiment, training__beta=beta, prior={"fit": "joint", "model": MIXTURE})
    train(config, prepared, tmp_path, device="cpu")
    state = torch_state(tmp_path)
    assert state["beta"] == pytest.approx(0.5 * np.exp(-0.1 * 6))  # far above the target for six steps
    more = config.model_copy(update={"training": config.training.model_copy(update={"max_steps": 7})})
    train(more, prepared, tmp_path, device="cpu", resume=True)
    assert torch_state(tmp_path)["beta"] == pytest.approx(0.5 * np.exp(-0.1 * 7))


def torch_state(run: Path) -> dict:
    import torch

    return torch.load(run / "last" / "last.ckpt", weights_only=True)["molvae"]


@pytest.mark.parametrize("fit", ["joint", "two-stage"])
def test_a_model_can_be_asked_for_properties_and_says_which(
    fit: str, experiment: ExperimentConfig, prepared: PreparedData, tmp_path: Path
) -> None:
    asked = {"properties": ["logp", "assay"], "dim": 4}
    prior = {"fit": "joint", "model": MIXTURE} if fit == "joint" else None
    config = with_slots(experiment, model__condition=asked, prior=prior)
    train(config, prepared, tmp_path, device="cpu")
    if fit == "two-stage":
        two = PriorFitConfig.model_validate({"model": MIXTURE, "max_epochs": 2})
        assert np.isfinite(fit_prior_of(tmp_path / "model", prepared, two, device="cpu").kl)
    vae = molvae.load(str(tmp_path), device="cpu")
    draws = [vae.sample(20, seed=0, condition=c) for c in (None, {"logp": 1.0}, {"logp": 9.0}, {"logp": 9.0})]
    assert draws[2] == draws[3]
    assert draws[0] != draws[2]
    assert draws[1] != draws[2]
    assert vae.sample(20, seed=0, condition={"logp": 9.0}, guidance=0.0) == draws[0]
    with pytest.raises(ConfigError, match="cannot be asked for 'qed'; it can be asked for: logp, assay"):
        vae.sample(1, condition={"qed": 0.9})


def test_a_model_without_conditions_says_so(vae: molvae.MoleculeGenerator) -> None:
    with pytest.raises(ConfigError, match="it can be asked for: nothing"):
        vae.sample(1, condition={"logp": 1.0})


@pytest.mark.parametrize(
    ("section", "value", "message"),
    [
        ("model__latent", {"kind": "gaussian", "latent_dim": 10}, "4 slots do not divide the 10 latent dimensions"),
        ("model__latent", {**CODES, "n_slots": 3}, "the encoder has 4 slots, the latent 3"),
        ("model__latent", {**GAUSSIAN, "free_bits": 0.1}, "with a joint prior use beta: {kind: geco}"),
        ("model__condition", {"properties": ["color"]}, "condition on color; the heads have: logp"),
        ("prior", {"fit": "joint", "model": {**MIXTURE, "slot_dim": 3}}, "slot_dim 3 does not divide"),
    ],
)
def test_parts_that_do_not_fit_are_one_sentence_before_training(
    section: str, value: dict, message: str, experiment: ExperimentConfig, prepared: PreparedData, tmp_path: Path
) -> None:
    sections = {"prior": {"fit": "joint", "model": MIXTURE}, section: value}
    with pytest.raises(ValueError, match=message):  # a ConfigError is one
        train(with_slots(experiment, **sections), prepared, tmp_path / "out", device="cpu")
    assert not (tmp_path / "out").exists()


def test_heads_can_be_fitted_to_other_properties_of_a_finished_model(
    experiment: ExperimentConfig, prepared: PreparedData, tmp_path: Path
) -> None:
    train(with_slots(experiment, model__heads={"properties": ["logp"]}), prepared, tmp_path, device="cpu")
    before = molvae.load(str(tmp_path), device="cpu")
    how = {"max_time": timedelta(seconds=4), "batch_size": 8, "device": "cpu"}
    report = fit_heads_of(tmp_path / "model", prepared, properties=("mw", "rings"), **how)
    assert list(report.property_r2) == ["mw", "rings"]
    after = molvae.load(str(tmp_path), device="cpu")
    known = prepared.smiles(prepared.indices("train"))
    np.testing.assert_array_equal(before.encode(known), after.encode(known))
    predicted, true = after.properties(known)["mw"], prepared.property_frame(prepared.indices("train"))["mw"]
    assert np.corrcoef(predicted, true)[0, 1] > 0.3  # of a latent after six steps
    with pytest.raises(PreparedDataError, match="no property 'color'"):
        fit_heads_of(tmp_path / "model", prepared, properties=("color",), **how)
