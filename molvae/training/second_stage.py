"""What fitting something to a finished, unchanging latent takes: its molecules encoded once, and a quiet trainer."""

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
    """A checkpoint, and the folder as its encoder reads it.

    Raises:
        PreparedDataError: when the folder has another vocabulary, with the hint what to do.
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
    """What `of_batch` gives for molecules `(n, …)`, and their named properties `(n, P)`, on the CPU."""
    columns = np.array([data.statistics.names.index(name) for name in names], dtype=np.int64)
    codes, properties = [], []
    with progress.stage("Encoding", total=len(indices)) as stage:
        for batch in ordered_batches(data, indices, batch_size=ENCODE_BATCH, property_index=columns):
            codes.append(of_batch(batch.to(device)).cpu())
            properties.append(batch.properties if batch.properties is not None else torch.empty(len(batch), 0))
            stage.advance(len(batch))
    return TensorDataset(torch.cat(codes), torch.cat(properties))


def shuffled_batches(data: TensorDataset, batch_size: int) -> DataLoader:
    """Batches in a new order every pass, each indexed at once and not row by row."""
    order = BatchSampler(RandomSampler(data), batch_size, drop_last=False)
    return DataLoader(data, sampler=order, batch_size=None)


def quiet_trainer(
    device: str, *, max_epochs: int, callbacks: list[pl.Callback], precision: Precision = "32-true"
) -> pl.Trainer:
    """A trainer that writes nothing and shows nothing."""
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
    """Reports the share of the time that is used, in percent."""

    def __init__(self, stage: Stage, timer: Timer, max_time: timedelta) -> None:
        self.stage, self.timer, self.seconds = stage, timer, max_time.total_seconds()
        self.shown = 0

    def on_train_batch_end(self, *_: Any) -> None:
        """Move on by whole percents."""
        percent = int(min(100.0, 100 * self.timer.time_elapsed() / self.seconds))
        self.stage.advance(percent - self.shown)
        self.shown = percent

    def on_train_end(self, *_: Any) -> None:
        """Fitting that stops early is done too."""
        self.stage.advance(100 - self.shown)
