"""A Gaussian latent that cannot collapse, because its posterior is narrower than the prior (cf. Razavi et al. 2019)."""

from typing import Annotated, ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from molvae.nn.latents.base import ContinuousLatentSettings, Latent
from molvae.nn.latents.gaussian import MAX_LOGVAR, MIN_LOGVAR, GaussianLatent


class DeltaLatent(GaussianLatent):
    """A Gaussian latent of which each dimension has a KL of at least δ by construction.

    The variance is at most σ²_max < 1, with ½(σ²_max − 1 − log σ²_max) = δ, so that whatever the mean,
    KL(q(z_i|x) ‖ N(0, 1)) = ½(mean² + σ² − 1 − log σ²) ≥ δ. δ-VAEs (Razavi et al. 2019) get such a committed rate
    from a family of posteriors that does not contain the prior; here it is the one with bounded variances.

    Args:
        h_dim: size of h.
        latent_dim: size of z (Z).
        delta: δ, nats per dimension.
        n_slots: number of slots of h.
    """

    def __init__(self, h_dim: int, *, latent_dim: int = 128, delta: float = 0.1, n_slots: int = 1) -> None:
        super().__init__(h_dim, latent_dim=latent_dim, n_slots=n_slots)
        self.delta = delta
        self.max_logvar = max_logvar(delta)

    def moments(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """Means and log-variances of the posteriors, both `(B, Z)` float32."""
        mean = self.to_mean(h).float()
        return mean, (self.max_logvar - F.softplus(-self.to_logvar(h).float())).clamp(MIN_LOGVAR, MAX_LOGVAR)

    def extra_repr(self) -> str:
        """Settings for `repr`."""
        return f"latent_dim={self.latent_dim}, delta={self.delta}"


def max_logvar(delta: float) -> float:
    """The log-variance below 0 at which ½(σ² − 1 − log σ²) = δ, by bisection.

    >>> round(max_logvar(0.5 * (0.25 - 1 + 2 * 0.6931471805599453)), 6)  # of σ = ½
    -1.386294
    """
    low, high = torch.tensor(MIN_LOGVAR, dtype=torch.float64), torch.tensor(0.0, dtype=torch.float64)
    for _ in range(80):
        middle = (low + high) / 2
        if 0.5 * (middle.exp() - 1 - middle) > delta:
            low = middle
        else:
            high = middle
    return float(low)


class DeltaLatentConfig(ContinuousLatentSettings):
    """A Gaussian latent whose KL is at least `delta` nats in every dimension, by construction."""

    member: ClassVar[type[Latent]] = DeltaLatent

    kind: Literal["delta"] = "delta"
    delta: Annotated[float, Field(gt=0, le=5)] = 0.1
    """δ: the least KL of each dimension, nats."""

    @property
    def has_plain_kl(self) -> bool:
        """Its KL is that of a Gaussian."""
        return True
