"""Lightning callbacks of training: metrics, validation and progress; `molvae.training.state` has those that save."""

import logging
import math
from collections.abc import Callable, Iterable
from typing import Any

import pytorch_lightning as pl
import torch
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from molvae.data.batches import MolBatch
from molvae.evaluation.collapse import LatentDiagnostics, diagnose
from molvae.interruption import Stopped
from molvae.training.metrics import MetricsFile
from molvae.training.module import VAEModule

log = logging.getLogger(__name__)


class WriteMetrics(pl.Callback):
    """Writes the training losses of every `EVERY`th step, and of the last one, to `metrics.csv`.

    Args:
        file: the table.
    """

    EVERY = 50

    def __init__(self, file: MetricsFile) -> None:
        self.file = file

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any) -> None:
        """Write a row if it is time; the last one comes before the last save, after which nothing is trained."""
        if trainer.global_step and (trainer.global_step % self.EVERY == 0 or trainer.should_stop):
            assert isinstance(pl_module, VAEModule)
            norm = float(pl_module.gradient_norm)
            values = pl_module.last | {"gradient_norm": norm, "molecules": pl_module.molecules_seen}
            self.file.add({"step": trainer.global_step} | {f"train/{name}": v for name, v in values.items()})


class Validate(pl.Callback):
    """Evaluates the model on held-out molecules every `every` steps; may stop training early.

    Args:
        batches: returns the batches of held-out molecules.
        file: the table that results are written to.
        every: number of steps between two validations.
        max_length: the most tokens per molecule in greedy decoding.
        patience: number of validations without a better objective before training stops; `None` never stops early.
    """

    def __init__(
        self,
        batches: Callable[[], Iterable[MolBatch]],
        file: MetricsFile,
        *,
        every: int,
        max_length: int,
        patience: int | None = None,
    ) -> None:
        self.batches = batches
        self.file = file
        self.every = every
        self.max_length = max_length
        self.patience = patience
        self.history: list[dict[str, Any]] = []
        self.latest: LatentDiagnostics | None = None
        self._best, self._since_best = math.inf, 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Validate if the run was interrupted in a validation; stop if it had been stopped early."""
        self._validate(trainer, pl_module)
        self._stop_early(trainer)

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any) -> None:
        """Validate if `every` steps have passed."""
        self._validate(trainer, pl_module)

    def _validate(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        assert isinstance(module, VAEModule)
        if trainer.global_step and trainer.global_step % self.every == 0 and not self._has(trainer.global_step):
            self.measure(trainer, module)

    def _has(self, step: int) -> bool:
        return bool(self.history) and self.history[-1]["step"] == step

    def measure(self, trainer: pl.Trainer, module: VAEModule) -> LatentDiagnostics:
        """Validate now; the result becomes part of the history, unless that has one of the same step."""
        result = diagnose(
            module.model,
            self.batches(),
            max_length=self.max_length,
            prior=module.prior,
            generator=torch.Generator(device=module.device).manual_seed(0),
        )
        self.latest = result
        row = {
            "step": trainer.global_step,
            "molecules": module.molecules_seen,
            "seconds": round(module.clock.seconds, 1),
            "reconstruction": round(result.reconstruction, 4),
            "kl": round(result.kl, 4),
            "active_units": result.active_units,
            "exact": round(result.exact, 4),
        }
        if result.kl_learned is not None:
            row["kl_learned"] = round(result.kl_learned, 4)
        if self._has(trainer.global_step):
            return result
        self.history.append(row | {"kl_per_dimension": [round(nats, 4) for nats in result.kl_per_dimension]})
        self.file.add({"step": trainer.global_step} | {f"valid/{k}": v for k, v in row.items() if k != "step"})
        rate = result.kl if result.kl_learned is None else result.kl_learned
        objective = result.reconstruction + module.config.beta.at(1.0) * rate
        self._since_best = 0 if objective < self._best else self._since_best + 1
        self._best = min(self._best, objective)
        self._stop_early(trainer)
        return result

    def _stop_early(self, trainer: pl.Trainer) -> None:
        if self.patience and self._since_best >= self.patience:
            log.info("stopping early: no improvement in %d validations", self.patience)
            trainer.should_stop = True

    def state_dict(self) -> dict[str, Any]:
        """The state that a resumed run needs."""
        return {"history": self.history, "best": self._best, "since_best": self._since_best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the state of an interrupted run."""
        self.history = list(state_dict["history"])
        self._best, self._since_best = state_dict["best"], state_dict["since_best"]


class TrainingProgress(pl.Callback):
    """Draws a progress bar of the budget, and below it the losses, beta, active units and molecules per second.

    Args:
        console: the console to draw on, usually standard error.
        validate: the validations to show beside the training losses.
    """

    def __init__(self, console: Console, validate: Validate) -> None:
        self.console = console
        self.validate = validate
        self._bar = Progress(
            TextColumn("Training"),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            auto_refresh=False,
        )
        self._task = self._bar.add_task("train", total=1.0)
        self._live: Live | None = None
        self._shown = 0
        self._smooth: dict[str, float] = {}
        self._rate_from = (0.0, 0)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Open the bar."""
        assert isinstance(pl_module, VAEModule)
        self._shown = len(self.validate.history)
        self._rate_from = (pl_module.clock.seconds, pl_module.molecules_seen)
        self._live = Live(self._bar, console=self.console, refresh_per_second=2)
        self._live.start()

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any) -> None:
        """Redraw the bar, and print one line per validation."""
        assert isinstance(pl_module, VAEModule)
        assert self._live is not None
        for name, value in pl_module.last.items():
            self._smooth[name] = value + 0.98 * (self._smooth.get(name, value) - value)
        seconds, molecules = self._rate_from
        rate = (pl_module.molecules_seen - molecules) / max(pl_module.clock.seconds - seconds, 1e-9)
        shown = [f"{name} {value:.4g}" for name, value in self._smooth.items() if name != "property_loss"]
        latest = self.validate.latest
        if latest:
            shown.append(f"{latest.active_units}/{latest.latent_dim} active")
        self._bar.update(self._task, completed=pl_module.progress)
        self._live.update(Group(self._bar, Text(" · ".join([f"{rate:,.0f} molecules/s", *shown]))))
        for row in self.validate.history[self._shown :]:
            learned = f" ({row['kl_learned']:.1f} to the learned prior)" if "kl_learned" in row else ""
            self.console.print(
                f"{row['seconds']:>6,.0f} s {row['molecules']:>11,} molecules  "
                f"reconstruction {row['reconstruction']:5.2f}  KL {row['kl']:5.1f}{learned}  "
                f"active {row['active_units']:>3}  exact {100 * row['exact']:4.1f} %",
                highlight=False,
                soft_wrap=True,
            )
        if latest and latest.warning and len(self.validate.history) > self._shown:
            self.console.print(Text.assemble(("Warning: ", "yellow"), latest.warning), highlight=False)
        self._shown = len(self.validate.history)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Close the bar."""
        self._close()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Close the bar."""
        self._close()
        if isinstance(exception, Stopped):
            self.console.print(f"Stopped after {trainer.global_step:,} steps; the state is saved.", highlight=False)

    def _close(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None
            if not self.console.is_terminal:
                self.console.line()  # which the bar's last line ends with on a terminal only
