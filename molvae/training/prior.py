"""The second stage: fitting a prior to posterior samples of the training molecules of a trained model."""

import copy
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from molvae.checkpoint import add_prior, load_checkpoint, prior_config
from molvae.data.batches import ordered_batches
from molvae.data.prepared import PreparedData
from molvae.errors import ConfigError
from molvae.nn.likelihood import QUANTILES, per_symbol_quantiles
from molvae.nn.priors.base import Prior
from molvae.nn.vae import MolVAE
from molvae.processes import in_first
from molvae.progress import SILENT, Progress
from molvae.training.clock import TrainingClock
from molvae.training.config import PriorFitConfig
from molvae.training.schedules import warm_cosine
from molvae.training.second_stage import (
    ENCODE_BATCH,
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

WARMUP = 100  # steps of the learning rate's warm-up
LEAST_PROGRESS = 1e-3  # nats that a pass has to lower the held-out loss by, to count as progress


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
    state: SavedState | None = None,
    identity: str = "",
    device: str = "auto",
    progress: Progress = SILENT,
) -> tuple[Prior, PriorReport]:
    """Fit a prior to a trained model, which does not change.

    Args:
        model: the model, in eval mode.
        data: the prepared folder that the model was trained on.
        config: the settings of the prior and of the fitting.
        start: a prior with the same settings, whose weights fitting starts from.
        state: where the state is saved, and that it goes on from if there is one; `None` saves none.
        identity: saved with the state, see `molvae.training.second_stage.identity_of`.
        device: "auto", "cpu" or "cuda".
        progress: reports molecules encoded and the share of the time used.

    Raises:
        ConfigError: for an unknown device, or one that does not exist.
    """
    pl.seed_everything(config.seed, verbose=False)
    prior = config.model.build(model.latent, condition_dim=model.condition_dim)
    rng = np.random.default_rng(config.seed)
    max_tokens = model.encoder.max_tokens
    train = training_molecules(data, max_tokens).draw(config.molecules, rng)
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
    if start is not None:
        prior.load_state_dict(start.state_dict())
    with torch.no_grad():
        prior.fit_scale(model.latent.sample_posterior(train_set.tensors[0], generator=_generator()))
    per_pass = batches_per_pass(train_set, config.batch_size)
    clock = TrainingClock(max_steps=config.max_epochs * per_pass, max_time=config.max_time)
    module = _PriorModule(prior, model, valid_set, config, clock, identity=identity)
    fit(
        module,
        train_set,
        batch_size=config.batch_size,
        seed=config.seed,
        title="Fitting the prior",
        state=state,
        save_every=config.save_every,
        device=device,
        progress=progress,
        callbacks=[_JudgeEveryPass(per_pass)],
        precision=config.precision,
    )
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
        epochs=module.batches_done // per_pass,
        seconds=round(clock.seconds, 1),
    )
    return prior, report


