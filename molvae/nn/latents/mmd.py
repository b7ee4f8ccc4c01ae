"""InfoVAE (Zhao et al. 2019) and the Wasserstein autoencoder (Tolstikhin et al. 2018): q(z) is matched by MMD."""

from typing import ClassVar, Literal

import torch
from torch import Tensor

from molvae.config import Weight
from molvae.nn.latents.base import ContinuousLatentSettings, Latent, LatentOutput, LogPrior
from molvae.nn.latents.gaussian import GaussianLatent, gaussian_kl, reparametrize

SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)  # of the kernel, relative to the squared distance of two draws of N(0, I)


class MMDLatent(GaussianLatent):
    """A Gaussian latent whose aggregate posterior q(z) is pulled toward N(0, I).

    The regularizer is kl_weight · KL(q(z|x) ‖ N(0, I)) + mmd_weight · MMD²(q(z), N(0, I)). In InfoVAE, these are
    1 − α and α + λ − 1; without the KL it is the Wasserstein autoencoder. MMD² is that of z and as many draws of
    N(0, I), with the kernel k(x, y) = mean_s C_s / (C_s + ‖x − y‖²), C_s = 2 Z s, which has heavy tails.

    Args:
        h_dim: size of h.
        latent_dim: size of z (Z).
        kl_weight: weight of the KL of each molecule.
        mmd_weight: weight of the MMD².
        n_slots: number of slots of h.
    """

    def __init__(
        self,
        h_dim: int,
        *,
        latent_dim: int = 128,
        kl_weight: float = 0.0,
        mmd_weight: float = 100.0,
        n_slots: int = 1,
    ) -> None:
        super().__init__(h_dim, latent_dim=latent_dim, n_slots=n_slots)
        self.kl_weight, self.mmd_weight = kl_weight, mmd_weight

    def forward(
        self, h: Tensor, *, log_prior: LogPrior | None = None, generator: torch.Generator | None = None
    ) -> LatentOutput:
        """Compute the latents of a batch; without a jointly trained prior only."""
        mean, logvar = self.moments(h)
        drawn = reparametrize(mean, logvar, generator=generator)
        device = drawn.device if generator is None else generator.device
        wanted = torch.randn(drawn.shape, generator=generator, device=device).to(drawn.device)
        mmd, kl = squared_mmd(drawn, wanted), gaussian_kl(mean, logvar).mean(0).sum()
        regularizer = self.kl_weight * kl + self.mmd_weight * mmd
        z = drawn if self.training else mean
        return LatentOutput(z, mean, regularizer, mmd.new_zeros(()), {"kl": kl.detach(), "mmd": mmd.detach()})


def squared_mmd(x: Tensor, y: Tensor) -> Tensor:
    """Unbiased estimate of the squared maximum mean discrepancy of two samples (Gretton et al. 2012), a scalar.

    Args:
        x: `(n, Z)`.
        y: `(m, Z)`.
    """
    scales = torch.tensor(SCALES, device=x.device) * 2 * x.shape[1]

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        distances = torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist").square().unsqueeze(-1)
        return (scales / (scales + distances)).mean(-1)

    def off_diagonal_mean(k: Tensor) -> Tensor:
        return (k.sum() - k.diagonal().sum()) / max(len(k) * (len(k) - 1), 1)

    return off_diagonal_mean(kernel(x, x)) + off_diagonal_mean(kernel(y, y)) - 2 * kernel(x, y).mean()


class MMDLatentConfig(ContinuousLatentSettings):
    """InfoVAE, or without `kl_weight` a Wasserstein autoencoder; train it with a constant beta of 1."""

    member: ClassVar[type[Latent]] = MMDLatent

    kind: Literal["mmd"] = "mmd"
    kl_weight: Weight = 0.0
    """Weight of KL(q(z|x) ‖ N(0, I)); 1 − α of InfoVAE."""
    mmd_weight: Weight = 100.0
    """Weight of MMD²(q(z), N(0, I)); α + λ − 1 of InfoVAE."""

    @property
    def no_joint_prior(self) -> str | None:
        """The MMD is that to N(0, I)."""
        return "an mmd latent is matched to N(0, I); fit its prior afterwards with fit: two-stage"
