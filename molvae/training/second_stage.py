"""What fitting a prior or heads to a trained model shares: molecules are encoded once, and the fit can be resumed."""

import hashlib
import json
import logging
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from molvae.checkpoint import Checkpoint, load_checkpoint
from molvae.data.batches import MolBatch, ordered_batches
from molvae.data.prepared import PreparedData
from molvae.errors import PreparedDataError
from molvae.interruption import hold_signals
from molvae.progress import Progress, Stage
from molvae.training.config import Precision
from molvae.training.fit import fit_from
from molvae.training.launch import quiet_lightning, trainer_arguments
from molvae.training.state import ResumableModule, SavedState, SaveLast, StopAtBudget, batches_done

log = logging.getLogger(__name__)

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


class ShuffledBatches(IterableDataset):
    """An endless stream of batches, shuffled anew in every pass, reproducible from the seed.

    Args:
        data: the tensors that batches are gathered from.
        batch_size: rows per batch; the last batch of a pass may be smaller.
        seed: seed of the order.
        start: number of batches to skip, to continue where an interrupted fit stopped.
    """

    def __init__(self, data: TensorDataset, batch_size: int, *, seed: int, start: int = 0) -> None:
        super().__init__()
        self.data = data
        self.batch_size = batch_size
        self.seed = seed
        self.start = start

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        number, skip = divmod(self.start, batches_per_pass(self.data, self.batch_size))
        while True:
            order = torch.from_numpy(np.random.default_rng((self.seed, number)).permutation(len(self.data)))
            for rows in order.split(self.batch_size)[skip:]:
                yield self.data[rows]
            number, skip = number + 1, 0


def batches_per_pass(data: TensorDataset, batch_size: int) -> int:
    """The number of batches in one pass over the data."""
    return -(-len(data) // batch_size)


def fit(
    module: ResumableModule,
    data: TensorDataset,
    *,
    batch_size: int,
    seed: int,
    title: str,
    state: SavedState | None,
    save_every: int,
    device: str,
    progress: Progress,
    callbacks: Sequence[pl.Callback] = (),
    precision: Precision = "32-true",
) -> None:
    """Train a module until its budget is used up, without logs, from its saved state if there is one.

    SIGINT and SIGTERM are held back until the state is saved, at the end of a batch.

    Args:
        module: the module; its `clock` has the budget.
        data: what it is fitted to.
        batch_size: rows per batch.
        seed: seed of their order.
        title: what the progress bar says.
        state: where the state is saved; `None` saves none.
        save_every: number of steps between two saves.
        device: "auto", "cpu" or "cuda".
        progress: reports the share of the budget used.
        callbacks: what happens after a batch, before its state is saved.
        precision: the numeric precision.
    """
    saved = None if state is None else state.newest()
    stream = ShuffledBatches(data, batch_size, seed=seed, start=0 if saved is None else batches_done(saved[1]))
    with hold_signals() as held, progress.stage(title, total=100, unit="%") as stage, quiet_lightning():
        save_last = SaveLast(state, every=save_every, held=held)
        trainer = pl.Trainer(
            **trainer_arguments(device),
            precision=precision,
            max_epochs=-1,
            max_steps=module.clock.max_steps or -1,
            callbacks=[StopAtBudget(), *callbacks, save_last, _ShowBudget(stage)],
            gradient_clip_val=1.0,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=tempfile.gettempdir(),
        )
        fit_from(trainer, module, DataLoader(stream, batch_size=None), saved)
        save_last.save(trainer)


def state_of(path: Path, part: str, identity: str, *, resume: bool) -> SavedState:
    """Where the state of fitting a part of a checkpoint is saved: beside the checkpoint, until the part is in it.

    A state that is not to be resumed, or that is of another model, data or settings, is removed.

    Args:
        path: the checkpoint directory.
        part: "prior" or "heads".
        identity: see `identity_of`.
        resume: go on from the state if there is one.
    """
    state = SavedState(path.with_name(f"{path.name}.{part}") / "last.ckpt")
    saved = state.newest() if resume else None
    if saved is not None and saved[1]["molvae"].get("identity") == identity:
        return state
    if saved is not None:
        log.warning("%s is of another model, other data or settings; fitting from the beginning", saved[0])
    state.remove()
    return state


def identity_of(path: Path, data: PreparedData, settings: Mapping[str, Any]) -> str:
    """A hash of all that an interrupted fit has to have in common with the one that goes on with it."""
    hashed = hashlib.sha256((path / "model.safetensors").read_bytes())
    sources = {"data": [data.meta["sources"], data.meta["options"]], "settings": settings}
    hashed.update(json.dumps(sources, sort_keys=True, default=str).encode())
    return hashed.hexdigest()


class _ShowBudget(pl.Callback):
    """Reports the used share of the budget, in percent."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.shown = 0

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Report progress in whole percents."""
        assert isinstance(pl_module, ResumableModule)
        self._show(int(100 * pl_module.progress))

    def on_train_end(self, *_: Any) -> None:
        """Report 100 %, also if fitting stops early."""
        self._show(100)

    def _show(self, percent: int) -> None:
        self.stage.advance(percent - self.shown)
        self.shown = percent
