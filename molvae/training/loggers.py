"""Loggers beside `metrics.csv`: TensorBoard and Weights & Biases, through Lightning."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger

from molvae.errors import MissingExtraError
from molvae.training.config import LoggerName


def open_loggers(names: Sequence[LoggerName], out: Path, settings: dict[str, Any]) -> list[Logger]:
    """The loggers of a run, which know its settings.

    Args:
        names: which.
        out: the run's folder; TensorBoard's files go to `metrics/tensorboard` in it.
        settings: plain values.

    Raises:
        MissingExtraError: when a package is not installed.
    """
    loggers = []
    for name in dict.fromkeys(names):
        try:
            logger = _open(name, out)
        except ModuleNotFoundError as error:
            if name == "tensorboard":
                raise MissingExtraError.of("the logger tensorboard needs the package tensorboard", "loggers") from error
            raise MissingExtraError("the logger wandb needs the package wandb: pip install wandb") from error
        logger.log_hyperparams(settings)
        loggers.append(logger)
    return loggers


def _open(name: LoggerName, out: Path) -> Logger:
    if name == "tensorboard":
        from pytorch_lightning.loggers import TensorBoardLogger

        return TensorBoardLogger(out, name="metrics", version="tensorboard")
    from pytorch_lightning.loggers import WandbLogger

    return WandbLogger(name=out.name, project="molvae", save_dir=out)
