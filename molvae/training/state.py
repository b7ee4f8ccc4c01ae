"""The state of a training stage, from which an interrupted one goes on exactly as if it had not been interrupted."""

import logging
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch

from molvae import processes
from molvae.errors import CheckpointError
from molvae.interruption import HeldSignals, Stopped
from molvae.training.clock import TrainingClock

log = logging.getLogger(__name__)

PARTS = {"state_dict", "optimizer_states", "callbacks", "loops", "global_step", "molvae"}
DAMAGED = (zipfile.BadZipFile, pickle.UnpicklingError, RuntimeError, KeyError, TypeError, EOFError, OSError, ValueError)


class SavedState:
    """The file of a stage's state, usually `last.ckpt`, and the one before it, `before.ckpt`, in case it is damaged.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.before = path.with_name("before.ckpt")

    def save(self, trainer: pl.Trainer) -> None:
        """Save the state of a trainer; a process that is killed meanwhile leaves at least one whole file.

        All processes of a training call this at the same step, and the first one writes.
        """
        if processes.rank() > 0:
            trainer.save_checkpoint(self.path, weights_only=False)
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_suffix(".part")
        try:
            trainer.save_checkpoint(temporary, weights_only=False)
            if self.path.exists():
                os.replace(self.path, self.before)
            os.replace(temporary, self.path)
        finally:
            temporary.unlink(missing_ok=True)

    def newest(self) -> tuple[Path, dict[str, Any]] | None:
        """The newest file that is whole, and its content; `None` if there is none at all.

        Raises:
            CheckpointError: when all that there is is damaged.
        """
        files = [path for path in (self.path, self.before) if path.is_file()]
        for path in files:
            content = _content(path)
            if content is not None:
                if path != files[0]:
                    log.warning("%s is damaged; going on from the state before it, %s", files[0], path)
                return path, content
        if files:
            names = " and ".join(str(path) for path in files)
            raise CheckpointError(f"no whole state to resume from: {names}; start again without --resume")
        return None

    def remove(self) -> None:
        """Remove the files, and their folder if nothing else is in it."""
        for path in (self.path, self.before, self.path.with_suffix(".part")):
            path.unlink(missing_ok=True)
        if self.path.parent.is_dir() and not any(self.path.parent.iterdir()):
            self.path.parent.rmdir()


def _content(path: Path) -> dict[str, Any] | None:
    """What a state file holds; `None` if it is damaged."""
    try:
        with zipfile.ZipFile(path) as file:
            if file.testzip() is not None:  # torch itself does not compare checksums
                return None
        content = torch.load(path, map_location="cpu", weights_only=True)
        return content if isinstance(content, dict) and content.keys() >= PARTS and batches_done(content) >= 0 else None
    except (
        zipfile.BadZipFile,
        pickle.UnpicklingError,
        RuntimeError,
        KeyError,
        TypeError,
        EOFError,
        OSError,
        ValueError,
    ):
        return None


def batches_done(content: dict[str, Any]) -> int:
    """The number of batches that the stage had used when it was saved."""
    return int(content["loops"]["fit_loop"]["epoch_loop.batch_progress"]["total"]["ready"])


class ResumableModule(pl.LightningModule):
    """Base of what is trained: it has a budget, and its state includes the time used and the random generators.

    Args:
        clock: measures the share of the budget used.
        identity: what is trained on what; it is saved with the state, see `SavedState`.
    """

    def __init__(self, clock: TrainingClock, *, identity: str = "") -> None:
        super().__init__()
        self.clock = clock
        self.identity = identity
        self._generators: dict[str, Any] | None = None

    @property
    def progress(self) -> float:
        """Share of the budget used, in [0, 1]."""
        return self.clock.progress(self.global_step)

    @property
    def batches_done(self) -> int:
        """The number of batches used, those before an interruption counted."""
        return self.trainer.fit_loop.epoch_loop.batch_progress.total.ready

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the state that a resumed run needs."""
        checkpoint["molvae"] = {
            "clock": self.clock.state_dict(),
            "identity": self.identity,
            "generators": processes.gather(
                {
                    "cpu": torch.get_rng_state(),
                    "cuda": torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else None,
                }
            ),
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the state of an interrupted run."""
        self.clock.load_state_dict(checkpoint["molvae"]["clock"])
        saved = checkpoint["molvae"].get("generators") or []  # none in states of earlier versions
        saved = [saved] if isinstance(saved, dict) else saved  # one process in earlier versions
        if processes.rank() < len(saved):
            self._generators = saved[processes.rank()]

    def on_train_start(self) -> None:
        """Restore the random generators; opening the data has used them. Each process draws numbers of its own."""
        if self._generators is not None:
            torch.set_rng_state(self._generators["cpu"])
            if self._generators["cuda"] is not None and self.device.type == "cuda":
                torch.cuda.set_rng_state(self._generators["cuda"], self.device)
        elif processes.rank() > 0:
            seed = np.random.SeedSequence((torch.initial_seed(), self.global_step, processes.rank()))
            torch.manual_seed(int(seed.generate_state(1)[0]))


class InStep(pl.Callback):
    """Brings processes to an agreement at the end of every step: on the time, and on a signal that one of them got.

    The first of the callbacks, so that the others see the same in all processes.

    Args:
        held: the signals.
    """

    def __init__(self, held: HeldSignals) -> None:
        self.held = held
        held.shared = True

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin with the same time."""
        self._agree(pl_module)

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any) -> None:
        """Agree on the time of the first process, and on a signal."""
        self._agree(pl_module)

    def _agree(self, module: pl.LightningModule) -> None:
        assert isinstance(module, ResumableModule)
        first = module.clock.measured if processes.rank() == 0 else 0.0
        signum, seconds = processes.greatest([self.held.signum or 0, first])
        if signum:
            self.held.agree(int(signum))
        module.clock.agree(seconds)


class StopAtBudget(pl.Callback):
    """Runs the clock, and ends training when the budget is used up."""

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start measuring time; a resumed run may have used up its budget."""
        assert isinstance(pl_module, ResumableModule)
        pl_module.clock.start()
        self._stop(trainer, pl_module)

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any) -> None:
        """Stop training when the budget is used up."""
        assert isinstance(pl_module, ResumableModule)
        self._stop(trainer, pl_module)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop measuring time."""
        assert isinstance(pl_module, ResumableModule)
        pl_module.clock.stop()

    def _stop(self, trainer: pl.Trainer, module: ResumableModule) -> None:
        if module.progress >= 1.0:
            trainer.should_stop = True


class SaveLast(pl.Callback):
    """Saves the state every `every` steps and when a signal asks the program to end, which it then stops for.

    With gradient accumulation, several batches belong to one step; the state is saved between steps.

    Args:
        state: the file; `None` only stops.
        every: number of steps between two saves.
        held: the signals, which are held back during training.
    """

    def __init__(self, state: SavedState | None, *, every: int, held: HeldSignals) -> None:
        self.state = state
        self.every = every
        self.held = held
        self._saved_at = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take the signals back from Lightning."""
        self.held.listen()
        self._saved_at = trainer.global_step

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stop if a signal has come, and save if `every` steps have passed."""
        if (batch_idx + 1) % trainer.accumulate_grad_batches == 0:
            self.held.check()
            if trainer.global_step % self.every == 0:
                self.save(trainer)

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Save when training is interrupted, but not when it fails."""
        if isinstance(exception, Stopped) and trainer.global_step != self._saved_at:
            self.save(trainer)

    def save(self, trainer: pl.Trainer) -> None:
        """Save now."""
        if self.state is not None:
            self.state.save(trainer)
            self._saved_at = trainer.global_step
