"""Training a model: from a configuration and a prepared folder to a checkpoint directory."""

import logging
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from rich.console import Console
from torch.utils.data import DataLoader

from molvae.checkpoint import add_prior, checkpoint_path, length_cap, save_checkpoint, start_from
from molvae.chem.standard_form import StandardForm
from molvae.config import dump_config
from molvae.data.batches import MolBatch, ResidentBatches, TokenBatches, ordered_batches
from molvae.data.known import KnownMolecules
from molvae.data.prepared import PreparedData
from molvae.device import resolve_device
from molvae.errors import CheckpointError
from molvae.evaluation.collapse import LatentDiagnostics
from molvae.files import write_text
from molvae.interruption import HeldSignals, hold_signals
from molvae.nn.build import build_model
from molvae.nn.likelihood import QUANTILES, per_symbol_quantiles
from molvae.nn.vae import MolVAE
from molvae.training.callbacks import TrainingProgress, Validate, WriteMetrics
from molvae.training.clock import TrainingClock
from molvae.training.config import ExperimentConfig, JointPriorConfig, TrainingConfig
from molvae.training.loggers import open_loggers
from molvae.training.metrics import MetricsFile
from molvae.training.module import VAEModule
from molvae.training.selection import held_out_molecules, training_molecules
from molvae.training.state import ResumableModule, SavedState, SaveLast, StopAtBudget, batches_done

log = logging.getLogger(__name__)

LAST = Path("last") / "last.ckpt"
METRICS = Path("metrics") / "metrics.csv"
EXPERIMENT = "experiment.yaml"


def train(
    config: ExperimentConfig,
    data: PreparedData,
    out: str | Path,
    *,
    device: str = "auto",
    resume: bool = False,
    console: Console | None = None,
) -> LatentDiagnostics:
    """Train a model and write it to `out`.

    `out` gets `experiment.yaml` (the settings), `last/last.ckpt` (the state to resume from, and `last/before.ckpt`, the
    one before it), `metrics/metrics.csv` and, at the end, `model/` (the checkpoint directory). SIGINT and SIGTERM are
    held back until the state is saved, at the end of a step. A resumed run ends where an uninterrupted one would have
    ended: on the CPU, and with a budget of steps or epochs, exactly there.

    Args:
        config: the settings of the experiment.
        data: the prepared folder.
        out: the directory of the training run.
        device: "auto", "cpu", "cuda", …
        resume: continue from `last/last.ckpt`, or from the beginning if nothing was saved.
        console: the console to draw the progress on; `None` draws nothing.

    Returns:
        The diagnostics of the trained model on validation molecules.

    Raises:
        PreparedDataError: when the folder has no training molecules, or lacks something that the configuration needs: a
            property, graphs, fingerprints or randomized SMILES.
        CheckpointError: when there is nothing to resume from, or the state is damaged or that of another model.
    """
    out = Path(out)
    state = SavedState(out / LAST)
    saved = _saved(out, state) if resume else None
    settings = config.training
    pl.seed_everything(settings.seed, verbose=False)
    names = data.statistics.names if config.model.heads.properties is None else config.model.heads.properties
    statistics = data.statistics.select(names)
    property_index = np.array([data.statistics.names.index(n) for n in names], dtype=np.int64) if names else None
    if config.model.encoder.member.reads_graphs:
        data = data.with_graphs()
    if settings.compares_fingerprints:
        data = data.with_fingerprints()
    model = build_model(
        config.model,
        vocabulary_size=len(data.vocabulary),
        property_names=statistics.names,
        property_mean=statistics.mean,
        property_std=statistics.std,
    )
    max_tokens = model.encoder.max_tokens
    train_indices = training_molecules(data, max_tokens)
    max_length = length_cap(int(data.meta["tokens"]["max_length"]))
    how: dict[str, Any] = {"batch_size": settings.batch_size, "property_index": property_index, "seed": settings.seed}
    if settings.resident:
        stream: TokenBatches = ResidentBatches(data, train_indices, device=resolve_device(device), **how)
    else:
        stream = TokenBatches(data, train_indices, randomized_smiles=settings.randomized_smiles, **how)
    if saved is not None:
        stream.start = batches_done(saved[1])
    max_steps = _max_steps(config, stream.batches_per_epoch)
    clock = TrainingClock(max_steps=max_steps, max_time=settings.max_time)
    prior = (
        config.prior.model.build(model.latent, condition_dim=model.condition_dim)
        if isinstance(config.prior, JointPriorConfig)
        else None
    )
    if settings.init_from is not None and saved is None:
        start_from(model, data.vocabulary, settings.init_from, prior=prior)
    n_bits = 0 if data.fingerprints is None else 8 * data.fingerprints.shape[1]
    module = VAEModule(model, settings, clock, prior=prior, n_bits=n_bits)
    held_out = held_out_molecules(data, settings.valid_molecules, settings.seed, max_tokens)
    if saved is None:
        state.remove()  # that of a run which is overwritten
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / EXPERIMENT, dump_config(config))
    loggers = open_loggers(settings.loggers, out, config.model_dump(mode="json"))
    after = 0 if saved is None else int(saved[1]["global_step"])
    metrics = MetricsFile(out / METRICS, after=after, loggers=loggers)
    with hold_signals() as held, quiet_lightning():
        validate = Validate(
            lambda: _interruptible(
                held, ordered_batches(data, held_out, batch_size=settings.batch_size, property_index=property_index)
            ),
            metrics,
            every=settings.valid_every,
            max_length=max_length,
            patience=settings.patience,
        )
        save_last = SaveLast(state, every=settings.save_every, held=held)
        callbacks: list[pl.Callback] = [StopAtBudget(), WriteMetrics(metrics), validate, save_last]
        if console is not None:
            callbacks.append(TrainingProgress(console, validate))
        trainer = pl.Trainer(
            **lightning_device(device),
            precision=settings.precision,
            max_epochs=-1,
            max_steps=max_steps or -1,
            accumulate_grad_batches=settings.accumulate,
            limit_val_batches=0,
            callbacks=callbacks,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=tempfile.gettempdir(),
        )
        loader = DataLoader(stream, batch_size=None, pin_memory=torch.cuda.is_available() and not settings.resident)
        fit_from(trainer, module, loader, saved)
        save_last.save(trainer)
    result = _finish(out, trainer, module, validate, config, data, max_length)
    save_last.save(trainer)
    for logger in loggers:
        logger.finalize("success")
    return result


