"""Fitting property heads to a trained model, which does not change: for other properties, or better predictions."""

from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor

from molvae.checkpoint import replace_heads
from molvae.data.prepared import PreparedData
from molvae.errors import PreparedDataError
from molvae.evaluation.collapse import r_squared
from molvae.nn.build import build_heads
from molvae.nn.heads import PropertyHeads
from molvae.nn.vae import MolVAE
from molvae.processes import in_first
from molvae.progress import SILENT, Progress
from molvae.training.clock import TrainingClock
from molvae.training.losses import loss_of_heads
from molvae.training.second_stage import (
    HELD_OUT,
    batches_per_pass,
    encode,
    fit,
    identity_of,
    open_with_data,
    state_of,
)
from molvae.training.selection import held_out_molecules, training_molecules
from molvae.training.state import ResumableModule, SavedState

RESUMABLE_WITH_OTHER = ("max_time", "max_epochs", "save_every", "device", "progress")


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
    max_epochs: int | None = None,
    molecules: int = 200_000,
    batch_size: int = 256,
    learning_rate: float = 3e-3,
    seed: int = 0,
    save_every: int = 500,
    state: SavedState | None = None,
    identity: str = "",
    device: str = "auto",
    progress: Progress = SILENT,
) -> HeadsReport:
    """Fit heads to the posterior means, or VQ codes, of a trained model.

    Args:
        model: the model, in eval mode; it does not change.
        heads: the heads, for properties of the folder; they are fitted in place.
        data: a prepared folder with the model's vocabulary.
        max_time: the time for fitting.
        max_epochs: the most passes over the molecules; the learning rate decays to 0 over the passes or the time,
            whichever ends first.
        molecules: the most training molecules to fit to.
        batch_size: molecules per batch.
        learning_rate: the learning rate at the start.
        seed: seed of the choice of molecules and of their order.
        save_every: number of steps between two saves of the state.
        state: where the state is saved, and that it goes on from if there is one; `None` saves none.
        identity: saved with the state, see `molvae.training.second_stage.identity_of`.
        device: "auto", "cpu" or "cuda".
        progress: reports molecules encoded and the share of the time used.
    """
    pl.seed_everything(seed, verbose=False)
    max_tokens = model.encoder.max_tokens
    train = training_molecules(data, max_tokens).draw(molecules, np.random.default_rng(seed))
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
    per_pass = batches_per_pass(train_set, batch_size)
    clock = TrainingClock(max_steps=None if max_epochs is None else max_epochs * per_pass, max_time=max_time)
    module = _HeadsModule(heads, learning_rate, clock, identity=identity)
    fit(
        module,
        train_set,
        batch_size=batch_size,
        seed=seed,
        title="Fitting the heads",
        state=state,
        save_every=save_every,
        device=device,
        progress=progress,
    )
    heads.cpu().eval()
    with torch.no_grad():
        r2 = r_squared(heads.predict(valid_set.tensors[0]), valid_set.tensors[1])
    return HeadsReport(
        property_r2=dict(zip(heads.names, (round(v, 5) for v in r2.tolist()), strict=True)),
        molecules=len(train),
        epochs=module.batches_done // per_pass,
        seconds=round(clock.seconds, 1),
    )


class _HeadsModule(ResumableModule):
    """Minimizes the loss of standardized properties; the learning rate decays linearly to 0."""

    def __init__(self, heads: PropertyHeads, learning_rate: float, clock: TrainingClock, *, identity: str) -> None:
        super().__init__(clock, identity=identity)
        self.heads = heads
        self.learning_rate = learning_rate

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.heads.parameters(), lr=self.learning_rate, weight_decay=1e-4)

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = self.learning_rate * (1.0 - self.progress)
        return loss_of_heads(self.heads, batch[0], batch[1])


def fit_heads_of(
    path: str | Path,
    data: PreparedData,
    *,
    properties: tuple[str, ...] | None = None,
    seed: int = 0,
    resume: bool = False,
    **how: Any,
) -> HeadsReport:
    """Fit heads to the model of a checkpoint directory, and replace its heads by them.

    Args:
        path: the checkpoint directory.
        data: a prepared folder with the model's vocabulary.
        properties: properties of the folder to predict; `None` takes all of them.
        seed: seed of the untrained heads, of the choice of molecules and of their order.
        resume: go on where an interrupted fit of the same heads to the same model has stopped. Until the heads are in
            the directory, the state is in a folder beside it, whose name ends in `.heads`.
        how: further arguments of `fit_heads`.

    Raises:
        PreparedDataError: when the folder has another vocabulary, or lacks a property.
    """
    return in_first(lambda: _fit_heads_of(path, data, properties=properties, seed=seed, resume=resume, how=how))


def _fit_heads_of(
    path: str | Path,
    data: PreparedData,
    *,
    properties: tuple[str, ...] | None,
    seed: int,
    resume: bool,
    how: dict[str, Any],
) -> HeadsReport:
    checkpoint, data = open_with_data(path, data, hint="prepare it with the model's")
    statistics = data.statistics.select(data.statistics.names if properties is None else properties)
    if not statistics.names:
        raise PreparedDataError(f"{data.path} has no properties to fit heads to")
    path = Path(path)
    settings = {"properties": statistics.names, "seed": seed, **how}
    same = {name: value for name, value in settings.items() if name not in RESUMABLE_WITH_OTHER}
    identity = identity_of(path, data, same)
    state = state_of(path, "heads", identity, resume=resume)
    pl.seed_everything(seed, verbose=False)
    heads = build_heads(checkpoint.config, checkpoint.model.latent, statistics.names, statistics.mean, statistics.std)
    report = fit_heads(checkpoint.model, heads, data, seed=seed, state=state, identity=identity, **how)
    replace_heads(path, checkpoint, heads, report=report.to_json())
    state.remove()
    return report
