"""What every latent is and gives."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from molvae.config import Section
from molvae.errors import ConfigError
from molvae.nn.priors.base import Prior

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

    What a prior models is a target: a posterior sample `(B, Z)`, or code indices `(B, M)`. `to_z` gives the latents
    that targets stand for.

    Attributes:
        latent_dim: Z.
        discrete: whether targets are code indices.
        n_slots: M, the codes per molecule; 1 where there are none.
        n_codes: K, the codes to choose from; 0 where there are none.
        shared: whether all slots choose from the same codes.
        feature_kinds: what `features` gives.
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
        """Latents of a batch.

        Args:
            h: `(B, H)`.
            log_prior: log-probability under a prior that is trained jointly, which the regularizer is then against.
            generator: of the posterior samples.
        """
        raise NotImplementedError

    def standard_prior(self) -> Prior:
        """The prior that needs no fitting: N(0, I), or every code alike."""
        raise NotImplementedError

    def posterior(self, h: Tensor) -> Tensor:
        """All there is to know of q(z|x), `(B, Q)`: means and logvars, or code indices."""
        raise NotImplementedError

    def sample_posterior(
        self, parameters: Tensor, *, generator: torch.Generator | None = None, same_noise: bool = False
    ) -> Tensor:
        """One target of each of the posteriors `(B, Q)`.

        Args:
            parameters: `(B, Q)`, as `posterior` gives them.
            generator: of the draws.
            same_noise: draw the noise once for all rows, so that a row's sample does not depend on the others.
        """
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

    def codebook(self) -> Tensor:
        """The codes `(K, S)` that all slots share, where they do."""
        raise NotImplementedError

    def features(self, kind: str, h: Tensor) -> Tensor:
        """Numbers that describe molecules, `(B, F)`.

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
        """A name for each column of `features`; raises `ConfigError` for a kind that is not there."""
        if kind == "mean":
            return [f"z{i}" for i in range(self.latent_dim)]
        raise ConfigError(f"the model's latent has no features {kind!r}; it has: {', '.join(self.feature_kinds)}")


class LatentSettings(Section):
    """Base of every latent's settings, which build it."""

    member: ClassVar[type[Latent]]

    @property
    def z_dim(self) -> int:
        """Z."""
        raise NotImplementedError

    @property
    def code_slots(self) -> int:
        """Codes per molecule; 0 where there are none."""
        return 0

    @property
    def needs_standard_prior(self) -> bool:
        """Whether some setting makes no sense with a prior that is trained jointly."""
        return False

    def build(self, h_dim: int, *, h_slots: int = 1) -> Latent:
        """The latent, untrained, for h of size `h_dim` that consists of `h_slots` parts."""
        raise NotImplementedError
