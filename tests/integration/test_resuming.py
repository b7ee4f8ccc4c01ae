"""An interrupted run ends where an uninterrupted one ends, bit for bit."""

import csv
import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch

from molvae.data.prepared import PreparedData
from molvae.errors import CheckpointError
from molvae.interruption import Interrupted, raise_interrupted
from molvae.training.config import ExperimentConfig, PriorFitConfig
from molvae.training.fit import train
from molvae.training.heads import _HeadsModule, fit_heads_of
from molvae.training.module import VAEModule
from molvae.training.prior import _PriorModule, fit_prior_of
from molvae.training.state import ResumableModule

STEPS = 14  # of two batches each: nine passes over twelve molecules

KINDS: dict[str, dict[str, Any]] = {
    "gaussian": {
        "model": {"decoder": {"token_dropout": 0.2, "dropout": 0.1}},
        "training": {"beta": {"kind": "geco", "start": 0.2}, "precision": "bf16-mixed"},
    },
    "vq": {
        "model": {"latent": {"kind": "vq", "n_slots": 3, "n_codes": 8, "code_dim": 2}},
        "training": {"beta": {"kind": "constant", "beta": 1.0}},
    },
    "conditional": {
        "model": {"condition": {"properties": ["assay"]}, "latent": {"free_bits": 0.1}},
        "training": {"beta": {"kind": "cyclical"}},
    },
    "graph": {"model": {"encoder": {"kind": "gnn", "hidden_dim": 8, "n_layers": 2, "h_dim": 16, "dropout": 0.1}}},
    "joint": {"prior": {"fit": "joint", "model": {"kind": "autoregressive", "hidden_dim": 16, "slot_dim": 4}}},
    "critic": {
        "training": {"critic": {"kind": "total_correlation", "hidden_dim": 8}, "corruption": 0.2, "curriculum": True}
    },
    "vae-gan": {"training": {"critic": {"kind": "vae_gan", "hidden_dim": 8}}},
    "gumbel": {"model": {"latent": {"kind": "categorical", "n_slots": 3, "n_codes": 8, "code_dim": 2}}},
    "iwae": {"training": {"objective": {"kind": "iwae", "k": 2, "doubly_reparametrized": True}}},
    "collapsing": {"training": {"on_collapse": "restart", "beta": {"kind": "constant", "beta": 50.0}}},
    "randomized": {"training": {"randomized_smiles": True, "patience": 3}},
}


class KilledError(Exception):
    """Ends training as SIGKILL does: nothing is saved."""


@contextmanager
def interrupted(module: type[ResumableModule], at: int, how: signal.Signals) -> Iterator[None]:
    """What is trained in this block is interrupted in the batch `at`."""
    step = module.training_step

    def interrupted_step(self: Any, batch: Any, batch_idx: int) -> Any:
        if self.batches_done == at:
            if how == signal.SIGKILL:
                raise KilledError
            os.kill(os.getpid(), how)
        return step(self, batch, batch_idx)

    expected = KilledError if how == signal.SIGKILL else Interrupted
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "training_step", interrupted_step)
        with raise_interrupted(), pytest.raises(expected):
            yield


def of_kind(kind: str, experiment: ExperimentConfig) -> ExperimentConfig:
    values = experiment.model_dump(mode="json")
    values["training"] |= {"max_steps": STEPS, "accumulate": 2, "valid_every": 4, "save_every": 5, "warmup_steps": 3}
    for section, changes in KINDS[kind].items():
        if section == "prior":
            values["prior"] = changes
            continue
        for part, change in changes.items():
            same_kind = isinstance(change, dict) and values[section].get(part) and "kind" not in change
            values[section][part] = values[section][part] | change if same_kind else change
    return ExperimentConfig.model_validate(values)


def outcome(out: Path) -> dict[str, Any]:
    """All of a run that has to be equal: everything but times."""
    state = torch.load(out / "last" / "last.ckpt", weights_only=True)
    state["molvae"].pop("clock")
    diagnostics = json.loads((out / "model" / "diagnostics.json").read_text())
    for name in ("seconds", "molecules_per_second"):
        diagnostics["training"].pop(name)
    for row in [*diagnostics["training"]["history"], *state["callbacks"]["Validate"]["history"]]:
        row.pop("seconds")
    with (out / "metrics" / "metrics.csv").open() as file:
        metrics = [{name: v for name, v in row.items() if name != "valid/seconds"} for row in csv.DictReader(file)]
    return {
        "weights": {path.name: path.read_bytes() for path in (out / "model").glob("*.safetensors")},
        "state": state,
        "diagnostics": diagnostics,
        "metrics": metrics,
    }


def assert_equal(found: Any, expected: Any, where: str = "") -> None:
    if isinstance(expected, dict):
        assert found.keys() == expected.keys(), where
        for name, value in expected.items():
            assert_equal(found[name], value, f"{where}/{name}")
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected), where
        for i, (one, other) in enumerate(zip(found, expected, strict=True)):
            assert_equal(one, other, f"{where}/{i}")
    elif isinstance(expected, torch.Tensor):
        assert torch.equal(found.nan_to_num(), expected.nan_to_num()), where
    else:
        assert found == expected or (found != found and expected != expected), where


