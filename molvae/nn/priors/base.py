"""What every prior is."""

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

MIN_STD = 1e-3


class Prior(Protocol):
    """A distribution of latents, maybe given a condition c `(n, C)` (see `molvae.nn.condition`)."""

    def log_prob(self, target: Tensor, *, condition: Tensor | None = None) -> Tensor:
        """Log-probability `(n,)`, nats, of latents `(n, Z)`, or of code indices `(n, M)` where the latent has codes."""
        ...

    def sample(
        self,
        n: int,
        *,
        condition: Tensor | None = None,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Draw latents `(n, Z)`; a temperature below 1 favors the likely ones."""
        ...


class LearnedPrior(nn.Module):
    """A prior with weights, fitted to the latents of a training set."""

    def fit_scale(self, target: Tensor) -> None:
        """Look at a sample of what is to be modeled before training starts; by default nothing is learned from it."""

    def log_prob(self, target: Tensor, *, condition: Tensor | None = None) -> Tensor:
        """As in `Prior`."""
        raise NotImplementedError

    def sample(
        self,
        n: int,
        *,
        condition: Tensor | None = None,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """As in `Prior`."""
        raise NotImplementedError


class ContinuousPrior(LearnedPrior):
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


@runtime_checkable
class Codebooks(Protocol):
    """What a prior over codes has to know of the latent."""

    n_slots: int
    n_codes: int
    shared: bool

    def codes_to_z(self, indices: Tensor) -> Tensor:
        """Latents `(n, Z)` of code indices `(n, M)`."""
        ...
