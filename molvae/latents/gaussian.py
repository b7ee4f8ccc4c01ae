"""Diagonal Gaussian posterior against a standard normal prior (Kingma and Welling 2014)."""

import torch
from torch import Tensor, nn

from molvae.latents.base import LatentOutput

MIN_LOGVAR, MAX_LOGVAR = -14.0, 4.0


class GaussianLatent(nn.Module):
    """h → q(z|x) = N(mean, diag(exp(logvar))).

    Args:
        h_dim: size of h.
        latent_dim: Z.
        free_bits: λ nats a dimension; the regularizer counts max(λ, KL_i) of the batch mean, so a dimension
            below λ feels no pull towards the prior (Kingma et al. 2016).
        min_rate: nats for the whole vector; the regularizer counts at least this much.
    """

    def __init__(self, h_dim: int, *, latent_dim: int = 128, free_bits: float = 0.0, min_rate: float = 0.0) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.free_bits = free_bits
        self.min_rate = min_rate
        self.to_mean = nn.Linear(h_dim, latent_dim)
        self.to_logvar = nn.Linear(h_dim, latent_dim)

    def posterior(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and logvar, both `(B, Z)` float32."""
        mean = self.to_mean(h).float()
        logvar = self.to_logvar(h).float().clamp(MIN_LOGVAR, MAX_LOGVAR)
        return mean, logvar

    def forward(self, h: Tensor, *, generator: torch.Generator | None = None) -> LatentOutput:
        """Posterior of a batch: a sample while training, its mean in eval mode."""
        mean, logvar = self.posterior(h)
        z = sample_posterior(mean, logvar, generator=generator) if self.training else mean
        kl = gaussian_kl(mean, logvar).mean(0)
        regularizer = kl.clamp(min=self.free_bits).sum().clamp(min=self.min_rate)
        return LatentOutput(z, mean, regularizer, {"kl": kl.detach(), "logvar": logvar.detach()})

    def extra_repr(self) -> str:
        """Settings for `repr`."""
        return f"latent_dim={self.latent_dim}, free_bits={self.free_bits}, min_rate={self.min_rate}"


def sample_posterior(mean: Tensor, logvar: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
    """Reparametrised draw, shape of `mean`."""
    noise = torch.randn(mean.shape, generator=generator, device=mean.device, dtype=mean.dtype)
    return mean + noise * torch.exp(0.5 * logvar)


def gaussian_kl(mean: Tensor, logvar: Tensor) -> Tensor:
    """KL(N(mean, exp(logvar)) ‖ N(0, 1)) of each element, nats."""
    return 0.5 * (mean.square() + logvar.exp() - 1.0 - logvar)
