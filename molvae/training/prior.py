"""The second stage: fitting a prior to posterior samples of the training molecules of a trained model."""

import copy
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping, Timer
from torch import Tensor
from torch.utils.data import TensorDataset

from molvae.checkpoint import add_prior, load_checkpoint, prior_config
from molvae.data.batches import ordered_batches
from molvae.data.prepared import PreparedData
from molvae.errors import ConfigError
from molvae.nn.likelihood import QUANTILES, per_symbol_quantiles
from molvae.nn.priors.base import Prior
from molvae.nn.vae import MolVAE
from molvae.progress import SILENT, Progress
from molvae.training.config import PriorFitConfig
from molvae.training.fit import quiet_lightning
from molvae.training.schedules import warm_cosine
from molvae.training.second_stage import (
    ENCODE_BATCH,
    HELD_OUT,
    ShowTime,
    encode,
    open_with_data,
    quiet_trainer,
    shuffled_batches,
)
from molvae.training.selection import held_out_molecules, training_molecules

WARMUP = 100  # steps of the learning rate's warm-up


@dataclass(frozen=True)
class PriorReport:
    """The result of fitting a prior.

    Attributes:
        kl: KL(q(z|x) ‖ learned prior) on held-out molecules, nats per molecule.
        kl_standard: KL(q(z|x) ‖ standard prior) of the same molecules, for comparison.
        molecules: number of molecules that the prior was fitted to.
        epochs: number of passes over them.
        seconds: time spent.
    """

    kl: float
    kl_standard: float
    molecules: int
    epochs: int
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """The report as plain values, for `diagnostics.json`."""
        return asdict(self)


def fit_prior(
    model: MolVAE,
    data: PreparedData,
    config: PriorFitConfig,
    *,
    start: Prior | None = None,
    device: str = "auto",
    progress: Progress = SILENT,
) -> tuple[Prior, PriorReport]:
    """Fit a prior to a trained model, which does not change.

    Args:
        model: the model, in eval mode.
        data: the prepared folder that the model was trained on.
        config: the settings of the prior and of the fitting.
        start: a prior with the same settings, whose weights fitting starts from.
        device: "auto", "cpu" or "cuda".
        progress: reports molecules encoded and the share of the time used.

    Raises:
        ConfigError: for an unknown device, or one that does not exist.
    """
    pl.seed_everything(config.seed, verbose=False)
    prior = config.model.build(model.latent, condition_dim=model.condition_dim)
    rng = np.random.default_rng(config.seed)
    max_tokens = model.encoder.max_tokens
    train = np.sort(rng.permutation(training_molecules(data, max_tokens))[: config.molecules])
    valid = held_out_molecules(data, HELD_OUT, config.seed, max_tokens)
    train_set, valid_set = (
        encode(
            lambda batch: model.latent.posterior(model.encoder(batch)),
            data,
            indices,
            names=() if model.condition is None else model.heads.names,
            device=next(model.parameters()).device,
            progress=progress,
        )
        for indices in (train, valid)
    )
    module = _PriorModule(prior, model, valid_set, config)
    if start is not None:
        prior.load_state_dict(start.state_dict())
    with torch.no_grad():
        prior.fit_scale(model.latent.sample_posterior(train_set.tensors[0], generator=_generator()))
    with progress.stage("Fitting the prior", total=100, unit="%") as stage, quiet_lightning():
        timer = Timer(duration=config.max_time, interval="step")
        module.timer = timer
        stop = EarlyStopping("valid/loss", patience=config.patience, min_delta=1e-3, check_on_train_epoch_end=True)
        trainer = quiet_trainer(
            device,
            max_epochs=config.max_epochs,
            callbacks=[timer, stop, ShowTime(stage, timer, config.max_time)],
            precision=config.precision,
        )
        trainer.fit(module, shuffled_batches(train_set, config.batch_size))
    module.cpu()
    module.judge()
    module.restore_best()
    prior.eval()
    posteriors = valid_set.tensors[0][: prior.affordable]
    target = model.latent.sample_posterior(posteriors, generator=_generator())
    entropy = float(model.latent.entropy(posteriors).mean())
    with torch.no_grad():
        learned = prior.log_prob(target, condition=model.embed_condition(len(target)))
        standard = model.latent.standard_prior().log_prob(target)
    report = PriorReport(
        kl=-float(learned.mean()) - entropy,
        kl_standard=-float(standard.mean()) - entropy,
        molecules=len(train),
        epochs=trainer.current_epoch,
        seconds=round(timer.time_elapsed(), 1),
    )
    return prior, report


