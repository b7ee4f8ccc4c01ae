"""What every prior is."""

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn


class Prior(Protocol):
    """A distribution of latents."""

    def log_prob(self, target: Tensor) -> Tensor:
        """Log-probability `(n,)`, nats, of latents `(n, Z)`, or of code indices `(n, M)` where the latent has codes."""
        ...

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        """Draw latents `(n, Z)`."""
        ...


class LearnedPrior(nn.Module):
    """A prior with weights, fitted to the latents of a training set."""

    def fit_scale(self, target: Tensor) -> None:
        """Look at a sample of what is to be modelled before training starts; by default nothing is learned from it."""

    def log_prob(self, target: Tensor) -> Tensor:
        """As in `Prior`."""
        raise NotImplementedError

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        """As in `Prior`."""
        raise NotImplementedError


@runtime_checkable
class Codebooks(Protocol):
    """What a prior over codes has to know of the latent."""

    n_slots: int
    n_codes: int

    def codes_to_z(self, indices: Tensor) -> Tensor:
        """Latents `(n, Z)` of code indices `(n, M)`."""
        ...
