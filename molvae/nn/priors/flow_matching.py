"""A prior over a continuous z: a continuous flow, trained by flow matching."""

import math
from typing import Annotated, ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn
from torch.func import jvp, vmap

from molvae.config import Depth, Size
from molvae.nn.latents.base import Latent
from molvae.nn.priors.base import ContinuousPrior, Prior, standard_normal_log_prob
from molvae.nn.priors.settings import PriorSettings

TIME_DIM = 64
UNGUIDED = 0.1  # share of the rows whose condition is hidden in training, if it is to guide
BLOCK = 64  # number of rows whose divergence is computed at once


class FlowMatchingPrior(ContinuousPrior):
    """A velocity field that moves N(0, I) to the distribution of z (Lipman et al. 2023; Liu et al. 2023).

    Training is a regression: at x_t = (1 − t) · noise + t · z, the network predicts z − noise. Sampling integrates the
    velocity from noise to z (Heun's method). The log density integrates it back (midpoint method) with the exact
    divergence, which needs Z Jacobian-vector products per step: affordable for a few hundred molecules.

    Args:
        latent_dim: size of z (Z).
        hidden_dim: width of the network.
        n_layers: number of residual layers.
        n_steps: number of integration steps, each with two evaluations of the network.
        condition_dim: size of the condition c (C); 0 for a prior without condition.
        guidance: g of classifier-free guidance (Ho and Salimans 2022), which samples with the velocity
            v(∅) + g · (v(c) − v(∅)); in training, c is replaced by a learned ∅ for one row in ten. `log_prob` is
            that of g = 1, which needs no ∅.
    """

    affordable: ClassVar[int | None] = 128

    def __init__(
        self,
        latent_dim: int,
        *,
        hidden_dim: int = 512,
        n_layers: int = 3,
        n_steps: int = 10,
        condition_dim: int = 0,
        guidance: float = 1.0,
    ) -> None:
        super().__init__(latent_dim)
        self.n_steps = n_steps
        self.guidance = guidance
        self.nothing = nn.Parameter(torch.zeros(condition_dim)) if condition_dim and guidance != 1.0 else None
        self.velocity = Velocity(latent_dim, hidden_dim=hidden_dim, n_layers=n_layers, condition_dim=condition_dim)

    def loss(
        self, target: Tensor, *, condition: Tensor | None = None, generator: torch.Generator | None = None
    ) -> Tensor:
        """Squared error of the velocity, summed over dimensions, at one random time and noise per row, `(n,)`.

        The times of a batch are spread evenly over [0, 1], which reduces the variance of its mean loss.
        """
        z = self.scaled(target)
        noise = torch.randn(z.shape, generator=generator, device=z.device, dtype=z.dtype)
        shift = torch.rand(1, generator=generator, device=z.device, dtype=z.dtype)
        order = torch.randperm(len(z), generator=generator, device=z.device)
        time = (shift + order / len(z)) % 1.0
        x = noise + time.unsqueeze(1) * (z - noise)
        if self.nothing is not None and condition is not None:
            hidden = torch.rand((len(z), 1), generator=generator, device=z.device) < UNGUIDED
            condition = torch.where(hidden, self.nothing.to(condition.dtype), condition)
        return (self.velocity(x, time, condition).float() - (z - noise)).square().sum(1)

    def log_prob(self, target: Tensor, *, condition: Tensor | None = None) -> Tensor:
        """Log density of z `(n, Z)`, nats, `(n,)`, by the instantaneous change of variables (Chen et al. 2018)."""
        x = self.scaled(target)
        blocks = [slice(first, first + BLOCK) for first in range(0, len(x), BLOCK)]
        density = torch.cat([self._log_density(x[b], None if condition is None else condition[b]) for b in blocks])
        return density - self.std.log().sum()

    def _log_density(self, x: Tensor, condition: Tensor | None) -> Tensor:
        step = 1.0 / self.n_steps
        gained = x.new_zeros(len(x))
        for i in range(self.n_steps, 0, -1):
            middle = x - 0.5 * step * self.velocity(x, x.new_full((len(x),), i * step), condition)
            velocity, divergence = self._velocity_and_divergence(middle, (i - 0.5) * step, condition)
            x, gained = x - step * velocity, gained - step * divergence
        return gained + standard_normal_log_prob(x)

    def _velocity_and_divergence(self, x: Tensor, time: float, condition: Tensor | None) -> tuple[Tensor, Tensor]:
        """Velocity `(n, Z)` and the trace of its Jacobian `(n,)`."""
        times = x.new_full((len(x),), time)
        axes = torch.eye(self.latent_dim, dtype=x.dtype, device=x.device)

        def at(place: Tensor) -> Tensor:
            return self.velocity(place, times, condition)

        def along(axis: Tensor) -> Tensor:
            return jvp(at, (x,), (axis.expand_as(x),))[1] @ axis

        return at(x), vmap(along)(axes).sum(0)

    @torch.no_grad()
    def sample_target(
        self,
        n: int,
        *,
        condition: Tensor | None = None,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Sample z `(n, Z)`; the temperature scales the initial noise."""
        x = torch.randn((n, self.latent_dim), generator=generator, device=self.mean.device) * temperature
        step = 1.0 / self.n_steps
        for i in range(self.n_steps):
            v = self._guided(x, i * step, condition)
            v_next = self._guided(x + step * v, (i + 1) * step, condition)
            x = x + 0.5 * step * (v + v_next)
        return x * self.std + self.mean

    def _guided(self, x: Tensor, time: float, condition: Tensor | None) -> Tensor:
        """The velocity at x `(n, Z)` that samples follow."""
        times = x.new_full((len(x),), time)
        velocity = self.velocity(x, times, condition)
        if self.nothing is None or condition is None:
            return velocity
        alone = self.velocity(x, times, self.nothing.expand_as(condition))
        return alone + self.guidance * (velocity - alone)

    def extra_repr(self) -> str:
        """Settings for `repr`."""
        return f"latent_dim={self.latent_dim}, n_steps={self.n_steps}"


class Velocity(nn.Module):
    """A residual network that computes velocities `(n, Z)` from x `(n, Z)`, times `(n,)` and a condition `(n, C)`.

    Its output is zero before training, so that an untrained prior is N(mean, std²).
    """

    def __init__(self, latent_dim: int, *, hidden_dim: int, n_layers: int, condition_dim: int = 0) -> None:
        super().__init__()
        self.enter = nn.Linear(latent_dim, hidden_dim)
        self.given = nn.Sequential(
            nn.Linear(TIME_DIM + condition_dim, hidden_dim), nn.SiLU(), nn.Linear(hidden_dim, hidden_dim)
        )
        self.layers = nn.ModuleList(_Layer(hidden_dim) for _ in range(n_layers))
        self.leave = nn.Linear(hidden_dim, latent_dim)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, x: Tensor, time: Tensor, condition: Tensor | None = None) -> Tensor:
        """The velocity `(n, Z)`."""
        given = time_features(time).to(x.dtype)
        given = self.given(given if condition is None else torch.cat([given, condition], dim=1))
        h = self.enter(x) + given
        for layer in self.layers:
            h = layer(h, given)
        return self.leave(F.silu(h))


class _Layer(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.first = nn.Linear(dim, dim)
        self.second = nn.Linear(dim, dim)

    def forward(self, h: Tensor, given: Tensor) -> Tensor:
        return h + self.second(F.silu(self.first(F.silu(h + given))))


def time_features(time: Tensor) -> Tensor:
    """Sines and cosines of times in [0, 1], `(n,)` → `(n, TIME_DIM)` (positional encoding, Vaswani et al. 2017)."""
    frequencies = torch.exp(torch.linspace(0.0, math.log(100.0), TIME_DIM // 2, device=time.device)).to(time.dtype)
    angles = time.unsqueeze(1) * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=1)


class FlowMatchingPriorConfig(PriorSettings):
    """A flow-matching prior over a continuous latent; it can only be fitted after the model has been trained."""

    member: ClassVar[type[Prior]] = FlowMatchingPrior
    joint: ClassVar[bool] = False
    continuous_only: ClassVar[bool] = True

    kind: Literal["flow_matching"] = "flow_matching"
    hidden_dim: Size = 512
    n_layers: Depth = 3
    n_steps: Size = 10
    """Number of integration steps from noise to z; each evaluates the network twice."""
    guidance: Annotated[float, Field(ge=0, le=100)] = 1.0
    """How strongly samples follow the condition; 1 as in training, more than 1 exaggerates it."""

    def check_condition(self, conditional: bool) -> None:
        """Raise `ValueError` for guidance without a condition."""
        if self.guidance != 1.0 and not conditional:
            raise ValueError(
                "guidance follows a condition, and the model has none; add model.condition, or leave out guidance"
            )

    def build(self, latent: Latent, *, condition_dim: int = 0) -> FlowMatchingPrior:
        """Build the prior, with untrained weights."""
        return FlowMatchingPrior(latent.latent_dim, condition_dim=condition_dim, **self.arguments())
