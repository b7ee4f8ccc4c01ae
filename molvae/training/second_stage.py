"""Helpers for fitting priors or heads to a trained model: molecules are encoded once, and the trainer is silent."""

import tempfile
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Timer
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, TensorDataset

from molvae.checkpoint import Checkpoint, load_checkpoint
from molvae.data.batches import MolBatch, ordered_batches
from molvae.data.prepared import PreparedData
from molvae.errors import PreparedDataError
from molvae.progress import Progress, Stage
from molvae.training.config import Precision
from molvae.training.fit import lightning_device

ENCODE_BATCH = 1024
HELD_OUT = 5000


def open_with_data(path: str | Path, data: PreparedData, *, hint: str) -> tuple[Checkpoint, PreparedData]:
    """Load a checkpoint, and add graphs to the prepared folder if its encoder reads them.

    Raises:
        PreparedDataError: when the folder has another vocabulary; the message ends with `hint`.
    """
    checkpoint = load_checkpoint(path)
    if checkpoint.vocabulary != data.vocabulary:
        raise PreparedDataError(f"{data.path} has another vocabulary than {path}; {hint}")
    return checkpoint, data.with_graphs() if checkpoint.model.encoder.reads_graphs else data


@torch.no_grad()
def encode(
    of_batch: Callable[[MolBatch], Tensor],
    data: PreparedData,
    indices: np.ndarray,
    *,
    names: Sequence[str],
    device: torch.device,
    progress: Progress,
) -> TensorDataset:
    """The results of `of_batch` for all molecules, `(n, …)`, and their named properties, `(n, P)`, on the CPU."""
    columns = np.array([data.statistics.names.index(name) for name in names], dtype=np.int64)
    codes, properties = [], []
    with progress.stage("Encoding", total=len(indices)) as stage:
        for batch in ordered_batches(data, indices, batch_size=ENCODE_BATCH, property_index=columns):
            codes.append(of_batch(batch.to(device)).cpu())
            properties.append(batch.properties if batch.properties is not None else torch.empty(len(batch), 0))
            stage.advance(len(batch))
    return TensorDataset(torch.cat(codes), torch.cat(properties))


def shuffled_batches(data: TensorDataset, batch_size: int) -> DataLoader:
    """Batches that are shuffled anew in every epoch; each batch is gathered at once and not row by row."""
    order = BatchSampler(RandomSampler(data), batch_size, drop_last=False)
    return DataLoader(data, sampler=order, batch_size=None)


def quiet_trainer(
    device: str, *, max_epochs: int, callbacks: list[pl.Callback], precision: Precision = "32-true"
) -> pl.Trainer:
    """A Lightning trainer without logs, checkpoints and progress bars."""
    return pl.Trainer(
        **lightning_device(device),
        precision=precision,
        max_epochs=max_epochs,
        callbacks=callbacks,
        gradient_clip_val=1.0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tempfile.gettempdir(),
    )


class ShowTime(pl.Callback):
    """Reports the used share of the time, in percent."""

    def __init__(self, stage: Stage, timer: Timer, max_time: timedelta) -> None:
        self.stage, self.timer, self.seconds = stage, timer, max_time.total_seconds()
        self.shown = 0

    def on_train_batch_end(self, *_: Any) -> None:
        """Report progress in whole percents."""
        percent = int(min(100.0, 100 * self.timer.time_elapsed() / self.seconds))
        self.stage.advance(percent - self.shown)
        self.shown = percent

    def on_train_end(self, *_: Any) -> None:
        """Report 100 %, also if fitting stops early."""
        self.stage.advance(100 - self.shown)