@pytest.fixture(scope="session")
def folders(
    prepared: PreparedData, prepared_with_graphs: PreparedData, prepared_with_randomized: PreparedData
) -> dict[str, PreparedData]:
    own = {"graph": prepared_with_graphs, "randomized": prepared_with_randomized}
    return dict.fromkeys(KINDS, prepared) | own


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_that_is_interrupted_three_times_ends_as_one_that_is_not(
    kind: str,
    experiment: ExperimentConfig,
    folders: dict[str, PreparedData],
    tmp_path: Path,
) -> None:
    config, data = of_kind(kind, experiment), folders[kind]
    train(config, data, tmp_path / "whole", device="cpu")
    out = tmp_path / "interrupted"
    for i, (at, how) in enumerate([(6, signal.SIGTERM), (13, signal.SIGKILL), (21, signal.SIGINT)]):
        with interrupted(VAEModule, at, how):
            train(config, data, out, device="cpu", resume=i > 0)
        assert not (out / "model").exists()
    train(config, data, out, device="cpu", resume=True)
    assert_equal(outcome(out), outcome(tmp_path / "whole"))


def test_a_run_that_was_stopped_in_a_validation_validates_first(
    experiment: ExperimentConfig, prepared: PreparedData, run: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"

    def stopped(model: Any, batches: Any, **how: Any) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        list(batches)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("molvae.training.callbacks.diagnose", stopped)
        with raise_interrupted(), pytest.raises(Interrupted):
            train(experiment, prepared, out, device="cpu")
    assert torch.load(out / "last" / "last.ckpt", weights_only=True)["global_step"] == 3
    train(experiment, prepared, out, device="cpu", resume=True)
    assert_equal(outcome(out), outcome(run))


def test_a_run_that_was_stopped_before_its_first_save_starts_from_the_beginning(
    experiment: ExperimentConfig, prepared: PreparedData, run: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "run"
    with interrupted(VAEModule, 2, signal.SIGKILL):
        train(experiment, prepared, out, device="cpu")
    train(experiment, prepared, out, device="cpu", resume=True)
    assert "interrupted before its state was first saved; starting from the beginning" in caplog.text
    assert_equal(outcome(out), outcome(run))


def test_a_run_in_the_place_of_another_does_not_go_on_from_its_state(
    experiment: ExperimentConfig, prepared: PreparedData, run: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    shutil.copytree(run, out)
    with interrupted(VAEModule, 2, signal.SIGKILL):
        train(experiment, prepared, out, device="cpu")
    assert not (out / "last").exists()
    assert (out / "model").exists()


@pytest.mark.parametrize("damage", ["cut", "changed", "garbage", "empty", "other", "missing"])
def test_a_damaged_state_falls_back_to_the_one_before_it_and_says_so(
    damage: str,
    experiment: ExperimentConfig,
    prepared: PreparedData,
    run: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    out = tmp_path / "run"
    longer = experiment.model_copy(update={"training": experiment.training.model_copy(update={"save_every": 2})})
    with interrupted(VAEModule, 5, signal.SIGKILL):
        train(longer, prepared, out, device="cpu")
    last = out / "last" / "last.ckpt"
    break_file(last, damage)
    train(longer, prepared, out, device="cpu", resume=True)
    assert damage == "missing" or f"{last} is damaged; going on from the state before it" in caplog.text
    assert_equal(outcome(out)["weights"], outcome(run)["weights"])


def break_file(path: Path, damage: str) -> None:
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    for i in range(middle, middle + 200):  # a single byte may be padding
        content[i] ^= 1
    broken = {"cut": content[:middle], "changed": content, "garbage": b"garbage" * 99, "empty": b""}
    if damage in broken:
        path.write_bytes(broken[damage])
    elif damage == "other":
        torch.save({"loops": {}}, path)
    else:
        path.unlink()


def test_two_damaged_states_are_one_sentence(
    experiment: ExperimentConfig, prepared: PreparedData, run: Path, tmp_path: Path
) -> None:
    shutil.copytree(run, tmp_path / "run")
    for name in ("last", "before"):
        break_file(tmp_path / "run" / "last" / f"{name}.ckpt", "cut")
    with pytest.raises(CheckpointError, match="no whole state to resume from"):
        train(experiment, prepared, tmp_path / "run", device="cpu", resume=True)


def test_the_state_of_a_model_of_other_sizes_is_one_sentence(
    experiment: ExperimentConfig, prepared: PreparedData, run: Path, tmp_path: Path
) -> None:
    shutil.copytree(run, tmp_path / "run")
    values = experiment.model_dump(mode="json")
    values["model"]["latent"]["latent_dim"] = 12
    with pytest.raises(CheckpointError, match="the state of a model of other sizes"):
        train(ExperimentConfig.model_validate(values), prepared, tmp_path / "run", device="cpu", resume=True)


def test_a_budget_of_time_is_resumed_with_the_time_that_is_left(
    experiment: ExperimentConfig, prepared: PreparedData, tmp_path: Path
) -> None:
    timed = {"max_steps": None, "max_time": timedelta(seconds=1.5), "valid_every": 10_000, "save_every": 10_000}
    config = experiment.model_copy(update={"training": experiment.training.model_copy(update=timed)})
    with interrupted(VAEModule, 20, signal.SIGTERM):
        train(config, prepared, tmp_path, device="cpu")
    used = torch.load(tmp_path / "last" / "last.ckpt", weights_only=True)["molvae"]["clock"]["seconds"]
    time.sleep(0.3)  # does not count
    train(config, prepared, tmp_path, device="cpu", resume=True)
    training = json.loads((tmp_path / "model" / "diagnostics.json").read_text())["training"]
    assert 0 < used < training["seconds"] < 2.5
    assert training["steps"] > 20
    train(config, prepared, tmp_path, device="cpu", resume=True)  # nothing is left
    again = json.loads((tmp_path / "model" / "diagnostics.json").read_text())["training"]
    assert again["steps"] == training["steps"]


LATENTS = {
    "gaussian": {"kind": "gaussian", "latent_dim": 8},
    "vq": {"kind": "vq", "n_slots": 3, "n_codes": 4, "code_dim": 2},
}
MIXTURE = {"kind": "autoregressive", "hidden_dim": 16, "slot_dim": 4}
PRIORS = {
    "autoregressive of codes": ("vq", {"kind": "autoregressive", "hidden_dim": 16}),
    "mixture": ("gaussian", MIXTURE),
    "flow": ("gaussian", {"kind": "flow", "n_transforms": 2, "hidden_dims": [16]}),
    "flow matching": ("gaussian", {"kind": "flow_matching", "hidden_dim": 16}),
}


@pytest.mark.parametrize("name", PRIORS)
def test_a_prior_whose_fit_is_interrupted_three_times_is_the_one_of_a_fit_that_is_not(
    name: str,
    experiment: ExperimentConfig,
    prepared: PreparedData,
    tmp_path: Path,
) -> None:
    latent, model = PRIORS[name]
    values = experiment.model_dump(mode="json")
    values["model"]["latent"] = LATENTS[latent]
    values["model"]["condition"] = {"properties": ["assay"]}
    train(ExperimentConfig.model_validate(values), prepared, tmp_path / "whole", device="cpu")
    shutil.copytree(tmp_path / "whole", tmp_path / "interrupted")
    how = {"model": model, "max_epochs": 5, "patience": 5, "batch_size": 4, "save_every": 2, "learning_rate": 0.01}
    config = PriorFitConfig.model_validate(how)
    fit_prior_of(tmp_path / "whole" / "model", prepared, config, device="cpu")
    path = tmp_path / "interrupted" / "model"
    for at, how_ended in [(4, signal.SIGTERM), (8, signal.SIGKILL), (12, signal.SIGINT)]:
        with interrupted(_PriorModule, at, how_ended):
            fit_prior_of(path, prepared, config, resume=True, device="cpu")
        assert not (path / "prior.safetensors").exists()
        assert (path.parent / "model.prior" / "last.ckpt").is_file()
    report = fit_prior_of(path, prepared, config, resume=True, device="cpu")
    weights = [(tmp_path / run / "model" / "prior.safetensors").read_bytes() for run in ("whole", "interrupted")]
    assert weights[0] == weights[1]
    assert report.epochs == 5
    assert not (path.parent / "model.prior").exists()


def test_heads_whose_fit_is_interrupted_are_those_of_a_fit_that_is_not(
    run: Path, prepared: PreparedData, tmp_path: Path
) -> None:
    how: dict[str, Any] = {"max_epochs": 5, "batch_size": 4, "save_every": 2, "device": "cpu"}
    for name in ("whole", "interrupted"):
        shutil.copytree(run / "model", tmp_path / name)
    fit_heads_of(tmp_path / "whole", prepared, **how)
    path = tmp_path / "interrupted"
    for at, how_ended in [(4, signal.SIGTERM), (8, signal.SIGKILL), (12, signal.SIGINT)]:
        with interrupted(_HeadsModule, at, how_ended):
            fit_heads_of(path, prepared, resume=True, **how)
    fit_heads_of(path, prepared, resume=True, **how)
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "interrupted")]
    assert weights[0] == weights[1]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["interrupted", "whole"]


def test_the_state_of_a_fit_to_another_model_is_not_gone_on_from(
    run: Path, prepared: PreparedData, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(run / "model", tmp_path / "model")
    how: dict[str, Any] = {"max_epochs": 3, "batch_size": 4, "device": "cpu"}
    with interrupted(_HeadsModule, 3, signal.SIGTERM):
        fit_heads_of(tmp_path / "model", prepared, **how)
    assert (tmp_path / "model.heads" / "last.ckpt").is_file()
    fit_heads_of(tmp_path / "model", prepared, seed=1, resume=True, **how)
    assert "is of another model, other data or settings; fitting from the beginning" in caplog.text
