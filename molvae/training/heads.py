"""Fitting property heads to a trained model, which does not change: for other properties, or better predictions."""

from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Timer
from torch import Tensor

from molvae.checkpoint import replace_heads
from molvae.data.prepared import PreparedData
from molvae.errors import PreparedDataError
from molvae.evaluation.collapse import r_squared
from molvae.nn.build import build_heads
from molvae.nn.heads import PropertyHeads
from molvae.nn.vae import MolVAE
from molvae.progress import SILENT, Progress
from molvae.training.fit import quiet_lightning
from molvae.training.losses import property_loss
from molvae.training.second_stage import HELD_OUT, ShowTime, encode, open_with_data, quiet_trainer, shuffled_batches
from molvae.training.selection import held_out_molecules, training_molecules


@dataclass(frozen=True)
class HeadsReport:
    """The result of fitting heads.

    Attributes:
        property_r2: R² of each property on held-out molecules; nan without labels.
        molecules: number of molecules that the heads were fitted to.
        epochs: number of passes over them.
        seconds: time spent.
    """

    property_r2: dict[str, float]
    molecules: int
    epochs: int
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """The report as plain values, for `diagnostics.json`."""
        return asdict(self)


def fit_heads(
    model: MolVAE,
    heads: PropertyHeads,
    data: PreparedData,
    *,
    max_time: timedelta = timedelta(minutes=5),
    molecules: int = 200_000,
    batch_size: int = 256,
    learning_rate: float = 3e-3,
    seed: int = 0,
    device: str = "auto",
    progress: Progress = SILENT,
) -> HeadsReport:
    """Fit heads to the posterior means, or VQ codes, of a trained model.

    Args:
        model: the model, in eval mode; it does not change.
        heads: the heads, for properties of the folder; they are fitted in place.
        data: a prepared folder with the model's vocabulary.
        max_time: the time for fitting, over which the learning rate decays to 0.
        molecules: the most training molecules to fit to.
        batch_size: molecules per batch.
        learning_rate: the learning rate at the start.
        seed: seed of the choice of molecules and of their order.
        device: "auto", "cpu" or "cuda".
        progress: reports molecules encoded and the share of the time used.
    """
    pl.seed_everything(seed, verbose=False)
    max_tokens = model.encoder.max_tokens
    train = np.sort(np.random.default_rng(seed).permutation(training_molecules(data, max_tokens))[:molecules])
    train_set, valid_set = (
        encode(
            lambda batch: model.encode(batch).mean,
            data,
            indices,
            names=heads.names,
            device=next(model.parameters()).device,
            progress=progress,
        )
        for indices in (train, held_out_molecules(data, HELD_OUT, seed, max_tokens))
    )
    module = _HeadsModule(heads, learning_rate, max_time.total_seconds())
    with progress.stage("Fitting the heads", total=100, unit="%") as stage, quiet_lightning():
        timer = Timer(duration=max_time, interval="step")
        module.clock = timer
        trainer = quiet_trainer(device, max_epochs=-1, callbacks=[timer, ShowTime(stage, timer, max_time)])
        trainer.fit(module, shuffled_batches(train_set, batch_size))
    heads.cpu().eval()
    with torch.no_grad():
        r2 = r_squared(heads.predict(valid_set.tensors[0]), valid_set.tensors[1])
    return HeadsReport(
        property_r2=dict(zip(heads.names, (round(v, 5) for v in r2.tolist()), strict=True)),
        molecules=len(train),
        epochs=trainer.current_epoch,
        seconds=round(timer.time_elapsed(), 1),
    )


class _HeadsModule(pl.LightningModule):
    """Minimizes the mean squared error of standardized properties; the learning rate decays linearly with time."""

    clock: Timer

    def __init__(self, heads: PropertyHeads, learning_rate: float, seconds: float) -> None:
        super().__init__()
        self.heads = heads
        self.learning_rate = learning_rate
        self.seconds = seconds

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.heads.parameters(), lr=self.learning_rate, weight_decay=1e-4)

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        left = max(0.0, 1.0 - self.clock.time_elapsed() / self.seconds)
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = self.learning_rate * left
        return property_loss(self.heads(batch[0]), self.heads.standardize(batch[1]))


def fit_heads_of(
    path: str | Path, data: PreparedData, *, properties: tuple[str, ...] | None = None, **how: Any
) -> HeadsReport:
    """Fit heads to the model of a checkpoint directory, and replace its heads by them.

    Args:
        path: the checkpoint directory.
        data: a prepared folder with the model's vocabulary.
        properties: properties of the folder to predict; `None` takes all of them.
        how: further arguments of `fit_heads`.

    Raises:
        PreparedDataError: when the folder has another vocabulary, or lacks a property.
    """
    checkpoint, data = open_with_data(path, data, hint="prepare it with the model's")
    statistics = data.statistics.select(data.statistics.names if properties is None else properties)
    if not statistics.names:
        raise PreparedDataError(f"{data.path} has no properties to fit heads to")
    heads = build_heads(checkpoint.config, checkpoint.model.latent, statistics.names, statistics.mean, statistics.std)
    report = fit_heads(checkpoint.model, heads, data, **how)
    replace_heads(path, checkpoint, heads, report=report.to_json())
    return report