def _saved(out: Path, state: SavedState) -> tuple[Path, dict[str, Any]] | None:
    """The state to resume from; `None` if the run was interrupted before its first save."""
    saved = state.newest()
    if saved is None:
        if not (out / EXPERIMENT).is_file():
            raise CheckpointError(f"nothing to resume in {out}: {state.path} does not exist")
        log.warning("%s was interrupted before its state was first saved; starting from the beginning", out)
    return saved


def _interruptible(held: HeldSignals, batches: Iterable[MolBatch]) -> Iterator[MolBatch]:
    for batch in batches:
        held.check()
        yield batch


def fit_from(
    trainer: pl.Trainer, module: ResumableModule, loader: DataLoader, saved: tuple[Path, dict[str, Any]] | None
) -> None:
    """Train a module, from a saved state if there is one.

    Raises:
        CheckpointError: when the state is that of another module.
    """
    if saved is None:
        trainer.fit(module, loader)
        return
    path, content = saved
    shapes = {name: tensor.shape for name, tensor in content["state_dict"].items()}
    if shapes != {name: tensor.shape for name, tensor in module.state_dict().items()}:
        raise CheckpointError(f"{path} is the state of a model of other sizes; resume with the settings it began with")
    trainer.fit(module, loader, ckpt_path=path, weights_only=True)


def lightning_device(device: str) -> dict[str, Any]:
    """The arguments `accelerator` and `devices` of Lightning's trainer for a device.

    Raises:
        ConfigError: for an unknown device, or one that does not exist.
    """
    resolved = resolve_device(device)
    if resolved.type == "cpu":
        return {"accelerator": "cpu", "devices": 1}
    return {"accelerator": "gpu", "devices": [resolved.index or 0]}


def _finish(
    out: Path,
    trainer: pl.Trainer,
    module: VAEModule,
    validate: Validate,
    config: ExperimentConfig,
    data: PreparedData,
    max_length: int,
) -> LatentDiagnostics:
    seconds = module.clock.seconds
    result = validate.measure(trainer, module)
    diagnostics: dict[str, Any] = {
        "split": "valid" if "valid" in data.split_names else "train",
        "latent": result.to_json(),
        QUANTILES: per_symbol_quantiles(
            module.model,
            module.model.latent.standard_prior(),
            validate.batches(),
            data.vocabulary.symbol_counts,
        ),
        "training": {
            "steps": trainer.global_step,
            "molecules": module.molecules_seen,
            "seconds": round(seconds, 1),
            "beta": module.beta,
            "molecules_per_second": round(module.molecules_seen / max(seconds, 1e-9), 1),
            "parameters": sum(p.numel() for p in module.model.parameters()),
            "history": validate.history,
        },
    }
    save_run(out, module.model, config, data, max_length=max_length, diagnostics=diagnostics)
    if module.prior is not None and config.prior is not None:
        known = per_symbol_quantiles(
            module.model, module.prior.eval(), validate.batches(), data.vocabulary.symbol_counts
        )
        report = {"fit": "joint", "kl": result.kl_learned, QUANTILES: known}
        add_prior(out / "model", module.prior, config=config.prior.model, report=report)
    return result


def save_run(
    out: Path,
    model: MolVAE,
    config: ExperimentConfig,
    data: PreparedData,
    *,
    max_length: int,
    diagnostics: dict[str, Any],
) -> None:
    """Write the checkpoint directory `out/model`, with the standard form of the training data."""
    save_checkpoint(
        out / "model",
        model,
        config=config.model,
        vocabulary=data.vocabulary,
        max_length=max_length,
        standard_form=StandardForm.model_validate(
            {k: v for k, v in data.meta["options"].items() if k in StandardForm.model_fields}
        ),
        sampling=config.sampling,
        diagnostics=diagnostics,
        known=_trained_on(config.training, data) if config.training.keep_known else None,
    )


def _trained_on(training: TrainingConfig, data: PreparedData) -> KnownMolecules:
    """The training set, with that of the model that training started from."""
    known = KnownMolecules.of(data.smiles(data.indices("train")))
    before = None if training.init_from is None else KnownMolecules.load(checkpoint_path(training.init_from))
    return known if before is None else known | before


def _max_steps(config: ExperimentConfig, batches_per_epoch: int) -> int | None:
    limits = [config.training.max_steps]
    if config.training.max_epochs:
        limits.append(-(-config.training.max_epochs * batches_per_epoch // config.training.accumulate))
    return min((limit for limit in limits if limit), default=None)


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Suppress Lightning's messages about settings that are chosen here on purpose."""
    levels = {name: logging.getLogger(name).level for name in ("pytorch_lightning", "lightning_fabric")}
    for name in levels:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="pytorch_lightning")
            warnings.filterwarnings("ignore", module="lightning_fabric")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
