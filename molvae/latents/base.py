"""What every latent is and gives."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

ACTIVE_NATS = 0.01  # a unit is active when it carries more than this
ACTIVE_VARIANCE = 0.01  # and its posterior mean varies by more than this (Burda et al. 2016)


@dataclass(frozen=True)
class LatentOutput:
    """One batch's latents.

    Attributes:
        z: `(B, Z)` what the decoder gets: a posterior sample in training, the code itself in eval mode.
        mean: `(B, Z)` the deterministic code of each molecule.
        regularizer: scalar, nats a molecule where it is a KL: what the loss weighs by beta.
        diagnostics: named scalars to show while training.
    """

    z: Tensor
    mean: Tensor
    regularizer: Tensor
    diagnostics: Mapping[str, Tensor]


@dataclass(frozen=True)
class LatentSummary:
    """How a latent is used on n molecules.

    Attributes:
        kl_per_unit: `(units,)` nats: a Gaussian dimension's KL to N(0, 1); a VQ slot's KL to its own code frequencies,
            which is their entropy.
        active_units: how many of them are active.
        mutual_information: estimate of I(x; z), nats; it cannot exceed log n.
    """

    kl_per_unit: Tensor
    active_units: int
    mutual_information: float


class Latent(nn.Module):
    """Base of every latent: a module from h `(B, H)` to z `(B, Z)`."""

    latent_dim: int

    def forward(self, h: Tensor, *, generator: torch.Generator | None = None) -> LatentOutput:
        """Latents of a batch."""
        raise NotImplementedError

    def draw(self, h: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """One posterior sample `(B, Z)`, in any mode."""
        raise NotImplementedError

    def prior_target(self, h: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """What a learned prior models: one posterior sample `(B, Z)`, or code indices `(B, M)`."""
        raise NotImplementedError

    def entropy(self, h: Tensor) -> Tensor:
        """Entropy of each posterior `(B,)`, nats: what turns a prior's log-probability into a KL."""
        raise NotImplementedError

    def summarize(self, h: Tensor) -> LatentSummary:
        """How the latent is used on the molecules whose h `(n, H)` these are."""
        raise NotImplementedError
