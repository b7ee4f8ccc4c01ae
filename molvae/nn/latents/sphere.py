"""Hyperspherical latents (Davidson et al. 2018): von Mises–Fisher posteriors and a uniform prior on spheres."""

import math
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import model_validator
from torch import Tensor

from molvae.config import Size
from molvae.nn.latents.base import (
    ACTIVE_NATS,
    ContinuousLatentSettings,
    Latent,
    LatentOutput,
    LatentSummary,
    LogPrior,
)
from molvae.nn.priors.base import Prior
from molvae.nn.slots import SlotLinear

GRID = 513  # angles between z and the mean direction at which densities are tabulated
MAX_KAPPA = 1000.0  # beyond, the grid would not resolve the density
BLOCK = 256


class SphereLatent(Latent):
    """z = (z_1 … z_S), each on a unit sphere in D dimensions, q(z_s|x) = vMF(μ, κ), p(z_s) uniform.

    vMF(z; μ, κ) ∝ exp(κ μᵀz). Its only random number apart from the direction around μ is w = μᵀz, with density
    ∝ exp(κ w) (1 − w²)^((D − 3) / 2). It is tabulated over the angle, which gives the normalization without Bessel
    functions, and samples, differentiable in κ, by inversion in place of rejection (cf. Davidson et al. 2018).
    KL(q ‖ p) = κ E[w] − log C(κ) + log C(0), where C(κ) is the integral of that density.

    Args:
        h_dim: size of h.
        latent_dim: size of z (Z = S · D).
        n_spheres: number of spheres (S); several small ones carry more than one large one.
        n_slots: number of slots of h.
    """

    reparametrized: ClassVar[bool] = True
    curved: ClassVar[bool] = True

    def __init__(self, h_dim: int, *, latent_dim: int = 128, n_spheres: int = 1, n_slots: int = 1) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.n_spheres = n_spheres
        self.dim = latent_dim // n_spheres
        self.to_direction = SlotLinear(h_dim, latent_dim, n_slots=n_slots)
        own = n_slots if n_spheres % n_slots == 0 else 1  # a sphere that several slots share reads all of them
        self.to_kappa = SlotLinear(h_dim, n_spheres, n_slots=own)

    def forward(
        self, h: Tensor, *, log_prior: LogPrior | None = None, generator: torch.Generator | None = None
    ) -> LatentOutput:
        """Compute the latents of a batch; without a jointly trained prior only."""
        parameters = self.posterior(h)
        direction, kappa = self._split(parameters)
        drawn = self.sample_posterior(parameters, generator=generator) if self.training else direction.flatten(1)
        kl = self._kl(kappa).sum(1).mean()
        diagnostics = {"kl": kl.detach(), "kappa": kappa.detach().mean()}
        return LatentOutput(drawn, direction.flatten(1), kl, kl.new_zeros(()), diagnostics)

    def standard_prior(self) -> "UniformSpherePrior":
        """The uniform distribution on the spheres."""
        return UniformSpherePrior(self.n_spheres, self.dim)

    def posterior(self, h: Tensor) -> Tensor:
        """Mean directions, then concentrations: `(B, Z + S)`."""
        direction = F.normalize(self.to_direction(h).float().unflatten(1, (self.n_spheres, -1)), dim=-1)
        kappa = (self.dim * F.softplus(self.to_kappa(h).float())).clamp(max=MAX_KAPPA)
        return torch.cat([direction.flatten(1), kappa], dim=1)

    def sample_posterior(
        self, parameters: Tensor, *, generator: torch.Generator | None = None, same_noise: bool = False
    ) -> Tensor:
        """Sample one z from each posterior, `(B, Z)`; see `Latent.sample_posterior`."""
        direction, kappa = self._split(parameters)
        device = parameters.device if generator is None else generator.device
        rows = 1 if same_noise else len(parameters)
        places = torch.rand((rows, self.n_spheres), generator=generator, device=device).to(parameters.device)
        noise = torch.randn((rows, self.n_spheres, self.dim), generator=generator, device=device).to(parameters.device)
        w = torch.cos(self._angle(places.expand_as(kappa), kappa)).unsqueeze(-1)
        around = noise.expand_as(direction)
        around = F.normalize(around - (around * direction).sum(-1, keepdim=True) * direction, dim=-1)
        return (w * direction + (1 - w.square()).clamp(min=1e-12).sqrt() * around).flatten(1)

    def entropy(self, parameters: Tensor) -> Tensor:
        """Entropy of each posterior with respect to the area of the spheres, nats, `(B,)`."""
        _, kappa = self._split(parameters)
        return self.n_spheres * log_area(self.dim) - self._kl(kappa).sum(1)

    def log_posterior(self, parameters: Tensor, target: Tensor) -> Tensor:
        """Log density of z `(B, Z)` on the spheres, nats, `(B,)`."""
        direction, kappa = self._split(parameters)
        w = (direction * target.unflatten(1, (self.n_spheres, -1))).sum(-1)
        uniform = -self.n_spheres * log_area(self.dim)
        return uniform + (kappa * w - self._log_integral(kappa) + self._log_integral(torch.zeros_like(kappa))).sum(1)

    def to_z(self, target: Tensor) -> Tensor:
        """The target itself, which is z."""
        return target

    @torch.no_grad()
    def summarize(self, h: Tensor) -> LatentSummary:
        """KL per sphere, active spheres and mutual information of n molecules with the given h `(n, H)`."""
        parameters = self.posterior(h)
        direction, kappa = self._split(parameters)
        kl = self._kl(kappa).mean(0).cpu()
        spread = 1 - direction.mean(0).norm(dim=-1).cpu()  # 0 where the direction is the same for all molecules
        active = int(((kl > ACTIVE_NATS) & (spread > ACTIVE_NATS)).sum())
        z = self.sample_posterior(parameters, generator=torch.Generator(device=h.device).manual_seed(0))
        own = self.log_posterior(parameters, z)
        constant = own - (kappa * (direction * z.unflatten(1, direction.shape[1:])).sum(-1)).sum(1)
        scaled = (kappa.unsqueeze(-1) * direction).flatten(1)
        mixture = torch.cat([torch.logsumexp(part @ scaled.T + constant, dim=1) for part in z.split(BLOCK)])
        information = float((own - mixture).mean()) + math.log(len(h))
        return LatentSummary(kl, active, max(0.0, information))

    def extra_repr(self) -> str:
        """Settings for `repr`."""
        return f"latent_dim={self.latent_dim}, n_spheres={self.n_spheres}"

    def _split(self, parameters: Tensor) -> tuple[Tensor, Tensor]:
        """Mean directions `(B, S, D)` and concentrations `(B, S)`."""
        return parameters[:, : self.latent_dim].unflatten(1, (self.n_spheres, -1)), parameters[:, self.latent_dim :]

    def _log_weights(self, kappa: Tensor) -> tuple[Tensor, Tensor]:
        """Angles `(GRID,)` and the log of their density times the distance of two of them, `(B, S, GRID)`."""
        edges = torch.linspace(0, math.pi, GRID, device=kappa.device)
        angles = 0.5 * (edges[1:] + edges[:-1])
        log_density = kappa.unsqueeze(-1) * angles.cos() + (self.dim - 2) * angles.sin().log()
        return edges, log_density + math.log(math.pi / (GRID - 1))

    def _log_integral(self, kappa: Tensor) -> Tensor:
        return torch.logsumexp(self._log_weights(kappa)[1], dim=-1)

    def _kl(self, kappa: Tensor) -> Tensor:
        """KL(vMF(μ, κ) ‖ uniform) of each sphere, nats, `(B, S)`."""
        edges, log_weights = self._log_weights(kappa)
        w = (0.5 * (edges[1:] + edges[:-1])).cos()
        mean = (log_weights.softmax(-1) * w).sum(-1)
        return kappa * mean - torch.logsumexp(log_weights, -1) + self._log_integral(torch.zeros_like(kappa[:1, :1]))

    def _angle(self, places: Tensor, kappa: Tensor) -> Tensor:
        """The angle below which a share `places` of the probability lies, `(B, S)`, differentiable in κ."""
        edges, log_weights = self._log_weights(kappa)
        shares = F.pad(log_weights.softmax(-1).cumsum(-1), (1, 0))
        shares = shares / shares[..., -1:]
        right = torch.searchsorted(shares.detach(), places.unsqueeze(-1).contiguous(), right=True).clamp(1, GRID - 1)
        low, high = shares.gather(-1, right - 1), shares.gather(-1, right)
        part = ((places.unsqueeze(-1) - low) / (high - low).clamp(min=1e-12)).clamp(0.0, 1.0)
        return (edges[right - 1] + part * math.pi / (GRID - 1)).squeeze(-1)


