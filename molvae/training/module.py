"""The Lightning module that trains a model: its losses and their weights."""

import math
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from molvae.data.batches import MolBatch
from molvae.data.vocabulary import MASK
from molvae.nn.critics.base import Critic, Seen
from molvae.nn.priors.base import Prior
from molvae.nn.vae import MolVAE
from molvae.processes import add_up, count
from molvae.training.clock import TrainingClock
from molvae.training.config import TrainingConfig
from molvae.training.losses import fingerprint_loss, loss_of_heads, tanimoto_loss
from molvae.training.state import ResumableModule

LEAST_TOKEN_DROPOUT, MOST_TOKEN_DROPOUT = 0.2, 0.8  # of a decoder that is weakened
CRITIC_BETAS = (0.5, 0.9)  # a critic has to follow the model quickly (Radford et al. 2016)
RARE = -3.5  # initial logit: about 3 % of the fingerprint bits are set


class VAEModule(ResumableModule):
    """Minimizes the objective (reconstruction + beta · regularizer) + weighted property and distance losses.

    A critic, if there is one, minimizes its own loss in the same steps; see `molvae.nn.critics.base`.

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
        self.critic: Critic | None = None
        if config.critic is not None:
            self.critic = config.critic.build(model.latent.latent_dim, model.decoder.to_logits.out_features)
        self.config = config
        self.molecules_seen = 0
        self.last: dict[str, float] = {}
        self.gradient_norm = torch.tensor(0.0)
        self.beta = config.beta.at(0.0)
        self._mean_reconstruction: float | None = None
        self.restarts: list[dict[str, Any]] = []

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW (Loshchilov and Hutter 2019); the learning rate is set before every batch."""
        fused = self.device.type in ("cpu", "cuda")
        critic = [] if self.critic is None else list(self.critic.parameters())
        of_critic = {id(p) for p in critic}
        groups: list[dict[str, Any]] = [{"params": [p for p in self.parameters() if id(p) not in of_critic]}]
        if self.config.critic is not None:
            share = self.config.critic.learning_rate / self.config.learning_rate
            groups.append({"params": critic, "betas": CRITIC_BETAS, "share": share})
        return torch.optim.AdamW(
            groups, lr=self.config.learning_rate, weight_decay=self.config.weight_decay, fused=fused
        )

    def on_train_batch_start(self, batch: MolBatch, batch_idx: int) -> None:
        """Set the learning rates, and what else depends on the share of training."""
        rate = self.config.learning_rate_at(self.progress, self.global_step)
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = rate * group.get("share", 1.0)
        self.model.latent.anneal(self.progress)

    def training_step(self, batch: MolBatch, batch_idx: int) -> Tensor:
        """Compute the loss of a batch."""
        batch = self._corrupted(batch)
        outcome = self.config.objective.of(self.model, batch, beta=self.beta, prior=self.prior)
        share = len(batch) * count() / batch.size  # 1 but for a batch that cannot be divided evenly
        loss = share * outcome.loss
        values = {"reconstruction": outcome.reconstruction, **outcome.values, "beta": self.beta}
        if batch.properties is not None and self.model.heads.names and self.config.property_weight:
            of_properties = loss_of_heads(self.model.heads, outcome.z, batch.properties, codes=outcome.codes)
            loss = loss + self.config.property_weight * of_properties
            values["property_loss"] = of_properties
        if batch.fingerprints is not None and self.config.tanimoto_weight:
            of_distances = tanimoto_loss(outcome.mean, batch.fingerprints)
            loss = loss + share * self.config.tanimoto_weight * of_distances
            values["tanimoto_loss"] = of_distances
        if batch.fingerprints is not None and self.to_bits is not None:
            of_bits = fingerprint_loss(self.to_bits(outcome.z), batch.fingerprints)
            loss = loss + share * self.config.fingerprint_weight * of_bits
            values["fingerprint_loss"] = of_bits
        if self.critic is not None and self.config.critic is not None:
            seen = Seen(outcome.z, outcome.logits, batch.token_ids)
            penalty, of_critic = self.critic.penalty(seen), self.critic.loss(seen.detached())
            loss = loss + share * (self.config.critic.weight * penalty + of_critic)
            values |= {"penalty": penalty, "critic": of_critic}
        numbers = {name: float(torch.as_tensor(value).detach()) for name, value in values.items()}
        total, self.last = self._of_all(float(loss.detach()), numbers, share)
        if not math.isfinite(total):
            raise FloatingPointError(f"the loss is {total} at step {self.global_step}; lower the learning rate")
        self._follow(self.last["reconstruction"])
        self.molecules_seen += batch.size
        return loss

    def _of_all(self, loss: float, values: dict[str, float], share: float) -> tuple[float, dict[str, float]]:
        """The loss, and the named values, of the batches of all processes."""
        if count() == 1:
            return loss, values
        shares = [1.0 if name == "property_loss" else share for name in values]  # that is of all labels already
        weighted = [value * part for value, part in zip(values.values(), shares, strict=True)]
        numbers = torch.tensor([loss, *weighted], device=self.device)
        add_up(numbers)
        loss, *means = (numbers / count()).tolist()
        return loss, dict(zip(values, means, strict=True))

    def _corrupted(self, batch: MolBatch) -> MolBatch:
        """The batch, in which the encoder reads <mask> in place of some tokens (Vincent et al. 2008)."""
        if not self.config.corruption:
            return batch
        ids, lengths = batch.source
        hidden = (torch.rand(ids.shape, device=ids.device) < self.config.corruption) & (ids > MASK)
        return replace(batch, source_ids=torch.where(hidden, MASK, ids), source_lengths=lengths)

    def _follow(self, reconstruction: float) -> None:
        """Set beta for the next step; GECO uses the running mean of the reconstruction loss for that."""
        before = reconstruction if self._mean_reconstruction is None else self._mean_reconstruction
        mean = self._mean_reconstruction = 0.98 * before + 0.02 * reconstruction
        began, factor = (self.restarts[-1]["progress"], self.restarts[-1]["factor"]) if self.restarts else (0.0, 1.0)
        progress = (self.progress - began) / max(1.0 - began, 1e-9)
        self.beta = factor * self.config.beta.next(self.beta / factor, progress, reconstruction=mean)

    def weaken_decoder(self) -> str:
        """Double the token dropout and start the beta schedule again at half of it; returns what has changed."""
        dropout = self.model.decoder.token_dropout
        weaker = min(MOST_TOKEN_DROPOUT, max(LEAST_TOKEN_DROPOUT, 2 * dropout))
        factor = 0.5 * (self.restarts[-1]["factor"] if self.restarts else 1.0)
        self.restarts.append(
            {"step": self.global_step, "progress": self.progress, "factor": factor, "token_dropout": weaker}
        )
        self.model.decoder.token_dropout = weaker
        self.beta = factor * self.config.beta.at(0.0)
        return (
            f"decoder.token_dropout {dropout:g} → {weaker:g}, and beta from {self.beta:g} again, up to "
            f"{factor * self.config.beta.at(1.0):g}"
        )

    def validation_step(self, batch: MolBatch, batch_idx: int) -> None:
        """Do nothing; `molvae.training.callbacks.Validate` does the validation."""

    def configure_gradient_clipping(self, optimizer: Any, *args: Any, **kwargs: Any) -> None:
        """Clip the gradient norm here, because Lightning itself does not support that with fused optimizers."""
        for number, group in enumerate(optimizer.param_groups):
            norm = torch.nn.utils.clip_grad_norm_(group["params"], self.config.gradient_clip)
            if not number:
                self.gradient_norm = norm

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the state that a resumed run needs."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["molvae"] |= {
            "molecules_seen": self.molecules_seen,
            "beta": self.beta,
            "mean_reconstruction": self._mean_reconstruction,
            "restarts": self.restarts,
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the state of an interrupted run."""
        super().on_load_checkpoint(checkpoint)
        self.molecules_seen = checkpoint["molvae"]["molecules_seen"]
        self.beta = checkpoint["molvae"]["beta"]
        self._mean_reconstruction = checkpoint["molvae"]["mean_reconstruction"]
        self.restarts = checkpoint["molvae"].get("restarts", [])  # none in states of earlier versions
        if self.restarts:
            self.model.decoder.token_dropout = self.restarts[-1]["token_dropout"]
