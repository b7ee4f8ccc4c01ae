"""Options of training: what happens on collapse, short molecules first, hidden tokens, heads with a variance."""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import molvae
from molvae.data.batches import TokenBatches
from molvae.data.prepared import PreparedData
from molvae.training.clock import TrainingClock
from molvae.training.config import ExperimentConfig
from molvae.training.fit import train
from molvae.training.module import VAEModule


def changed(experiment: ExperimentConfig, **sections: dict[str, Any]) -> ExperimentConfig:
    values = experiment.model_dump()
    for name, settings in sections.items():
        for key, value in settings.items():
            values[name][key] = (values[name][key] | value) if isinstance(value, dict) and value else value
    return ExperimentConfig.model_validate(values)


def collapsing(experiment: ExperimentConfig, policy: str) -> ExperimentConfig:
    beta = {"kind": "constant", "beta": 100.0}
    values = experiment.model_dump()
    values["training"] |= {
        "beta": beta,
        "on_collapse": policy,
        "max_steps": 60,
        "valid_every": 15,
        "learning_rate": 0.02,
    }
    return ExperimentConfig.model_validate(values)


def history(run: Path) -> dict[str, Any]:
    return json.loads((run / "model" / "diagnostics.json").read_text(encoding="utf-8"))["training"]


def test_a_collapsed_run_goes_on_with_a_weaker_decoder_and_says_what_changed(
    experiment: ExperimentConfig, prepared: PreparedData, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        train(collapsing(experiment, "restart"), prepared, tmp_path, device="cpu")
    told = [r.getMessage() for r in caplog.records if "going on with" in r.getMessage()]
    assert "decoder.token_dropout 0 → 0.2, and beta from 50 again, up to 50" in told[0]
    restarts = history(tmp_path)["restarts"]
    assert restarts[0]["token_dropout"] == 0.2
    assert restarts[0]["factor"] == 0.5
    assert history(tmp_path)["beta"] == 100.0 * restarts[-1]["factor"]


def test_a_collapsed_run_stops_when_that_is_asked_for(
    experiment: ExperimentConfig, prepared: PreparedData, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        train(collapsing(experiment, "stop"), prepared, tmp_path, device="cpu")
    assert any(r.getMessage().startswith("stopping at step") for r in caplog.records)
    assert history(tmp_path)["steps"] < 60


def test_a_collapsed_run_goes_on_unchanged_by_default(
    experiment: ExperimentConfig, prepared: PreparedData, tmp_path: Path
) -> None:
    train(collapsing(experiment, "warn"), prepared, tmp_path, device="cpu")
    assert history(tmp_path)["steps"] == 60
    assert history(tmp_path)["restarts"] == []


def test_the_first_pass_goes_from_short_to_long_and_the_next_does_not(prepared: PreparedData) -> None:
    stream = TokenBatches(prepared, np.arange(len(prepared)), batch_size=2, short_first=True)
    lengths = prepared.offsets[1:] - prepared.offsets[:-1]
    first, second = ([int(lengths[i]) for batch in stream.order(epoch) for i in batch] for epoch in (0, 1))
    assert sorted(first) == sorted(second)
    window = 64 * 2
    assert len(first) <= window or max(first[:window]) <= min(first[window:])


def test_corruption_hides_tokens_from_the_encoder_only(experiment: ExperimentConfig, prepared: PreparedData) -> None:
    from molvae.data.batches import collate
    from molvae.data.vocabulary import MASK
    from molvae.nn.build import build_model

    settings = changed(experiment, training={"corruption": 0.5}).training
    model = build_model(experiment.model, vocabulary_size=len(prepared.vocabulary))
    module = VAEModule(model, settings, TrainingClock(max_steps=1))
    batch = collate(prepared, np.arange(8))
    torch.manual_seed(0)
    corrupted = module._corrupted(batch)
    assert torch.equal(corrupted.token_ids, batch.token_ids)
    hidden = corrupted.source[0] == MASK
    assert 0.2 < float(hidden.sum() / (batch.token_ids > MASK).sum()) < 0.8
    assert torch.equal(corrupted.source[0][~hidden], batch.token_ids[~hidden])


def test_a_head_with_a_variance_predicts_as_before(
    experiment: ExperimentConfig, prepared: PreparedData, tmp_path: Path, molecules: tuple[str, ...]
) -> None:
    train(changed(experiment, model={"heads": {"likelihood": "gaussian"}}), prepared, tmp_path, device="cpu")
    vae = molvae.load(tmp_path, device="cpu")
    assert vae.properties(molecules).notna().all(axis=None)
    z = torch.from_numpy(vae.encode(molecules[:3]))
    mean, logvar = vae.model.heads.distribution(z)
    assert mean.shape == logvar.shape == (3, len(vae.model.heads.names))
    torch.testing.assert_close(mean, vae.model.heads(z))