class _PriorModule(pl.LightningModule):
    """Minimizes the prior's loss on fresh posterior samples; keeps the weights with the best held-out loss."""

    def __init__(self, prior: Prior, model: MolVAE, valid_set: TensorDataset, config: PriorFitConfig) -> None:
        super().__init__()
        self.prior = prior
        self.average = copy.deepcopy(prior).requires_grad_(False) if config.ema else None
        self._model = (model,)  # in a tuple, so that torch does not register its weights, which are not trained
        self._valid_set = valid_set
        self.config = config
        self.timer: Timer | None = None
        self.best = math.inf
        self._best_state: dict[str, Tensor] = {}

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.prior.parameters(), lr=self.config.learning_rate)

    def on_train_start(self) -> None:
        if self.average is not None:
            self.average.load_state_dict(self.prior.state_dict())  # includes the scales that fit_scale has set

    def on_train_epoch_start(self) -> None:
        if self._model[0].condition is not None:
            self._model[0].condition.train()  # in training mode, it hides labels at random

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = self._learning_rate()
        model, posteriors, properties = self._model[0], batch[0].cpu(), batch[1].cpu()
        with torch.no_grad():
            target = model.latent.sample_posterior(posteriors).to(self.device)
            condition = model.embed_condition(len(target), properties)
        return self.prior.loss(target, condition=self._here(condition)).mean()

    def on_train_batch_end(self, *_: Any) -> None:
        if self.average is not None:
            decay = min(self.config.ema, (1 + self.global_step) / (10 + self.global_step))
            for average, present in zip(self.average.parameters(), self.prior.parameters(), strict=True):
                average.lerp_(present.detach(), 1 - decay)
            for kept, now in zip(self.average.buffers(), self.prior.buffers(), strict=True):
                kept.copy_(now)

    def _learning_rate(self) -> float:
        """Learning rate: a short warm-up, then cosine decay over the budget."""
        spent = 0.0 if self.timer is None else self.timer.time_elapsed() / self.config.max_time.total_seconds()
        steps = self.global_step / (self.config.max_epochs * self.trainer.num_training_batches)
        done = min(1.0, max(spent, steps))
        return self.config.learning_rate * warm_cosine(done, self.global_step, warmup_steps=WARMUP, low=0.0)

    def on_train_epoch_end(self) -> None:
        self.log("valid/loss", self.judge())

    @torch.no_grad()
    def judge(self) -> float:
        """Compute the loss of held-out molecules, and remember the weights if it is the best so far."""
        model = self._model[0].eval()
        judged = self.prior if self.average is None else self.average
        generator = torch.Generator(device=self.device).manual_seed(0)
        target = model.latent.sample_posterior(self._valid_set.tensors[0], generator=_generator()).to(self.device)
        losses = [
            judged.loss(part, condition=self._here(model.embed_condition(len(part))), generator=generator)
            for part in target.split(ENCODE_BATCH)
        ]
        loss = float(torch.cat(losses).mean())
        if loss < self.best:
            self.best = loss
            self._best_state = {name: t.detach().cpu().clone() for name, t in judged.state_dict().items()}
        return loss

    def _here(self, condition: Tensor | None) -> Tensor | None:
        return None if condition is None else condition.to(self.device)

    def restore_best(self) -> None:
        self.prior.load_state_dict(self._best_state)


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def fit_prior_of(
    path: str | Path,
    data: PreparedData,
    config: PriorFitConfig,
    *,
    start: str | Path | None = None,
    device: str = "auto",
    progress: Progress = SILENT,
) -> PriorReport:
    """Fit a prior to the model of a checkpoint directory, and add it to the directory; see `fit_prior`.

    Fitting starts from the prior of the checkpoint `start`, if it has one with the same settings.

    Raises:
        ConfigError: when the prior cannot be used with the model's latent.
        PreparedDataError: when the folder has another vocabulary than the model.
    """
    checkpoint, data = open_with_data(path, data, hint="give the folder it was trained on")
    try:
        config.model.check(checkpoint.config.latent)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    before = None if start is None else load_checkpoint(start).prior
    if before is not None and prior_config(start) != config.model:
        before = None
    prior, report = fit_prior(checkpoint.model, data, config, start=before, device=device, progress=progress)
    held_out = held_out_molecules(data, HELD_OUT, config.seed, checkpoint.model.encoder.max_tokens)[: prior.affordable]
    known = ordered_batches(data, held_out, batch_size=ENCODE_BATCH)
    elbo = {QUANTILES: per_symbol_quantiles(checkpoint.model, prior, known, data.vocabulary.symbol_counts)}
    add_prior(path, prior, config=config.model, report=report.to_json() | elbo)
    return report
