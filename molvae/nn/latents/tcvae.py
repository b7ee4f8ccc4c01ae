"""beta-TCVAE (Chen et al. 2018): the KL is split into three parts, each with a weight of its own."""

import math
from typing import ClassVar, Literal

import torch
from torch import Tensor

from molvae.config import Weight
from molvae.nn.latents.base import ContinuousLatentSettings, Latent, LatentOutput, LogPrior
from molvae.nn.latents.gaussian import GaussianLatent, reparametrize
from molvae.nn.priors.base import standard_normal_log_prob


class TCLatent(GaussianLatent):
    """A Gaussian latent with the regularizer mi_weight · MI + tc_weight · TC + kl_weight · KL_dims (Chen et al. 2018).

    E KL(q(z|x) ‖ p(z)) = MI + TC + KL_dims, in nats: the mutual information E log q(z|x) / q(z), the total correlation
    E log q(z) / Π q(z_i) and the KL of each dimension Σ E log q(z_i) / p(z_i). The densities of the aggregate
    posterior are estimated from the batch, log q(z) ≈ log Σ_j w_j q(z|x_j). As z was drawn for one of these
    molecules, they are weighted by minibatch stratified sampling: with N training molecules and B in the batch, the own
    one by 1 / N and each other one by (1 − 1 / N) / (B − 1).

    Args:
        h_dim: size of h.
        latent_dim: size of z (Z).
        mi_weight: weight of the mutual information (α).
        tc_weight: weight of the total correlation (β).
        kl_weight: weight of the KL of the dimensions (γ).
        n_slots: number of slots of h.
    """

    def __init__(
        self,
        h_dim: int,
        *,
        latent_dim: int = 128,
        mi_weight: float = 1.0,
        tc_weight: float = 4.0,
        kl_weight: float = 1.0,
        n_slots: int = 1,
    ) -> None:
        super().__init__(h_dim, latent_dim=latent_dim, n_slots=n_slots)
        self.weights = (mi_weight, tc_weight, kl_weight)
        self.n_molecules: int | None = None

    def count(self, n_molecules: int) -> None:
        """Learn the number of training molecules, N; until then, the own molecule has no weight."""
        self.n_molecules = n_molecules

    def forward(
        self, h: Tensor, *, log_prior: LogPrior | None = None, generator: torch.Generator | None = None
    ) -> LatentOutput:
        """Compute the latents of a batch; without a jointly trained prior only."""
        mean, logvar = self.moments(h)
        drawn = reparametrize(mean, logvar, generator=generator)
        parts = kl_parts(drawn, mean, logvar, n_molecules=self.n_molecules)
        regularizer = torch.stack([w * part for w, part in zip(self.weights, parts, strict=True)]).sum()
        named = dict(zip(("mi", "tc", "kl_dims"), (part.detach() for part in parts), strict=True))
        z = drawn if self.training else mean
        diagnostics = {"kl": torch.stack(list(named.values())).sum(), **named}
        return LatentOutput(z, mean, regularizer, regularizer.new_zeros(()), diagnostics)


def kl_parts(
    z: Tensor, mean: Tensor, logvar: Tensor, *, n_molecules: int | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Mutual information, total correlation and dimension-wise KL to N(0, I), nats; their sum estimates the KL.

    Args:
        z: `(B, Z)`, one sample of each posterior.
        mean: `(B, Z)`, posterior means.
        logvar: `(B, Z)`, posterior log-variances.
        n_molecules: number of molecules that the batch is drawn from (N); `None` for very many.
    """
    b = len(z)
    scaled = (z.unsqueeze(1) - mean) * torch.exp(-0.5 * logvar)  # (B, B, Z): z of the rows, posteriors of the columns
    log_density = -0.5 * (scaled.square() + logvar + math.log(2 * math.pi))
    own = 0.0 if n_molecules is None else 1 / max(n_molecules, b)
    weights = torch.full((b, b), (1 - own) / max(b - 1, 1), device=z.device)
    log_weights = weights.fill_diagonal_(own if b > 1 else 1.0).log()
    log_q = torch.logsumexp(log_weights + log_density.sum(2), dim=1)
    log_q_dims = torch.logsumexp(log_weights.unsqueeze(2) + log_density, dim=1).sum(1)
    log_q_given_x = log_density.diagonal().sum(0)
    return (
        (log_q_given_x - log_q).mean(),
        (log_q - log_q_dims).mean(),
        (log_q_dims - standard_normal_log_prob(z)).mean(),
    )


class TCLatentConfig(ContinuousLatentSettings):
    """beta-TCVAE: mutual information, total correlation and dimension-wise KL; beta weights all three."""

    member: ClassVar[type[Latent]] = TCLatent

    kind: Literal["tcvae"] = "tcvae"
    mi_weight: Weight = 1.0
    """α: weight of the mutual information I(x; z)."""
    tc_weight: Weight = 4.0
    """β: weight of the total correlation."""
    kl_weight: Weight = 1.0
    """γ: weight of the KL of each dimension to N(0, 1)."""

    @property
    def no_joint_prior(self) -> str | None:
        """The dimension-wise KL is that to N(0, I)."""
        return "a tcvae latent splits the KL to N(0, I); fit its prior afterwards with fit: two-stage"