class _JudgeEveryPass(pl.Callback):
    """Judges the prior after every pass over the data, and stops fitting when it no longer gets better."""

    def __init__(self, per_pass: int) -> None:
        self.per_pass = per_pass

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop if the fit had been stopped before."""
        self._stop(trainer, pl_module)

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Judge if a pass is complete."""
        assert isinstance(pl_module, _PriorModule)
        if pl_module.batches_done % self.per_pass == 0:
            pl_module.wait(pl_module.judge())
            self._stop(trainer, pl_module)

    def _stop(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        assert isinstance(module, _PriorModule)
        if module.passes_without_progress >= module.config.patience:
            trainer.should_stop = True


class _PriorModule(ResumableModule):
    """Minimizes the prior's loss on fresh posterior samples; keeps the weights with the best held-out loss."""

    def __init__(
        self,
        prior: Prior,
        model: MolVAE,
        valid_set: TensorDataset,
        config: PriorFitConfig,
        clock: TrainingClock,
        *,
        identity: str,
    ) -> None:
        super().__init__(clock, identity=identity)
        self.prior = prior
        self.average = copy.deepcopy(prior).requires_grad_(False) if config.ema else None
        self._model = (model,)  # in a tuple, so that torch does not register its weights, which are not trained
        self._valid_set = valid_set
        self.config = config
        self.best = math.inf
        self._best_state: dict[str, Tensor] = {}
        self.passes_without_progress = 0
        self._to_beat = math.inf

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.prior.parameters(), lr=self.config.learning_rate)

    def on_train_batch_start(self, batch: list[Tensor], batch_idx: int) -> None:
        """Set the learning rate: a short warm-up, then cosine decay over the budget."""
        share = warm_cosine(self.progress, self.global_step, warmup_steps=WARMUP, low=0.0)
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = self.config.learning_rate * share

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        model, posteriors, properties = self._model[0], batch[0].cpu(), batch[1].cpu()
        if model.condition is not None:
            model.condition.train()  # in training mode, it hides labels at random
        with torch.no_grad():
            target = model.latent.sample_posterior(posteriors).to(self.device)
            condition = model.embed_condition(len(target), properties)
        return self.prior.loss(target, condition=self._here(condition)).mean()

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Step, and follow the weights with their moving average."""
        super().optimizer_step(*args, **kwargs)
        if self.average is not None:
            step = self.global_step + 1
            decay = min(self.config.ema, (1 + step) / (10 + step))
            for average, present in zip(self.average.parameters(), self.prior.parameters(), strict=True):
                average.lerp_(present.detach(), 1 - decay)
            for kept, now in zip(self.average.buffers(), self.prior.buffers(), strict=True):
                kept.copy_(now)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        checkpoint["molvae"] |= {
            "best": self.best,
            "best_state": self._best_state,
            "passes_without_progress": self.passes_without_progress,
            "to_beat": self._to_beat,
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_load_checkpoint(checkpoint)
        saved = checkpoint["molvae"]
        self.best, self._best_state = saved["best"], saved["best_state"]
        self.passes_without_progress, self._to_beat = saved["passes_without_progress"], saved["to_beat"]

    def wait(self, loss: float) -> None:
        """Count the passes in a row that have not lowered the held-out loss."""
        better = loss < self._to_beat - LEAST_PROGRESS
        self.passes_without_progress = 0 if better else self.passes_without_progress + 1
        self._to_beat = loss if better else self._to_beat

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
    resume: bool = False,
    device: str = "auto",
    progress: Progress = SILENT,
) -> PriorReport:
    """Fit a prior to the model of a checkpoint directory, and add it to the directory; see `fit_prior`.

    Fitting starts from the prior of the checkpoint `start`, if it has one with the same settings. With `resume` it goes
    on where an interrupted fit of the same prior to the same model has stopped. Until the prior is in the directory,
    the state is in a folder beside it, whose name ends in `.prior`. Of several processes, the first one fits.

    Raises:
        ConfigError: when the prior cannot be used with the model's latent.
        PreparedDataError: when the folder has another vocabulary than the model.
    """
    how: dict[str, Any] = {"start": start, "resume": resume, "device": device, "progress": progress}
    return in_first(lambda: _fit_prior_of(path, data, config, **how))


def _fit_prior_of(
    path: str | Path,
    data: PreparedData,
    config: PriorFitConfig,
    *,
    start: str | Path | None,
    resume: bool,
    device: str,
    progress: Progress,
) -> PriorReport:
    checkpoint, data = open_with_data(path, data, hint="give the folder it was trained on")
    try:
        config.model.check(checkpoint.config.latent)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    before = None if start is None else load_checkpoint(start).prior
    if before is not None and prior_config(start) != config.model:
        before = None
    path = Path(path)
    identity = identity_of(path, data, config.model_dump(mode="json", exclude={"max_time", "max_epochs", "save_every"}))
    state = state_of(path, "prior", identity, resume=resume)
    prior, report = fit_prior(
        checkpoint.model, data, config, start=before, state=state, identity=identity, device=device, progress=progress
    )
    held_out = held_out_molecules(data, HELD_OUT, config.seed, checkpoint.model.encoder.max_tokens)[: prior.affordable]
    known = ordered_batches(data, held_out, batch_size=ENCODE_BATCH)
    elbo = {QUANTILES: per_symbol_quantiles(checkpoint.model, prior, known, data.vocabulary.symbol_counts)}
    add_prior(path, prior, config=config.model, report=report.to_json() | elbo)
    state.remove()
    return report
