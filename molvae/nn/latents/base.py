"""What every latent is and gives."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

LogPrior = Callable[[Tensor], Tensor]  # what `Prior.log_prob` is

ACTIVE_NATS = 0.01  # a unit is active when it carries more than this
ACTIVE_VARIANCE = 0.01  # and its posterior mean varies by more than this (Burda et al. 2016)


@dataclass(frozen=True)
class LatentOutput:
    """One batch's latents.

    Attributes:
        z: `(B, Z)` what the decoder gets: a posterior sample in training, the code itself in eval mode.
        mean: `(B, Z)` the deterministic code of each molecule.
        regularizer: scalar, nats per molecule where it is a KL: what the loss weighs by beta.
        auxiliary: scalar, what the loss counts in full.
        diagnostics: named scalars to show while training.
    """

    z: Tensor
    mean: Tensor
    regularizer: Tensor
    auxiliary: Tensor
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
    """Base of every latent: a module from h `(B, H)` to z `(B, Z)`.

    h may consist of several slots, one after the other; each then gives its own part of z, all by the same map.
    """

    latent_dim: int

    def forward(
        self, h: Tensor, *, log_prior: LogPrior | None = None, generator: torch.Generator | None = None
    ) -> LatentOutput:
        """Latents of a batch.

        Args:
            h: `(B, H)`.
            log_prior: log-probability under a prior that is trained jointly, which the regularizer is then against.
            generator: of the posterior samples.
        """
        raise NotImplementedError

    def posterior_parameters(self, h: Tensor) -> Tensor:
        """All there is to know of q(z|x), `(B, Q)`: means and logvars, or code indices."""
        raise NotImplementedError

    def prior_target(self, parameters: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """What a learned prior models: one sample `(B, Z)` of posteriors `(B, Q)`, or code indices `(B, M)`."""
        raise NotImplementedError

    def entropy(self, parameters: Tensor) -> Tensor:
        """Entropy of each of the posteriors `(B, Q)`, nats, `(B,)`: what turns a prior's log-probability into a KL."""
        raise NotImplementedError

    def log_posterior(self, parameters: Tensor, target: Tensor) -> Tensor:
        """Log q(z|x) of one target for each of the posteriors `(B, Q)`, nats, `(B,)`."""
        raise NotImplementedError

    def to_z(self, target: Tensor) -> Tensor:
        """The latents `(B, Z)` that targets of a prior stand for."""
        raise NotImplementedError

    def summarize(self, h: Tensor) -> LatentSummary:
        """How the latent is used on the molecules whose h `(n, H)` these are."""
        raise NotImplementedError
