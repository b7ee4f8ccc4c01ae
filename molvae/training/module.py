"""The Lightning module that trains a model: its losses and their weights."""

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from molvae.data.batches import MolBatch
from molvae.nn.priors.base import Prior
from molvae.nn.vae import MolVAE
from molvae.training.clock import TrainingClock
from molvae.training.config import TrainingConfig
from molvae.training.losses import fingerprint_loss, property_loss, reconstruction_loss, tanimoto_loss
from molvae.training.state import ResumableModule

RARE = -3.5  # initial logit: about 3 % of the fingerprint bits are set


class VAEModule(ResumableModule):
    """Minimizes reconstruction + beta · regularizer + weighted property, Tanimoto and fingerprint losses.

    Args:
        model: the model to train.
        config: the training settings.
        clock: measures the share of the budget used, which determines learning rate and beta.
        prior: a prior to train jointly with the model; it replaces the standard prior in the KL.
        n_bits: number of fingerprint bits, which a linear layer predicts from z if `fingerprint_weight` is set; this
            layer is used in training only and is not part of the checkpoint directory.
    """

    def __init__(
        self,
        model: MolVAE,
        config: TrainingConfig,
        clock: TrainingClock,
        *,
        prior: Prior | None = None,
        n_bits: int = 0,
    ) -> None:
        super().__init__(clock)
        self.model = model
        self.prior = prior
        self.to_bits: nn.Linear | None = None
        if config.fingerprint_weight:
            self.to_bits = nn.Linear(model.latent.latent_dim, n_bits)
            nn.init.constant_(self.to_bits.bias, RARE)
        self.config = config
        self.molecules_seen = 0
        self.last: dict[str, float] = {}
        self.gradient_norm = torch.tensor(0.0)
        self.beta = config.beta.at(0.0)
        self._mean_reconstruction: float | None = None

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW (Loshchilov and Hutter 2019); the learning rate is set before every batch."""
        fused = self.device.type in ("cpu", "cuda")
        return torch.optim.AdamW(
            self.parameters(),
            lr=self.config.learning_rate,
            weight_decay=self.config.weight_decay,
            fused=fused,
        )

    def on_train_batch_start(self, batch: MolBatch, batch_idx: int) -> None:
        """Set the learning rate."""
        rate = self.config.learning_rate_at(self.progress, self.global_step)
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = rate

    def training_step(self, batch: MolBatch, batch_idx: int) -> Tensor:
        """Compute the loss of a batch."""
        beta = self.beta
        condition = self.model.embed_condition(len(batch), batch.properties)
        log_prior = None if self.prior is None else partial(self.prior.log_prob, condition=condition)
        latent = self.model.encode(batch, log_prior=log_prior)
        logits = self.model.decoder(latent.z, batch.token_ids, condition=condition)
        reconstruction = reconstruction_loss(logits, batch.token_ids)
        loss = reconstruction + beta * latent.regularizer + latent.auxiliary
        values = {"reconstruction": reconstruction, **latent.diagnostics, "beta": beta}
        if batch.properties is not None and self.model.heads.names and self.config.property_weight:
            predicted = self.model.heads(latent.z, codes=latent.codes)
            of_properties = property_loss(predicted, self.model.heads.standardize(batch.properties))
            loss = loss + self.config.property_weight * of_properties
            values["property_loss"] = of_properties
        if batch.fingerprints is not None and self.config.tanimoto_weight:
            of_distances = tanimoto_loss(latent.mean, batch.fingerprints)
            loss = loss + self.config.tanimoto_weight * of_distances
            values["tanimoto_loss"] = of_distances
        if batch.fingerprints is not None and self.to_bits is not None:
            of_bits = fingerprint_loss(self.to_bits(latent.z), batch.fingerprints)
            loss = loss + self.config.fingerprint_weight * of_bits
            values["fingerprint_loss"] = of_bits
        if not torch.isfinite(loss):
            raise FloatingPointError(f"the loss is {float(loss)} at step {self.global_step}; lower the learning rate")
        self._follow(float(reconstruction.detach()))
        self.molecules_seen += len(batch)
        self.last = {name: float(torch.as_tensor(value).detach()) for name, value in values.items()}
        return loss

    def _follow(self, reconstruction: float) -> None:
        """Set beta for the next step; GECO uses the running mean of the reconstruction loss for that."""
        before = reconstruction if self._mean_reconstruction is None else self._mean_reconstruction
        mean = self._mean_reconstruction = 0.98 * before + 0.02 * reconstruction
        self.beta = self.config.beta.next(self.beta, self.progress, reconstruction=mean)

    def validation_step(self, batch: MolBatch, batch_idx: int) -> None:
        """Do nothing; `molvae.training.callbacks.Validate` does the validation."""

    def configure_gradient_clipping(self, optimizer: Any, *args: Any, **kwargs: Any) -> None:
        """Clip the gradient norm here, because Lightning itself does not support that with fused optimizers."""
        self.gradient_norm = torch.nn.utils.clip_grad_norm_(self.parameters(), self.config.gradient_clip)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the state that a resumed run needs."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["molvae"] |= {
            "molecules_seen": self.molecules_seen,
            "beta": self.beta,
            "mean_reconstruction": self._mean_reconstruction,
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the state of an interrupted run."""
        super().on_load_checkpoint(checkpoint)
        self.molecules_seen = checkpoint["molvae"]["molecules_seen"]
        self.beta = checkpoint["molvae"]["beta"]
        self._mean_reconstruction = checkpoint["molvae"]["mean_reconstruction"]
