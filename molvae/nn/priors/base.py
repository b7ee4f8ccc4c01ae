"""The base class of priors: distributions of the targets of a latent."""

import math
from typing import ClassVar

import torch
from torch import Tensor, nn

MIN_STD = 1e-3


def standard_normal_log_prob(z: Tensor) -> Tensor:
    """Log density of z `(n, Z)` under N(0, I), nats, `(n,)`."""
    return -0.5 * (z.square().sum(-1) + z.shape[-1] * math.log(2 * math.pi))


class Prior(nn.Module):
    """A distribution of targets, optionally given a condition c `(n, C)` (see `molvae.nn.condition`).

    Targets are what `Latent.sample_posterior` returns: z `(n, Z)`, or code indices `(n, M)`. `Latent.to_z` converts
    them to z.

    Attributes:
        affordable: the most molecules for which reports compute `log_prob`, if it is slow; `None` for no limit.
    """

    affordable: ClassVar[int | None] = None

    def sample_target(
        self,
        n: int,
        *,
        condition: Tensor | None = None,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Sample targets `(n, …)`; a temperature below 1 favors probable ones."""
        raise NotImplementedError

    def complete_target(
        self,
        begin: Tensor,
        *,
        condition: Tensor | None = None,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor | None:
        """Sample targets whose first codes are given, `(n, k)`; `None` for a prior that cannot."""
        return None

    def begin_log_prob(self, begin: Tensor, *, condition: Tensor | None = None) -> Tensor:
        """Log-probability of the first codes `(n, k)` of targets, nats, `(n,)`; of a prior that completes them."""
        raise NotImplementedError

    def log_prob(self, target: Tensor, *, condition: Tensor | None = None) -> Tensor:
        """Log-probability of targets, nats, `(n,)`, on their device."""
        raise NotImplementedError

    def loss(
        self, target: Tensor, *, condition: Tensor | None = None, generator: torch.Generator | None = None
    ) -> Tensor:
        """The loss that fitting minimizes, for each target, `(n,)`; by default the negative log-probability."""
        return -self.log_prob(target, condition=condition)

    def fit_scale(self, target: Tensor) -> None:
        """Set scales from a sample of the targets before fitting starts; does nothing by default."""


class ContinuousPrior(Prior):
    """Base of learned priors over a continuous z, which they standardize in every dimension.

    Args:
        latent_dim: size of z (Z).
    """

    mean: Tensor
    std: Tensor

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.register_buffer("mean", torch.zeros(latent_dim))
        self.register_buffer("std", torch.ones(latent_dim))

    def fit_scale(self, target: Tensor) -> None:
        """Take the mean and standard deviation of z `(n, Z)` for standardization."""
        self.mean.copy_(target.mean(0))
        self.std.copy_(target.std(0).clamp(min=MIN_STD))

    def scaled(self, target: Tensor) -> Tensor:
        """Standardize z `(n, Z)` to mean 0 and standard deviation 1 in every dimension."""
        return (target - self.mean) / self.std
