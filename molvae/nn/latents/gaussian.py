"""A latent with a diagonal Gaussian posterior (Kingma and Welling 2014) and the prior N(0, I) or a learned one."""

import math
from typing import ClassVar, Literal

import torch
from torch import Tensor

from molvae.config import Weight
from molvae.nn.latents.base import (
    ACTIVE_NATS,
    ACTIVE_VARIANCE,
    ContinuousLatentSettings,
    Latent,
    LatentOutput,
    LatentSummary,
    LogPrior,
)
from molvae.nn.priors.base import gaussian_log_prob
from molvae.nn.priors.standard import StandardPrior
from molvae.nn.slots import SlotLinear
from molvae.processes import mean_over_processes

MIN_LOGVAR, MAX_LOGVAR = -14.0, 4.0


class GaussianLatent(Latent):
    """Gaussian posterior q(z|x) = N(mean, diag(exp(logvar))), linear in h (Kingma and Welling 2014).

    Args:
        h_dim: size of h.
        latent_dim: size of z (Z).
        free_bits: λ, nats per dimension; the regularizer is the sum of max(λ, KL_i), with KL_i averaged over the batch,
            so that a dimension below λ is not pulled toward the prior (Kingma et al. 2016).
        min_rate: lower bound of the regularizer, in nats for the whole of z.
        n_slots: number of slots of h, each of which is mapped to its own slot of z.
    """

    feature_kinds: ClassVar[tuple[str, ...]] = ("mean", "logvar")
    reparametrized: ClassVar[bool] = True

    def __init__(
        self, h_dim: int, *, latent_dim: int = 128, free_bits: float = 0.0, min_rate: float = 0.0, n_slots: int = 1
    ) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.free_bits = free_bits
        self.min_rate = min_rate
        self.to_mean = SlotLinear(h_dim, latent_dim, n_slots=n_slots)
        self.to_logvar = SlotLinear(h_dim, latent_dim, n_slots=n_slots)

    def moments(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """Means and log-variances of the posteriors, both `(B, Z)` float32."""
        mean = self.to_mean(h).float()
        logvar = self.to_logvar(h).float().clamp(MIN_LOGVAR, MAX_LOGVAR)
        return mean, logvar

    def forward(
        self, h: Tensor, *, log_prior: LogPrior | None = None, generator: torch.Generator | None = None
    ) -> LatentOutput:
        """Compute the latents of a batch: posterior samples in training, posterior means in eval mode.

        The KL to a learned prior is estimated from one posterior sample per molecule and the exact posterior entropy.
        Free bits and the minimum rate apply only to the KL to N(0, I).
        """
        mean, logvar = self.moments(h)
        sampled = self.training or log_prior is not None
        drawn = reparametrize(mean, logvar, generator=generator) if sampled else mean
        if log_prior is None:
            kl = gaussian_kl(mean, logvar).mean(0)
            if self.training and (self.free_bits or self.min_rate):  # which are of the mean over the whole batch
                kl = mean_over_processes(kl)
            regularizer = kl.clamp(min=self.free_bits).sum().clamp(min=self.min_rate)
        else:
            kl = regularizer = -(log_prior(drawn) + gaussian_entropy(logvar)).mean()
        z = drawn if self.training else mean
        return LatentOutput(z, mean, regularizer, regularizer.new_zeros(()), {"kl": kl.detach().sum()})

    def standard_prior(self) -> StandardPrior:
        """N(0, I)."""
        return StandardPrior(self.latent_dim)

    def posterior(self, h: Tensor) -> Tensor:
        """Means, then log-variances: `(B, 2 · Z)`."""
        return torch.cat(self.moments(h), dim=1)

    def sample_posterior(
        self, parameters: Tensor, *, generator: torch.Generator | None = None, same_noise: bool = False
    ) -> Tensor:
        """Sample one z from each posterior, `(B, Z)`; see `Latent.sample_posterior`."""
        mean, logvar = parameters.chunk(2, dim=1)
        return reparametrize(mean, logvar, generator=generator, same_noise=same_noise)

    def entropy(self, parameters: Tensor) -> Tensor:
        """Differential entropy of each posterior, nats, `(B,)`."""
        return gaussian_entropy(parameters.chunk(2, dim=1)[1])

    def log_posterior(self, parameters: Tensor, target: Tensor) -> Tensor:
        """Log density of z `(B, Z)` under the posteriors, nats, `(B,)`."""
        mean, logvar = parameters.chunk(2, dim=1)
        return gaussian_log_prob(target, mean, logvar)

    def to_z(self, target: Tensor) -> Tensor:
        """The target itself, which is z."""
        return target

    @torch.no_grad()
    def summarize(self, h: Tensor) -> LatentSummary:
        """KL per dimension, active dimensions and mutual information of n molecules with the given h `(n, H)`."""
        mean, logvar = self.moments(h)
        kl = gaussian_kl(mean, logvar).mean(0)
        active = (kl > ACTIVE_NATS) & (mean.var(0) > ACTIVE_VARIANCE)
        return LatentSummary(kl.cpu(), int(active.sum()), mutual_information(mean.cpu(), logvar.cpu()))

    def features(self, kind: str, h: Tensor) -> Tensor:
        """Posterior means or log-variances, `(B, Z)`."""
        return self.moments(h)[1] if kind == "logvar" else super().features(kind, h)

    def feature_names(self, kind: str) -> list[str]:
        """A name for each dimension."""
        if kind == "logvar":
            return [f"logvar{i}" for i in range(self.latent_dim)]
        return super().feature_names(kind)

    def extra_repr(self) -> str:
        """Settings for `repr`."""
        return f"latent_dim={self.latent_dim}, free_bits={self.free_bits}, min_rate={self.min_rate}"


class GaussianLatentConfig(ContinuousLatentSettings):
    """A latent with a diagonal Gaussian posterior."""

    member: ClassVar[type[Latent]] = GaussianLatent

    kind: Literal["gaussian"] = "gaussian"
    free_bits: Weight = 0.0
    """λ, nats per dimension: the loss counts max(λ, KL_i), averaged over the batch first (Kingma et al. 2016)."""
    min_rate: Weight = 0.0
    """Nats for the whole of z: the loss counts max(min_rate, Σ KL_i)."""

    @property
    def has_plain_kl(self) -> bool:
        """Without free bits and a minimum rate."""
        return not (self.free_bits or self.min_rate)

    @property
    def no_joint_prior(self) -> str | None:
        """Free bits and a minimum rate apply only to the KL to N(0, I)."""
        if self.free_bits or self.min_rate:
            return "free_bits and min_rate belong to N(0, I); with a joint prior use beta: {kind: geco}"
        return None


def reparametrize(
    mean: Tensor, logvar: Tensor, *, generator: torch.Generator | None = None, same_noise: bool = False
) -> Tensor:
    """Sample from each N(mean, exp(logvar)), differentiably (Kingma and Welling 2014); the shape is that of `mean`.

    The noise is drawn on the device of the generator; `same_noise` is described in `Latent.sample_posterior`.
    """
    shape = mean.shape[1:] if same_noise else mean.shape
    device = mean.device if generator is None else generator.device
    noise = torch.randn(shape, generator=generator, device=device, dtype=mean.dtype).to(mean.device)
    return mean + noise * torch.exp(0.5 * logvar)


def gaussian_entropy(logvar: Tensor) -> Tensor:
    """Differential entropy of N(·, diag(exp(logvar))), nats: `(B, Z)` → `(B,)`."""
    return 0.5 * (logvar + math.log(2 * math.pi * math.e)).sum(1)


def gaussian_kl(mean: Tensor, logvar: Tensor) -> Tensor:
    """KL(N(mean, exp(logvar)) ‖ N(0, 1)) of each element, nats."""
    return 0.5 * (mean.square() + logvar.exp() - 1.0 - logvar)


def mutual_information(mean: Tensor, logvar: Tensor, *, block: int = 256) -> float:
    """Estimate I(x; z) ≈ E[log q(z|x) − log q(z)] in nats; q(z) is the mixture of the given posteriors.

    Args:
        mean: `(n, Z)`, posterior means.
        logvar: `(n, Z)`, posterior log-variances.
        block: number of rows handled at once; the memory needed is proportional to `block · n`.
    """
    n = len(mean)
    noise = torch.randn(mean.shape, generator=torch.Generator().manual_seed(0)).double()
    mean, logvar = mean.double(), logvar.double()  # the result is a difference of large numbers
    z = mean + noise * torch.exp(0.5 * logvar)
    precision = torch.exp(-logvar)
    constant = -0.5 * (logvar + mean.square() * precision).sum(1)  # the part of log q(z|x) without z
    own = -0.5 * (logvar + noise.square()).sum(1)
    mixture = torch.cat(
        [
            torch.logsumexp(constant - 0.5 * (part.square() @ precision.T) + part @ (mean * precision).T, dim=1)
            for part in z.split(block)
        ]
    )
    return float((own - mixture).mean() + torch.tensor(float(n)).log())
