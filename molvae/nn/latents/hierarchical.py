"""Two levels of latents (Ladder VAE, Sønderby et al. 2016; NVAE, Vahdat and Kautz 2020): z₁ above z₂, top-down."""

from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from molvae.config import Size, Weight
from molvae.nn.latents.base import (
    ACTIVE_NATS,
    ACTIVE_VARIANCE,
    Latent,
    LatentOutput,
    LatentSettings,
    LatentSummary,
    LogPrior,
)
from molvae.nn.latents.gaussian import (
    MAX_LOGVAR,
    MIN_LOGVAR,
    gaussian_entropy,
    gaussian_kl,
    mutual_information,
    reparametrize,
)
from molvae.nn.priors.base import Prior, gaussian_log_prob, standard_normal_log_prob
from molvae.nn.slots import SlotLinear

LEVELS = ("z1", "z2")


class HierarchicalLatent(Latent):
    """A global z₁ above local slots z₂, of which z is made: p(z) = N(z₁; 0, I) · N(z₂; m(z₁), σ²), m and σ learned.

    q(z₁|x) is a diagonal Gaussian of the mean of all slots of h. q(z₂|x, z₁) combines what h says of each slot,
    N(m̂, σ̂²), with the prior by precision, as the Ladder VAE does: 1/σ_q² = 1/σ̂² + 1/σ², m_q = σ_q² (m̂/σ̂² + m/σ²); so
    inference goes from the top down, and a slot that h says nothing about follows z₁. Targets are z₁, then z₂;
    in z, each slot of z₂ stands behind an equal part of z₁. The regularizer is
    Σ max(free_bits_1, KL of each dimension of z₁) + Σ max(free_bits_2, KL of each dimension of z₂ given z₁). The
    deterministic warm-up of the Ladder VAE is a beta that rises from 0.

    Args:
        h_dim: size of h.
        global_dim: size of z₁.
        local_dim: size of z₂, all slots together; Z = global_dim + local_dim.
        hidden_dim: width of the network m.
        free_bits: λ of each level, nats per dimension, on the mean over the batch (Kingma et al. 2016).
        n_slots: number of slots of h and of z₂.
    """

    feature_kinds: ClassVar[tuple[str, ...]] = ("mean", "logvar")
    reparametrized: ClassVar[bool] = True

    def __init__(
        self,
        h_dim: int,
        *,
        global_dim: int = 32,
        local_dim: int = 96,
        hidden_dim: int = 256,
        free_bits: tuple[float, float] = (0.0, 0.0),
        n_slots: int = 1,
    ) -> None:
        super().__init__()
        self.sizes = (global_dim, local_dim)
        self.latent_dim = global_dim + local_dim
        self.free_bits = free_bits
        self.h_slots = n_slots
        self.to_global = nn.Linear(h_dim // n_slots, 2 * global_dim)
        self.to_mean = SlotLinear(h_dim, local_dim, n_slots=n_slots)
        self.to_logvar = SlotLinear(h_dim, local_dim, n_slots=n_slots)
        self.below = LevelBelow(global_dim, local_dim, hidden_dim=hidden_dim)

    def forward(
        self, h: Tensor, *, log_prior: LogPrior | None = None, generator: torch.Generator | None = None
    ) -> LatentOutput:
        """Compute the latents of a batch: posterior samples in training, means of means in eval mode."""
        parameters, mean = self.posterior(h), self.central_target(h)
        drawn = self.sample_posterior(parameters, generator=generator) if self.training else mean
        kl1, kl2 = self._kl(parameters, drawn[:, : self.sizes[0]])
        first, second = (kl.mean(0).clamp(min=low) for kl, low in zip((kl1, kl2), self.free_bits, strict=True))
        regularizer = first.sum() + second.sum()
        kls = {f"kl_{name}": kl.detach().mean(0).sum() for name, kl in zip(LEVELS, (kl1, kl2), strict=True)}
        diagnostics = {"kl": torch.stack(list(kls.values())).sum(), **kls}
        z, mean = self.to_z(drawn), self.to_z(mean)
        return LatentOutput(z, mean, regularizer, regularizer.new_zeros(()), diagnostics)

    def standard_prior(self) -> "HierarchicalPrior":
        """p(z₁) p(z₂|z₁), whose second factor was learned with the model."""
        return HierarchicalPrior(self.below)

    def posterior(self, h: Tensor) -> Tensor:
        """Mean and log-variance of z₁, then what h says of z₂: `(B, 2 · Z)`."""
        mean, logvar = self.to_global(h.unflatten(1, (self.h_slots, -1)).mean(1)).float().chunk(2, dim=1)
        local = self.to_logvar(h).float().clamp(MIN_LOGVAR, MAX_LOGVAR)
        return torch.cat([mean, logvar.clamp(MIN_LOGVAR, MAX_LOGVAR), self.to_mean(h).float(), local], dim=1)

    def sample_posterior(
        self, parameters: Tensor, *, generator: torch.Generator | None = None, same_noise: bool = False
    ) -> Tensor:
        """Sample z₁, then z₂ given it, `(B, Z)`; see `Latent.sample_posterior`."""
        mean, logvar, *_ = self._split(parameters)
        first = reparametrize(mean, logvar, generator=generator, same_noise=same_noise)
        second = reparametrize(*self._second(parameters, first), generator=generator, same_noise=same_noise)
        return torch.cat([first, second], dim=1)

    def entropy(self, parameters: Tensor) -> Tensor:
        """Differential entropy of each posterior, nats, `(B,)`; that of z₂ does not depend on z₁."""
        mean, logvar, *_ = self._split(parameters)
        return gaussian_entropy(logvar) + gaussian_entropy(self._second(parameters, mean)[1])

    def log_posterior(self, parameters: Tensor, target: Tensor) -> Tensor:
        """Log density of z `(B, Z)` under the posteriors, nats, `(B,)`."""
        mean, logvar, *_ = self._split(parameters)
        first, second = target.split(self.sizes, dim=1)
        return gaussian_log_prob(first, mean, logvar) + gaussian_log_prob(second, *self._second(parameters, first))

    def to_z(self, target: Tensor) -> Tensor:
        """The parts of z₁ beside the slots of z₂, `(B, Z)`."""
        parts = [part.unflatten(1, (self.h_slots, -1)) for part in target.split(self.sizes, dim=1)]
        return torch.cat(parts, dim=2).flatten(1)

    def central_target(self, h: Tensor) -> Tensor:
        """The mean of z₁, and that of z₂ given it, `(B, Z)`."""
        parameters = self.posterior(h)
        first = self._split(parameters)[0]
        return torch.cat([first, self._second(parameters, first)[0]], dim=1)

    @torch.no_grad()
    def summarize(self, h: Tensor) -> LatentSummary:
        """KL per dimension, active dimensions, both also by level, and mutual information of n molecules."""
        parameters = self.posterior(h)
        mean1, logvar1, *_ = self._split(parameters)
        mean2, logvar2 = self._second(parameters, mean1)
        kl = [part.mean(0).cpu() for part in self._kl(parameters, mean1)]
        used = [
            int(((k > ACTIVE_NATS) & (m.var(0).cpu() > ACTIVE_VARIANCE)).sum())
            for k, m in zip(kl, (mean1, mean2), strict=True)
        ]
        levels = {name: (float(k.sum()), n) for name, k, n in zip(LEVELS, kl, used, strict=True)}
        means, logvars = torch.cat([mean1, mean2], dim=1).cpu(), torch.cat([logvar1, logvar2], dim=1).cpu()
        return LatentSummary(torch.cat(kl), sum(used), mutual_information(means, logvars), levels)

    def features(self, kind: str, h: Tensor) -> Tensor:
        """Means, or log-variances at the mean of z₁, `(B, Z)`."""
        if kind != "logvar":
            return super().features(kind, h)
        parameters = self.posterior(h)
        mean, logvar, *_ = self._split(parameters)
        return torch.cat([logvar, self._second(parameters, mean)[1]], dim=1)

    def feature_names(self, kind: str) -> list[str]:
        """A name for each dimension."""
        if kind == "logvar":
            return [f"logvar{i}" for i in range(self.latent_dim)]
        return super().feature_names(kind)

    def extra_repr(self) -> str:
        """Settings for `repr`."""
        return f"sizes={self.sizes}, free_bits={self.free_bits}"

    def _split(self, parameters: Tensor) -> tuple[Tensor, ...]:
        """Mean and log-variance of z₁, and of z₂ as h sees it."""
        one, two = self.sizes
        return parameters.split([one, one, two, two], dim=1)

    def _second(self, parameters: Tensor, first: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z₂|x, z₁), both `(B, local_dim)`."""
        *_, mean, logvar = self._split(parameters)
        above, above_logvar = self.below(first)
        seen, known = torch.exp(-logvar), torch.exp(-above_logvar)
        precision = seen + known
        return (seen * mean + known * above) / precision, -precision.log()

    def _kl(self, parameters: Tensor, first: Tensor) -> tuple[Tensor, Tensor]:
        """KL of each dimension of z₁ to N(0, 1), and of z₂ to p(z₂|z₁), nats."""
        mean, logvar, *_ = self._split(parameters)
        mean2, logvar2 = self._second(parameters, first)
        above, above_logvar = self.below(first)
        scaled = (mean2 - above) * torch.exp(-0.5 * above_logvar)
        return gaussian_kl(mean, logvar), gaussian_kl(scaled, logvar2 - above_logvar)


class LevelBelow(nn.Module):
    """p(z₂|z₁) = N(m(z₁), σ²): a network for the mean, and a learned variance of each dimension."""

    def __init__(self, global_dim: int, local_dim: int, *, hidden_dim: int) -> None:
        super().__init__()
        self.global_dim = global_dim
        self.hidden = nn.Linear(global_dim, hidden_dim)
        self.to_mean = nn.Linear(hidden_dim, local_dim)
        self.logvar = nn.Parameter(torch.zeros(local_dim))

    def forward(self, first: Tensor) -> tuple[Tensor, Tensor]:
        """Means and log-variances of z₂ given z₁ `(B, global_dim)`, both `(B, local_dim)` float32."""
        with torch.autocast(first.device.type, enabled=False):
            mean = self.to_mean(F.silu(self.hidden(first.float())))
            return mean, self.logvar.clamp(MIN_LOGVAR, MAX_LOGVAR).expand_as(mean)


class HierarchicalPrior(Prior):
    """p(z₁) p(z₂|z₁) of a hierarchical latent, with which it shares the weights of the second factor."""

    def __init__(self, below: LevelBelow) -> None:
        super().__init__()
        self.below = below

    @torch.no_grad()
    def sample_target(
        self,
        n: int,
        *,
        condition: Tensor | None = None,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Sample z₁, then z₂ given it, `(n, Z)`; the temperature scales the noise of both."""
        device = self.below.logvar.device
        first = torch.randn((n, self.below.global_dim), generator=generator, device=device) * temperature
        mean, logvar = self.below(first)
        noise = torch.randn(mean.shape, generator=generator, device=device) * temperature
        return torch.cat([first, mean + noise * torch.exp(0.5 * logvar)], dim=1)

    def log_prob(self, target: Tensor, *, condition: Tensor | None = None) -> Tensor:
        """Log density of z `(n, Z)`, nats, `(n,)`."""
        first = target[:, : self.below.global_dim]
        second = target[:, self.below.global_dim :]
        return standard_normal_log_prob(first) + gaussian_log_prob(second, *self.below(first))


class HierarchicalLatentConfig(LatentSettings):
    """A global latent above local slots, with a learned p(z₂|z₁)."""

    member: ClassVar[type[Latent]] = HierarchicalLatent

    kind: Literal["hierarchical"] = "hierarchical"
    global_dim: Size = 32
    """Size of z₁."""
    local_dim: Size = 96
    """Size of z₂, all slots together."""
    hidden_dim: Size = 256
    free_bits: tuple[Weight, Weight] = (0.0, 0.0)
    """λ of z₁ and of z₂, nats per dimension."""

    @property
    def z_dim(self) -> int:
        """Size of z (Z)."""
        return self.global_dim + self.local_dim

    @property
    def has_plain_kl(self) -> bool:
        """Without free bits."""
        return not any(self.free_bits)

    @property
    def no_joint_prior(self) -> str | None:
        """It has one already."""
        return "a hierarchical latent learns p(z₂|z₁) itself; fit another prior afterwards with fit: two-stage"

    def check_slots(self, n_slots: int) -> None:
        """Each slot takes an equal part of both levels."""
        if self.global_dim % n_slots or self.local_dim % n_slots:
            raise ValueError(
                f"{n_slots} slots do not divide global_dim {self.global_dim} and local_dim {self.local_dim}"
            )

    def build(self, h_dim: int, *, h_slots: int = 1) -> HierarchicalLatent:
        """Build the latent, with untrained weights."""
        return HierarchicalLatent(h_dim, n_slots=h_slots, **self.arguments())
