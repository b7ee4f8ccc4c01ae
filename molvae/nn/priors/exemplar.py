"""The exemplar prior (Norouzi et al. 2020): a Gaussian around the latent of each of many training molecules."""

from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from molvae.config import Size
from molvae.nn.latents.base import Latent
from molvae.nn.priors.base import Prior
from molvae.nn.priors.gmm import MAX_LOGVAR, MIN_LOGVAR, MixturePrior
from molvae.nn.priors.settings import PriorSettings


class ExemplarPrior(MixturePrior):
    """p(z) = Σ_n w_n N(z; z_n, σ²): z_n are latents of training molecules; σ, the same for all, and w are learned.

    The weights start equal. Who has the prior has the latents of the exemplars, and can decode them.

    Args:
        latent_dim: size of z (Z).
        n_components: number of exemplars.
        condition_dim: size of the condition c (C), which then determines the weights; 0 for none.
    """

    exemplars: Tensor

    def __init__(self, latent_dim: int, *, n_components: int = 2000, condition_dim: int = 0) -> None:
        super().__init__(latent_dim, n_components, condition_dim=condition_dim)
        self.logvar = nn.Parameter(torch.zeros(latent_dim))
        start = torch.randn((n_components, latent_dim), generator=torch.Generator().manual_seed(0))
        self.register_buffer("exemplars", start)

    def components(self) -> tuple[Tensor, Tensor]:
        """The exemplars `(K, Z)`, and their common log-variance `(Z,)`."""
        return self.exemplars, self.logvar.clamp(MIN_LOGVAR, MAX_LOGVAR)

    def fit_scale(self, target: Tensor) -> None:
        """Take mean and standard deviation of z `(n, Z)`, and as exemplars random rows of it."""
        super().fit_scale(target)
        generator = torch.Generator().manual_seed(0)
        picks = torch.randperm(len(target), generator=generator).repeat(-(-len(self.exemplars) // len(target)))
        self.exemplars.copy_(self.scaled(target)[picks[: len(self.exemplars)].to(target.device)])


class ExemplarPriorConfig(PriorSettings):
    """An exemplar prior; it is fitted after training."""

    member: ClassVar[type[Prior]] = ExemplarPrior
    joint: ClassVar[bool] = False
    continuous_only: ClassVar[bool] = True

    kind: Literal["exemplar"] = "exemplar"
    n_components: Size = 2000
    """Number of exemplars."""

    def build(self, latent: Latent, *, condition_dim: int = 0) -> ExemplarPrior:
        """Build the prior, with untrained weights."""
        return ExemplarPrior(latent.latent_dim, condition_dim=condition_dim, **self.arguments())
