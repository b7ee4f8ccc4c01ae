"""The variational mixture of posteriors (VampPrior, Tomczak and Welling 2018)."""

from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from molvae.config import Size, a
from molvae.nn.latents.base import Latent, LatentSettings
from molvae.nn.latents.gaussian import GaussianLatent
from molvae.nn.priors.base import Prior
from molvae.nn.priors.gmm import MixturePrior
from molvae.nn.priors.settings import PriorSettings


class VampPrior(MixturePrior):
    """p(z) = Σ_k w_k q(z|u_k): the model's own posteriors of K learned pseudo-inputs (Tomczak and Welling 2018).

    Molecules are discrete, so a pseudo-input u_k is no molecule but the h of one, which the latent maps to mean and
    variance with the weights that it maps all h with. The prior thus moves with the encoder, and is trained jointly.

    Args:
        latent: the Gaussian latent, whose weights belong to the model and not to the prior.
        n_components: number of pseudo-inputs (K).
        condition_dim: size of the condition c (C), which then determines the weights; 0 for none.
    """

    def __init__(self, latent: GaussianLatent, *, n_components: int = 500, condition_dim: int = 0) -> None:
        super().__init__(latent.latent_dim, n_components, condition_dim=condition_dim)
        h_dim = latent.to_mean.in_features * latent.to_mean.n_slots
        self.pseudo_inputs = nn.Parameter(0.5 * torch.randn(n_components, h_dim))
        self._latent = (latent,)  # in a tuple, so that torch does not register its weights

    def components(self) -> tuple[Tensor, Tensor]:
        """Means and log-variances of the posteriors of the pseudo-inputs, both `(K, Z)`."""
        return self._latent[0].moments(self.pseudo_inputs)

    def fit_scale(self, target: Tensor) -> None:
        """Nothing to set: the posteriors are where the latents are."""


class VampPriorConfig(PriorSettings):
    """A VampPrior; it is trained jointly with a Gaussian latent."""

    member: ClassVar[type[Prior]] = VampPrior
    two_stage: ClassVar[bool] = False
    continuous_only: ClassVar[bool] = True

    kind: Literal["vamp"] = "vamp"
    n_components: Size = 500
    """Number of pseudo-inputs."""

    def check(self, latent: LatentSettings) -> None:
        """Raise `ValueError` unless the posterior is Gaussian."""
        super().check(latent)
        if not issubclass(latent.member, GaussianLatent):
            raise ValueError(f"a vamp prior is made of Gaussian posteriors, and {a(latent.kind)} latent has none")

    def build(self, latent: Latent, *, condition_dim: int = 0) -> VampPrior:
        """Build the prior, with untrained weights."""
        assert isinstance(latent, GaussianLatent)
        return VampPrior(latent, condition_dim=condition_dim, **self.arguments())
