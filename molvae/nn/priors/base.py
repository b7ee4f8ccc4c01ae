"""What every prior is: a distribution of what a latent's posteriors are samples of."""

from typing import ClassVar

import torch
from torch import Tensor, nn

MIN_STD = 1e-3


class Prior(nn.Module):
    """A distribution of targets, maybe given a condition c `(n, C)` (see `molvae.nn.condition`).

    A target is what `Latent.sample_posterior` gives: a latent `(n, Z)`, or code indices `(n, M)`. All methods speak of
    targets; `Latent.to_z` gives the latents that they stand for.

    Attributes:
        affordable: rows that `log_prob` should be asked for in a report; `None`: any number, it is cheap.
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
        """Draw targets `(n, …)`; a temperature below 1 favors the likely ones."""
        raise NotImplementedError

    def log_prob(self, target: Tensor, *, condition: Tensor | None = None) -> Tensor:
        """Log-probability `(n,)`, nats, of targets, on their device."""
        raise NotImplementedError

    def loss(
        self, target: Tensor, *, condition: Tensor | None = None, generator: torch.Generator | None = None
    ) -> Tensor:
        """What fitting minimizes, for each target `(n,)`: by default the negative log-probability, without chance."""
        return -self.log_prob(target, condition=condition)

    def fit_scale(self, target: Tensor) -> None:
        """Look at a sample of the targets before fitting starts; by default nothing is learned from it."""


class ContinuousPrior(Prior):
    """A learned prior over a real-valued z, which it sees with mean 0 and spread 1 in every dimension.

    Args:
        latent_dim: Z.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.register_buffer("mean", torch.zeros(latent_dim))
        self.register_buffer("std", torch.ones(latent_dim))

    def fit_scale(self, target: Tensor) -> None:
        """Take mean and spread of latents `(n, Z)`, so that learning starts near them."""
        self.mean.copy_(target.mean(0))
        self.std.copy_(target.std(0).clamp(min=MIN_STD))

    def scaled(self, target: Tensor) -> Tensor:
        """Latents `(n, Z)` with mean 0 and spread 1 in every dimension."""
        return (target - self.mean) / self.std
