"""A whole run: data → training → checkpoint → molecules."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

import molvae
from molvae.checkpoint import load_checkpoint, save_checkpoint
from molvae.chem.parse import canonical_smiles, parse_smiles
from molvae.data.prepare.config import PrepareConfig
from molvae.data.prepare.run import prepare
from molvae.data.prepared import PreparedData
from molvae.errors import CheckpointError, ConfigError, InputError, PreparedDataError
from molvae.generator import MoleculeGenerator
from molvae.inference.paths import interpolate_latents
from molvae.training.config import ExperimentConfig, PriorFitConfig
from molvae.training.fit import train
from molvae.training.prior import fit_prior_of


def test_a_run_leaves_a_checkpoint_a_state_metrics_and_what_ran(run: Path) -> None:
    assert sorted(p.name for p in (run / "model").iterdir()) == [
        "config.json",
        "diagnostics.json",
        "model.safetensors",
        "training_set.hashes",
        "vocabulary.json",
    ]
    assert (run / "last" / "last.ckpt").is_file()
    assert yaml.safe_load((run / "experiment.yaml").read_text())["training"]["max_steps"] == 6
    assert "train/reconstruction" in (run / "metrics" / "metrics.csv").read_text()
    diagnostics = json.loads((run / "model" / "diagnostics.json").read_text())
    assert diagnostics["training"]["steps"] == 6
    assert [row["step"] for row in diagnostics["training"]["history"]] == [3, 6]
    assert len(diagnostics["latent"]["kl_per_dimension"]) == 8


def test_a_resumed_run_goes_on_with_the_molecules_it_had_not_seen(
    run: Path, experiment: ExperimentConfig, prepared: PreparedData, tmp_path: Path
) -> None:
    half = experiment.model_copy(update={"training": experiment.training.model_copy(update={"max_steps": 3})})
    train(half, prepared, tmp_path, device="cpu")
    train(experiment, prepared, tmp_path, device="cpu", resume=True)
    seen = [
        json.loads((p / "model" / "diagnostics.json").read_text())["training"]["molecules"] for p in (run, tmp_path)
    ]
    assert seen[0] == seen[1]


@pytest.mark.parametrize("kind", ["gnn", "fused"])
def test_graph_encoders_train_save_load_encode_and_sample(
    kind: str, experiment: ExperimentConfig, prepared_with_graphs: PreparedData, tmp_path: Path
) -> None:
    small = {"hidden_dim": 8, "n_layers": 2, "h_dim": 16}
    encoder = {"kind": kind, **(small if kind == "gnn" else {"graph": small, "sequence": {"hidden_dim": 8}})}
    values = experiment.model_dump()
    values["model"]["encoder"] = encoder
    values["training"]["precision"] = "bf16-mixed"
    train(ExperimentConfig.model_validate(values), prepared_with_graphs, tmp_path, device="cpu")
    vae = molvae.load(str(tmp_path), device="cpu")
    z = vae.encode(["OCC", "xx", "C(C)O"])
    np.testing.assert_allclose(z[0], z[2], atol=1e-6)
    assert np.isnan(z[1]).all()
    assert len(vae.sample(5, seed=0)) == 5
    np.testing.assert_array_equal(molvae.load(str(tmp_path), device="cpu").encode(["OCC"])[0], vae.encode(["OCC"])[0])


def test_a_model_trains_on_randomized_smiles_and_validates_on_canonical_ones(
    experiment: ExperimentConfig, prepared_with_randomized: PreparedData, run: Path, tmp_path: Path
) -> None:
    values = experiment.model_dump()
    values["training"]["randomized_smiles"] = True
    augmented = ExperimentConfig.model_validate(values)
    result = train(augmented, prepared_with_randomized, tmp_path / "run", device="cpu")
    assert np.isfinite(result.reconstruction)
    first, plain = ((p / "model" / "model.safetensors").read_bytes() for p in (tmp_path / "run", run))
    assert first != plain
    train(augmented, prepared_with_randomized, tmp_path / "again", device="cpu")
    assert (tmp_path / "again" / "model" / "model.safetensors").read_bytes() == first


def test_randomized_smiles_that_a_folder_lacks_are_refused_before_training(
    experiment: ExperimentConfig, prepared: PreparedData, tmp_path: Path
) -> None:
    values = experiment.model_dump()
    values["training"]["randomized_smiles"] = True
    with pytest.raises(PreparedDataError, match="has no randomized SMILES; add them with `molvae data randomize"):
        train(ExperimentConfig.model_validate(values), prepared, tmp_path / "run", device="cpu")
    assert not (tmp_path / "run").exists()


def test_vq_codes_train_save_load_and_sample(
    experiment: ExperimentConfig, prepared: PreparedData, tmp_path: Path
) -> None:
    values = experiment.model_dump()
    values["model"]["latent"] = {"kind": "vq", "n_slots": 3, "n_codes": 4, "code_dim": 2}
    values["training"]["beta"] = {"kind": "constant", "beta": 1.0}
    result = train(ExperimentConfig.model_validate(values), prepared, tmp_path, device="cpu")
    assert result.latent_dim == 3
    assert "train/perplexity" in (tmp_path / "metrics" / "metrics.csv").read_text()
    first, again = (molvae.load(str(tmp_path), device="cpu") for _ in range(2))
    assert first.encode(["CCO"]).shape == (1, 6)
    np.testing.assert_array_equal(first.encode(["CCO"]), again.encode(["CCO"]))
    assert first.sample(4, seed=0) == again.sample(4, seed=0)


@pytest.mark.parametrize(
    ("latent", "prior"),
    [
        ({"kind": "gaussian", "latent_dim": 8}, {"kind": "flow", "n_transforms": 2, "hidden_dims": [16]}),
        ({"kind": "gaussian", "latent_dim": 8}, {"kind": "autoregressive", "hidden_dim": 16, "slot_dim": 4}),
        ({"kind": "vq", "n_slots": 3, "n_codes": 4, "code_dim": 2}, {"kind": "autoregressive", "hidden_dim": 16}),
    ],
    ids=["gaussian flow", "gaussian autoregressive", "vq autoregressive"],
)
def test_a_fitted_prior_is_stored_loaded_and_drawn_from(
    latent: dict, prior: dict, experiment: ExperimentConfig, prepared: PreparedData, tmp_path: Path
) -> None:
    values = experiment.model_dump()
    values["model"]["latent"] = latent
    train(ExperimentConfig.model_validate(values), prepared, tmp_path, device="cpu")
    config = PriorFitConfig.model_validate({"model": prior, "max_epochs": 20, "learning_rate": 0.01})
    report = fit_prior_of(tmp_path / "model", prepared, config, device="cpu")
    assert np.isfinite(report.kl)
    assert report.kl_standard > -0.5  # of four molecules, from one sample each
    vae = molvae.load(str(tmp_path), device="cpu")
    assert vae.sample(4, seed=0) == molvae.load(str(tmp_path), device="cpu").sample(4, seed=0, prior="learned")
    assert len(vae.sample(4, seed=0, prior="standard")) == 4
    assert vae.diagnostics["prior"]["kl"] == report.kl
    (tmp_path / "model" / "prior.safetensors").unlink()
    with pytest.raises(CheckpointError, match="truncated or damaged"):
        molvae.load(str(tmp_path))


def test_asking_for_a_learned_prior_that_is_not_there_says_how_to_fit_one(vae: MoleculeGenerator) -> None:
    with pytest.raises(ConfigError, match="fit one with `molvae fit-prior`"):
        vae.sample(3, prior="learned")


def test_a_graph_encoder_on_data_without_graphs_is_one_sentence_before_training(
    experiment: ExperimentConfig, prepared: PreparedData, tmp_path: Path
) -> None:
    values = experiment.model_dump()
    values["model"]["encoder"] = {"kind": "gnn"}
    with pytest.raises(PreparedDataError, match="has no graphs"):
        train(ExperimentConfig.model_validate(values), prepared, tmp_path / "out", device="cpu")
    assert not (tmp_path / "out").exists()


def test_fine_tuning_starts_from_the_trained_weights_and_adds_embeddings(
    run: Path, experiment: ExperimentConfig, tmp_path: Path
) -> None:
    old = load_checkpoint(run / "model")
    (tmp_path / "new.csv").write_text("smiles\nCCO\nCP\nCCCP\nCCBr\n")
    options = PrepareConfig(unknown="extend", valid_fraction=0, test_fraction=0, n_jobs=1, descriptors=("logp",))
    data = prepare([tmp_path / "new.csv"], tmp_path / "data", config=options, vocabulary=old.vocabulary)
    settings = experiment.training.model_copy(
        update={"init_from": run / "model", "max_steps": 1, "learning_rate": 1e-9}
    )
    train(experiment.model_copy(update={"training": settings}), data, tmp_path / "tuned", device="cpu")
    new = load_checkpoint(tmp_path / "tuned" / "model")
    assert len(new.vocabulary) == len(old.vocabulary) + 2
    before, after = old.model.decoder.to_logits.weight, new.model.decoder.to_logits.weight
    torch.testing.assert_close(after[: len(before)], before, atol=1e-6, rtol=0)
    assert molvae.load(str(tmp_path / "tuned"), device="cpu").encode_rows(["CP"]).valid.all()


def test_fine_tuning_on_another_vocabulary_says_how_to_prepare(
    run: Path, experiment: ExperimentConfig, tmp_path: Path
) -> None:
    (tmp_path / "new.csv").write_text("smiles\nCCO\nCP\n")
    data = prepare([tmp_path / "new.csv"], tmp_path / "data", config=PrepareConfig(n_jobs=1))
    settings = experiment.training.model_copy(update={"init_from": run / "model"})
    with pytest.raises(CheckpointError, match="--unknown extend"):
        train(experiment.model_copy(update={"training": settings}), data, tmp_path / "tuned", device="cpu")


def test_resuming_without_a_state_is_one_sentence(
    experiment: ExperimentConfig, prepared: PreparedData, tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError, match="nothing to resume"):
        train(experiment, prepared, tmp_path, resume=True)


def test_early_stopping_ends_a_run_that_no_longer_improves(
    experiment: ExperimentConfig, prepared: PreparedData, tmp_path: Path
) -> None:
    settings = experiment.training.model_copy(
        update={"max_steps": 500, "patience": 2, "valid_every": 1, "learning_rate": 1e-12}
    )
    train(experiment.model_copy(update={"training": settings}), prepared, tmp_path, device="cpu")
    steps = json.loads((tmp_path / "model" / "diagnostics.json").read_text())["training"]["steps"]
    assert steps < 50


def test_a_small_model_learns_its_molecules_by_heart(
    experiment: ExperimentConfig, prepared: PreparedData, tmp_path: Path
) -> None:
    config = ExperimentConfig.model_validate(
        {
            "data": {"prepared": prepared.path},
            "model": {
                "encoder": {"token_dim": 32, "hidden_dim": 48},
                "latent": {"latent_dim": 16},
                "decoder": {"token_dim": 32, "hidden_dim": 96, "token_dropout": 0.1},
            },
            "training": {
                "max_steps": 350,
                "batch_size": 12,
                "learning_rate": 0.005,
                "warmup_steps": 10,
                "valid_every": 350,
                "precision": "32-true",
                "beta": {"kind": "constant", "beta": 0.005},
            },
        }
    )
    train(config, prepared, tmp_path, device="cpu")
    vae = molvae.load(str(tmp_path), device="cpu")
    known = prepared.smiles(prepared.indices("train"))
    frame = vae.reconstruct(known)
    assert frame["exact"].mean() > 0.9
    assert frame.loc[frame["exact"], "tanimoto"].eq(1.0).all()


def test_sampling_gives_exactly_n_valid_molecules_and_the_same_for_the_same_seed(vae: MoleculeGenerator) -> None:
    first, again, other = (vae.sample(30, seed=seed, batch_size=16) for seed in (1, 1, 2))
    assert len(first) == 30
    assert first == again
    assert first != other
    assert all(parse_smiles(s) is not None and canonical_smiles(s) == s for s in first)


def test_unique_and_novel_draws_leave_out_what_they_should(vae: MoleculeGenerator) -> None:
    known = set(vae.sample(20, seed=3))
    drawn = vae.draw(20, unique=True, novel_against=known, seed=3)
    assert len(set(drawn.smiles)) == 20
    assert not set(drawn.smiles) & known
    assert drawn.n_known >= 1
    assert drawn.n_drawn >= 20 + drawn.n_known + drawn.n_repeated


def test_encoding_keeps_rows_and_says_why_one_cannot_be_used(vae: MoleculeGenerator) -> None:
    encoded = vae.encode_rows(["OCC", "xx", None, "[Na+].CCO", "CP"])
    assert encoded.z.shape == (5, 8)
    assert encoded.valid.tolist() == [True, False, False, True, False]
    assert encoded.reasons == [None, "unparsable", "blank", None, "unknown_symbol [P]"]
    np.testing.assert_allclose(encoded.z[0], encoded.z[3], atol=1e-6)
    np.testing.assert_allclose(vae.encode(["CCO"] * 5, batch_size=2), np.repeat(encoded.z[:1], 5, 0), atol=1e-5)


def test_decoding_passes_over_nan_rows_and_refuses_other_shapes(vae: MoleculeGenerator) -> None:
    z = np.zeros((3, 8), np.float32)
    z[1] = np.nan
    decoded = vae.decode(z)
    assert decoded[1] == ""
    assert decoded[0] == decoded[2]
    with pytest.raises(InputError, match=r"expected \(n, 8\)"):
        vae.decode(np.zeros((3, 4)))


def test_properties_come_in_their_own_units(vae: MoleculeGenerator) -> None:
    frame = vae.properties(["CCO", "xx"])
    assert "mw" in frame.columns
    assert 20 < frame["mw"][0] < 400
    assert frame.loc[1].isna().all()


@pytest.mark.parametrize("method", ["linear", "spherical"])
def test_a_path_starts_and_ends_at_its_molecules(vae: MoleculeGenerator, method: str) -> None:
    path = vae.interpolate("OCC", "c1ccccc1", steps=5, method=method)
    assert path["source"].tolist() == ["given", *["decoded"] * 3, "given"]
    assert path["smiles"].iloc[[0, -1]].tolist() == ["CCO", "c1ccccc1"]
    with pytest.raises(InputError, match="cannot encode 'xx'"):
        vae.interpolate("xx", "CCO")


def test_interpolated_latents_begin_and_end_where_they_should_and_spherical_ones_keep_their_length() -> None:
    a, b = np.array([2.0, 0.0], np.float32), np.array([0.0, 2.0], np.float32)
    t = np.linspace(0, 1, 5)
    for method in ("linear", "spherical"):
        path = interpolate_latents(a, b, t, method=method)
        np.testing.assert_allclose(path[[0, -1]], [a, b], atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(path, axis=1), 2.0, atol=1e-6)
    np.testing.assert_allclose(interpolate_latents(a, a, t, method="spherical"), np.repeat(a[None], 5, 0))


@pytest.mark.parametrize(
    ("options", "message"),
    [({"temperature": 0.0}, "temperature"), ({"top_p": 1.5}, "top_p"), ({"n": 0}, "at least 1")],
)
def test_impossible_decoding_settings_are_refused(
    vae: MoleculeGenerator, options: dict[str, float], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        vae.sample(**({"n": 5} | options))


def test_saving_and_loading_gives_the_same_numbers_in_another_process(vae: MoleculeGenerator, run: Path) -> None:
    program = (
        "import molvae, sys; v = molvae.load(sys.argv[1], device='cpu'); "
        "print(v.encode(['CCO']).tobytes().hex(), *v.sample(5, seed=1))"
    )
    done = subprocess.run([sys.executable, "-c", program, str(run)], capture_output=True, text=True, check=True)
    z, *smiles = done.stdout.split()
    assert z == vae.encode(["CCO"]).tobytes().hex()
    assert smiles == vae.sample(5, seed=1)


def test_half_precision_on_disk_loads_as_single(checkpoint: Path, tmp_path: Path) -> None:
    whole = load_checkpoint(checkpoint)
    save_checkpoint(
        tmp_path / "half", whole.model, config=whole.config, vocabulary=whole.vocabulary, max_length=20, half=True
    )
    half = load_checkpoint(tmp_path / "half")
    sizes = [(path / "model.safetensors").stat().st_size for path in (tmp_path / "half", checkpoint)]
    assert sizes[0] < 0.6 * sizes[1]
    assert {p.dtype for p in half.model.parameters()} == {torch.float32}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("truncate", "truncated"),
        ("no weights", "truncated or damaged"),
        ("other format", "checkpoint format 99"),
        ("unknown key", "unknown key 'latent.latent_dmi'"),
        ("other vocabulary", "the model was trained with"),
        ("other size", r"has shape .* expected"),
        ("no json", "is damaged"),
        ("no vocabulary", "cannot read the vocabulary"),
    ],
)
def test_a_damaged_checkpoint_is_one_sentence(damage: str, message: str, checkpoint: Path) -> None:
    weights, description = checkpoint / "model.safetensors", json.loads((checkpoint / "config.json").read_text())
    match damage:
        case "truncate":
            weights.write_bytes(weights.read_bytes()[:1000])
        case "no weights":
            weights.unlink()
        case "other format":
            description["format_version"] = 99
        case "unknown key":
            description["model"]["latent"]["latent_dmi"] = 3
        case "other vocabulary":
            description["vocabulary_size"] += 1
        case "other size":
            description["model"]["latent"]["latent_dim"] = 9
        case "no vocabulary":
            (checkpoint / "vocabulary.json").unlink()
    text = json.dumps(description)
    (checkpoint / "config.json").write_text(text[:50] if damage == "no json" else text)
    with pytest.raises(CheckpointError, match=message) as caught:
        load_checkpoint(checkpoint)
    assert "\n" not in str(caught.value).strip()