class UniformSpherePrior(Prior):
    """The uniform distribution on S unit spheres in D dimensions.

    Args:
        n_spheres: S.
        dim: D.

    >>> UniformSpherePrior(1, 3).log_prob(torch.tensor([[0.0, 0.0, 1.0]])).exp() * 4 * math.pi
    tensor([1.0000])
    """

    def __init__(self, n_spheres: int, dim: int) -> None:
        super().__init__()
        self.n_spheres, self.dim = n_spheres, dim

    def sample_target(
        self,
        n: int,
        *,
        condition: Tensor | None = None,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Sample z `(n, Z)` on the generator's device; all are equally likely, so a temperature has no effect."""
        device = None if generator is None else generator.device
        noise = torch.randn((n, self.n_spheres, self.dim), generator=generator, device=device)
        return F.normalize(noise, dim=-1).flatten(1)

    def log_prob(self, target: Tensor, *, condition: Tensor | None = None) -> Tensor:
        """Log density on the spheres, nats, `(n,)`; the same for all z."""
        return torch.full((len(target),), -self.n_spheres * log_area(self.dim), device=target.device)

    def extra_repr(self) -> str:
        """Settings for `repr`."""
        return f"n_spheres={self.n_spheres}, dim={self.dim}"


def log_area(dim: int) -> float:
    """Log of the area of the unit sphere in `dim` dimensions, 2 π^(D/2) / Γ(D/2).

    >>> round(math.exp(log_area(3)) / math.pi, 6)
    4.0
    """
    return math.log(2) + 0.5 * dim * math.log(math.pi) - math.lgamma(0.5 * dim)


class SphereLatentConfig(ContinuousLatentSettings):
    """von Mises–Fisher posteriors on spheres, with a uniform prior; it takes no learned prior."""

    member: ClassVar[type[Latent]] = SphereLatent

    kind: Literal["sphere"] = "sphere"
    n_spheres: Size = 1
    """Number of spheres that z consists of, each of latent_dim / n_spheres dimensions."""

    @model_validator(mode="after")
    def _spheres_divide(self) -> "SphereLatentConfig":
        if self.latent_dim % self.n_spheres or self.latent_dim // self.n_spheres < 2:
            raise ValueError(
                f"{self.n_spheres} spheres do not divide {self.latent_dim} dimensions into at least 2 each"
            )
        return self

    @property
    def has_plain_kl(self) -> bool:
        """Its KL is that of the von Mises–Fisher distribution."""
        return True

    @property
    def no_joint_prior(self) -> str | None:
        """The learned priors are densities over R^Z, of which spheres are no part."""
        return "a sphere latent has a uniform prior on its spheres; leave out `prior`"
