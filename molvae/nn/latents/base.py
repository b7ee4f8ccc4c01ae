"""The base class of latents, and what they return."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from molvae.config import Section
from molvae.errors import ConfigError
from molvae.nn.priors.base import Prior

LogPrior = Callable[[Tensor], Tensor]  # log-probabilities of targets, as from `Prior.log_prob`

ACTIVE_NATS = 0.01  # a unit is active if its KL is above this
ACTIVE_VARIANCE = 0.01  # and the variance of its posterior mean is above this (Burda et al. 2016)


@dataclass(frozen=True)
class LatentOutput:
    """The latents of a batch.

    Attributes:
        z: `(B, Z)`, what the decoder gets: a posterior sample in training, `mean` in eval mode.
        mean: `(B, Z)`, the deterministic latent of each molecule: the posterior mean, or the VQ codes.
        regularizer: scalar, the loss term that beta weights: a KL in nats per molecule, or the commitment loss of VQ.
        auxiliary: scalar, a loss term with weight 1.
        diagnostics: named scalars to show during training.
        codes: `(B, M)`, the code indices that z consists of; `None` for a continuous latent.
    """

    z: Tensor
    mean: Tensor
    regularizer: Tensor
    auxiliary: Tensor
    diagnostics: Mapping[str, Tensor]
    codes: Tensor | None = None


@dataclass(frozen=True)
class LatentSummary:
    """How much n molecules use a latent.

    Attributes:
        kl_per_unit: `(units,)`, nats: the KL of each Gaussian dimension to N(0, 1), or the entropy of the code
            frequencies of each VQ slot, which is its KL to these frequencies.
        active_units: number of active units.
        mutual_information: estimate of I(x; z) in nats; it cannot exceed log n.
    """

    kl_per_unit: Tensor
    active_units: int
    mutual_information: float


class Latent(nn.Module):
    """Base of all latents: a module that maps h `(B, H)` to z `(B, Z)`.

    If h consists of several slots, each is mapped to its own slot of z with the same weights.

    A *target* is what a prior models: a posterior sample `(B, Z)`, or code indices `(B, M)`. `to_z` converts targets to
    z.

    Attributes:
        latent_dim: size of z (Z).
        discrete: whether targets are code indices.
        n_slots: number of codes per molecule (M); 1 for a continuous latent.
        n_codes: number of codes to choose from (K); 0 for a continuous latent.
        shared: whether all slots use the same codebook.
        feature_kinds: the kinds of features that `features` can compute.
    """

    latent_dim: int
    discrete: ClassVar[bool] = False
    n_slots: int = 1
    n_codes: int = 0
    shared: bool = False
    feature_kinds: ClassVar[tuple[str, ...]] = ("mean",)

    def forward(
        self, h: Tensor, *, log_prior: LogPrior | None = None, generator: torch.Generator | None = None
    ) -> LatentOutput:
        """Compute the latents of a batch.

        Args:
            h: `(B, H)`.
            log_prior: log-probability of targets under a jointly trained prior, which then replaces the standard prior
                in the KL.
            generator: random numbers for the posterior samples.
        """
        raise NotImplementedError

    def standard_prior(self) -> Prior:
        """The prior without parameters: N(0, I), or a uniform distribution over codes."""
        raise NotImplementedError

    def posterior(self, h: Tensor) -> Tensor:
        """The parameters of the posterior q(z|x), `(B, Q)`: means and log-variances, or code indices."""
        raise NotImplementedError

    def sample_posterior(
        self, parameters: Tensor, *, generator: torch.Generator | None = None, same_noise: bool = False
    ) -> Tensor:
        """Sample one target from each posterior.

        Args:
            parameters: the parameters `(B, Q)` that `posterior` returns.
            generator: random numbers for the samples.
            same_noise: use the same noise for all rows, so that a row's sample does not depend on the other rows.
        """
        raise NotImplementedError

    def entropy(self, parameters: Tensor) -> Tensor:
        """Entropy of posteriors with parameters `(B, Q)`, nats, `(B,)`, as needed for the KL to a prior."""
        raise NotImplementedError

    def log_posterior(self, parameters: Tensor, target: Tensor) -> Tensor:
        """Log q(z|x) of one target per posterior with parameters `(B, Q)`, nats, `(B,)`."""
        raise NotImplementedError

    def to_z(self, target: Tensor) -> Tensor:
        """Convert targets to z `(B, Z)`."""
        raise NotImplementedError

    def summarize(self, h: Tensor) -> LatentSummary:
        """How much n molecules with the given h `(n, H)` use the latent."""
        raise NotImplementedError

    def codebook(self) -> Tensor:
        """The codes `(K, S)` of the codebook that all slots share; only if `shared`."""
        raise NotImplementedError

    def features(self, kind: str, h: Tensor) -> Tensor:
        """Features of molecules, `(B, F)`.

        Args:
            kind: one of `feature_kinds`.
            h: `(B, H)`.

        Raises:
            ConfigError: for another kind.
        """
        if kind == "mean":
            return self(h).mean
        raise ConfigError(f"the model's latent has no features {kind!r}; it has: {', '.join(self.feature_kinds)}")

    def feature_names(self, kind: str) -> list[str]:
        """A name for each column of `features`; raises `ConfigError` for an unknown kind."""
        if kind == "mean":
            return [f"z{i}" for i in range(self.latent_dim)]
        raise ConfigError(f"the model's latent has no features {kind!r}; it has: {', '.join(self.feature_kinds)}")


class LatentSettings(Section):
    """Base of the settings of latents, which build them."""

    member: ClassVar[type[Latent]]

    @property
    def z_dim(self) -> int:
        """Size of z (Z)."""
        raise NotImplementedError

    @property
    def code_slots(self) -> int:
        """Number of codes per molecule; 0 for a continuous latent."""
        return 0

    @property
    def needs_standard_prior(self) -> bool:
        """Whether some setting cannot be combined with a jointly trained prior."""
        return False

    def build(self, h_dim: int, *, h_slots: int = 1) -> Latent:
        """Build the latent, with untrained weights, for h of size `h_dim` that consists of `h_slots` slots."""
        raise NotImplementedError
