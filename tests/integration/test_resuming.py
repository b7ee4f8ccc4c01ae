"""An interrupted run ends where an uninterrupted one ends, bit for bit."""

import csv
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from molvae.data.prepared import PreparedData
from molvae.errors import CheckpointError
from molvae.interruption import Interrupted, raise_interrupted
from molvae.training.config import ExperimentConfig
from molvae.training.fit import train
from molvae.training.module import VAEModule
from molvae.training.state import ResumableModule

STEPS = 14  # over three passes of five batches, with two batches a step

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
    "randomized": {"training": {"randomized_smiles": True, "patience": 3}},
}


class Killed(Exception):
    """Ends training as SIGKILL does: nothing is saved."""


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


def interrupt(monkeypatch: pytest.MonkeyPatch, module: type[ResumableModule], at: int, how: signal.Signals) -> None:
    """From now on, the batch `at` of a run is interrupted."""
    step = module.training_step

    def interrupted(self: Any, batch: Any, batch_idx: int) -> Any:
        if self.batches_done == at:
            if how == signal.SIGKILL:
                raise Killed
            os.kill(os.getpid(), how)
        return step(self, batch, batch_idx)

    monkeypatch.setattr(module, "training_step", interrupted)


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
    return {"graph": prepared_with_graphs, "randomized": prepared_with_randomized} | dict.fromkeys(
        ("gaussian", "vq", "conditional", "joint"), prepared
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_that_is_interrupted_three_times_ends_as_one_that_is_not(
    kind: str,
    experiment: ExperimentConfig,
    folders: dict[str, PreparedData],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config, data = of_kind(kind, experiment), folders[kind]
    train(config, data, tmp_path / "whole", device="cpu")
    out = tmp_path / "interrupted"
    for i, (at, how) in enumerate([(6, signal.SIGTERM), (13, signal.SIGKILL), (21, signal.SIGINT)]):
        expected = Killed if how == signal.SIGKILL else Interrupted
        with monkeypatch.context() as patch, raise_interrupted(), pytest.raises(expected):
            interrupt(patch, VAEModule, at, how)
            train(config, data, out, device="cpu", resume=i > 0)
        assert not (out / "model").exists()
    train(config, data, out, device="cpu", resume=True)
    assert_equal(outcome(out), outcome(tmp_path / "whole"))
