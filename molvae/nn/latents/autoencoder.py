"""A deterministic latent: an autoencoder, with noise on z a regularized one."""

import math
from typing import ClassVar, Literal

import torch
from torch import Tensor

from molvae.config import Weight
from molvae.nn.latents.base import (
    ACTIVE_VARIANCE,
    ContinuousLatentSettings,
    Latent,
    LatentOutput,
    LatentSummary,
    LogPrior,
)
from molvae.nn.latents.gaussian import reparametrize
from molvae.nn.priors.standard import StandardPrior
from molvae.nn.slots import SlotLinear


class AutoencoderLatent(Latent):
    """z is linear in h; the regularizer is ½‖z‖², which keeps z from growing (RAE, Ghosh et al. 2020).

    With noise, z = mean + noise · ε in training, ε ~ N(0, I): the decoder learns to undo it (Poole et al. 2014), and
    the posterior is N(mean, noise²). For corrupted molecules in place of noise on z see `training.corruption`.

    Args:
        h_dim: size of h.
        latent_dim: size of z (Z).
        noise: standard deviation of the noise on z in training.
        n_slots: number of slots of h, each of which is mapped to its own slot of z.
    """

    reparametrized: ClassVar[bool] = True

    def __init__(self, h_dim: int, *, latent_dim: int = 128, noise: float = 0.0, n_slots: int = 1) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.noise = noise
        self.bounded = noise > 0
        self.to_mean = SlotLinear(h_dim, latent_dim, n_slots=n_slots)

    def forward(
        self, h: Tensor, *, log_prior: LogPrior | None = None, generator: torch.Generator | None = None
    ) -> LatentOutput:
        """Compute the latents of a batch; the regularizer against a learned prior is −log p(z) − entropy."""
        mean = self.posterior(h)
        drawn = self.sample_posterior(mean, generator=generator)
        if log_prior is None:
            regularizer = 0.5 * mean.square().sum(1).mean()
        else:
            regularizer = -(log_prior(drawn) + self.entropy(mean)).mean()
        spread = mean.detach().std(0, unbiased=False).mean()
        return LatentOutput(drawn if self.training else mean, mean, regularizer, mean.new_zeros(()), {"spread": spread})

    def standard_prior(self) -> StandardPrior:
        """N(0, I), which the latents of an autoencoder do not follow: fit a prior after training."""
        return StandardPrior(self.latent_dim)

    def posterior(self, h: Tensor) -> Tensor:
        """The deterministic z `(B, Z)`."""
        return self.to_mean(h).float()

    def sample_posterior(
        self, parameters: Tensor, *, generator: torch.Generator | None = None, same_noise: bool = False
    ) -> Tensor:
        """Z with its noise, if any; see `Latent.sample_posterior`."""
        if not self.noise:
            return parameters
        logvar = torch.full_like(parameters, 2 * math.log(self.noise))
        return reparametrize(parameters, logvar, generator=generator, same_noise=same_noise)

    def entropy(self, parameters: Tensor) -> Tensor:
        """Differential entropy of the noise, nats, `(B,)`; 0 without noise, where there is none."""
        each = 0.5 * math.log(2 * math.pi * math.e * self.noise**2) if self.noise else 0.0
        return parameters.new_full((len(parameters),), each * self.latent_dim)

    def log_posterior(self, parameters: Tensor, target: Tensor) -> Tensor:
        """Log density of z `(B, Z)` under the noise, nats, `(B,)`; 0 without noise."""
        if not self.noise:
            return parameters.new_zeros(len(parameters))
        scaled = (target - parameters) / self.noise
        return -0.5 * (scaled.square() + math.log(2 * math.pi * self.noise**2)).sum(1)

    def to_z(self, target: Tensor) -> Tensor:
        """The target itself, which is z."""
        return target

    @torch.no_grad()
    def summarize(self, h: Tensor) -> LatentSummary:
        """Active dimensions of n molecules with the given h `(n, H)`.

        The capacity of each dimension, ½ log(1 + Var z / noise²), stands in for the KL; without noise, which has no
        KL at all, noise of variance `ACTIVE_VARIANCE` is assumed.
        """
        variance = self.posterior(h).var(0).cpu()
        capacity = 0.5 * torch.log1p(variance / (self.noise**2 or ACTIVE_VARIANCE))
        active = int((variance > ACTIVE_VARIANCE).sum())
        return LatentSummary(capacity, active, min(float(capacity.sum()), math.log(len(h))))

    def extra_repr(self) -> str:
        """Settings for `repr`."""
        return f"latent_dim={self.latent_dim}, noise={self.noise}"


class AutoencoderLatentConfig(ContinuousLatentSettings):
    """A deterministic latent; beta weights ½‖z‖², and a prior is fitted after training (`prior`, two-stage)."""

    member: ClassVar[type[Latent]] = AutoencoderLatent

    kind: Literal["autoencoder"] = "autoencoder"
    noise: Weight = 0.0
    """Standard deviation of the noise on z in training."""

    @property
    def has_plain_kl(self) -> bool:
        """With noise."""
        return self.noise > 0

    @property
    def no_joint_prior(self) -> str | None:
        """Without noise, a prior that is trained jointly would draw all z to one point."""
        if self.noise:
            return None
        return "an autoencoder without noise has no KL to a joint prior; give the latent noise, or fit: two-stage"
