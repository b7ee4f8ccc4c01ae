import sys
from pathlib import Path

import pytest

from molvae.data.prepared import PreparedData
from molvae.errors import MissingExtraError
from molvae.training.config import ExperimentConfig
from molvae.training.fit import train


def logging_to(name: str, experiment: ExperimentConfig) -> ExperimentConfig:
    training = experiment.training.model_copy(update={"loggers": (name,)})
    return experiment.model_copy(update={"training": training})


def test_tensorboard_gets_what_the_table_gets(
    experiment: ExperimentConfig, prepared: PreparedData, tmp_path: Path
) -> None:
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    train(logging_to("tensorboard", experiment), prepared, tmp_path / "run", device="cpu")
    known = events.EventAccumulator(str(tmp_path / "run" / "metrics" / "tensorboard"))
    known.Reload()
    table = (tmp_path / "run" / "metrics" / "metrics.csv").read_text().splitlines()
    assert {"valid/kl", "valid/exact"} <= set(known.Tags()["scalars"])
    assert [point.step for point in known.Scalars("valid/kl")] == [3, 6]
    assert len(table) > 2


def test_a_logger_that_is_not_installed_is_named(
    experiment: ExperimentConfig, prepared: PreparedData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    monkeypatch.setattr("pytorch_lightning.loggers.wandb._WANDB_AVAILABLE", False)
    with pytest.raises(MissingExtraError, match="pip install wandb"):
        train(logging_to("wandb", experiment), prepared, tmp_path / "run", device="cpu")
