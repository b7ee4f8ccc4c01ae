"""Mixtures of Gaussians over one slot of a latent, given a state of what came before."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from molvae.nn.draws import draw_index

MIN_LOG_SCALE = -5.0
MIN_VARIANCE = 1e-4
MIN_USE = 0.05  # slots of a batch below which a Gaussian of a shared table starts again
RESTARTS = 16  # at most, per batch
SLOT_EMBEDDING = 128  # numbers that later slots are told of one
HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


class Mixture(nn.Module):
    """Base of both: a mixture of diagonal Gaussians over a slot, given a state.

    Args:
        slot_dim: S.
    """

    def __init__(self, slot_dim: int) -> None:
        super().__init__()
        self.slot_dim = slot_dim
        # a noisy slot of few numbers hides which of many places is meant: a recurrent gate cannot read that by itself
        self.to_embedding = nn.Sequential(nn.Linear(slot_dim, 256), nn.SiLU(), nn.Linear(256, SLOT_EMBEDDING))

    def look(self, slots: Tensor) -> Tensor:
        """All that can be said of slots `(…, S)` without a state, `(…, any)`."""
        raise NotImplementedError

    def embed(self, slots: Tensor, seen: Tensor) -> Tensor:
        """What later slots are told of these `(…, S)`, of which `seen` is known: `(…, I)`."""
        raise NotImplementedError

    def forward(self, states: Tensor, slots: Tensor, seen: Tensor) -> Tensor:
        """Log density of slots `(…, S)`, of which `seen` is known, given states `(…, D)`: `(…)`."""
        raise NotImplementedError

    def sample(self, states: Tensor, *, temperature: float = 1.0, generator: torch.Generator | None = None) -> Tensor:
        """One slot for each state: `(n, D)` → `(n, S)`."""
        raise NotImplementedError


class PredictedMixture(Mixture):
    """A mixture that the state gives as a whole.

    Args:
        state_dim: D.
        slot_dim: S.
        n_components: C.
    """

    def __init__(self, state_dim: int, slot_dim: int, n_components: int) -> None:
        super().__init__(slot_dim)
        self.n_components = n_components
        self.to_mixture = nn.Linear(state_dim, n_components * (1 + 2 * slot_dim))

    def look(self, slots: Tensor) -> Tensor:
        """Nothing: the Gaussians are not known before the state is."""
        return slots[..., :0]

    def embed(self, slots: Tensor, seen: Tensor) -> Tensor:
        """What later slots are told of these `(…, S)`: `(…, I)`."""
        return self.to_embedding(slots)

    def forward(self, states: Tensor, slots: Tensor, seen: Tensor) -> Tensor:
        """Log density of slots `(…, S)` given states `(…, D)`: `(…)`."""
        log_weights, means, log_scales = self._parts(states)
        scaled = (slots.unsqueeze(-2) - means) * torch.exp(-log_scales)
        log_components = (-0.5 * scaled.square() - log_scales).sum(-1) - self.slot_dim * HALF_LOG_2PI
        return torch.logsumexp(log_weights + log_components, dim=-1)

    def sample(self, states: Tensor, *, temperature: float = 1.0, generator: torch.Generator | None = None) -> Tensor:
        """One slot for each state: `(n, D)` → `(n, S)`."""
        log_weights, means, log_scales = self._parts(states)
        pick = draw_index((log_weights / temperature).softmax(-1), generator)
        rows = torch.arange(len(states), device=states.device)
        noise = torch.randn((len(states), self.slot_dim), generator=generator, device=states.device)
        return means[rows, pick] + temperature * noise * log_scales[rows, pick].exp()

    def _parts(self, states: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        parts = self.to_mixture(states).float().unflatten(-1, (self.n_components, 1 + 2 * self.slot_dim))
        weights, means, log_scales = parts.split([1, self.slot_dim, self.slot_dim], dim=-1)
        return weights.squeeze(-1).log_softmax(-1), means, log_scales.clamp(min=MIN_LOG_SCALE)


class SharedMixture(Mixture):
    """A mixture from one table of Gaussians with the same spread; the state gives their weights.

    While training, the table follows the slots by online expectation-maximization (Cappé and Moulines 2009), which
    keeps up with an encoder that is learning too, where gradients do not. Gaussians that are hardly used start again
    at the slots that surprise most. With spreads of their own a few wide Gaussians would take all slots.

    Args:
        state_dim: D.
        slot_dim: S.
        n_components: C.
        decay: of the moving averages.
    """

    counts: Tensor
    means: Tensor
    variance: Tensor

    def __init__(self, state_dim: int, slot_dim: int, n_components: int, *, decay: float = 0.98) -> None:
        super().__init__(slot_dim)
        self.decay = decay
        self.to_weights = nn.Linear(state_dim, n_components)
        self.embedding = nn.Parameter(torch.randn(n_components, SLOT_EMBEDDING))
        self.register_buffer("counts", torch.zeros(n_components))  # slots of a batch that belong to it
        self.register_buffer("means", torch.randn(n_components, slot_dim))
        self.register_buffer("variance", torch.ones(slot_dim))

    def look(self, slots: Tensor) -> Tensor:
        """Log density of slots `(…, S)` under every Gaussian, up to a constant: `(…, C)`."""
        with torch.autocast(slots.device.type, enabled=False):  # the expanded square loses too much in bfloat16
            scale = self.variance.rsqrt()
            values, means = slots.float() * scale, self.means * scale
            own = -0.5 * values.square().sum(-1, keepdim=True) - 0.5 * self.variance.log().sum()
            return F.linear(values, means, -0.5 * means.square().sum(1)) + own

    def embed(self, slots: Tensor, seen: Tensor) -> Tensor:
        """What later slots are told of these `(…, S)`: mostly, which of the Gaussians they belong to; `(…, I)`."""
        return seen.softmax(-1).to(slots.dtype) @ self.embedding + self.to_embedding(slots)

    def forward(self, states: Tensor, slots: Tensor, seen: Tensor) -> Tensor:
        """Log density of slots `(…, S)` given states `(…, D)` and what `look` says of the slots: `(…)`."""
        joint = self.to_weights(states).float().log_softmax(-1) + seen
        log_density = torch.logsumexp(joint, dim=-1) - self.slot_dim * HALF_LOG_2PI
        if self.training and torch.is_grad_enabled():
            self._follow(slots.detach().flatten(0, -2).float(), joint.detach().flatten(0, -2), log_density.detach())
        return log_density

    def sample(self, states: Tensor, *, temperature: float = 1.0, generator: torch.Generator | None = None) -> Tensor:
        """One slot for each state: `(n, D)` → `(n, S)`."""
        weights = (self.to_weights(states) / temperature).softmax(-1)
        pick = draw_index(weights, generator)
        noise = torch.randn((len(states), self.slot_dim), generator=generator, device=states.device)
        return self.means[pick] + temperature * noise * self.variance.sqrt()

    @torch.no_grad()
    def _follow(self, slots: Tensor, joint: Tensor, log_density: Tensor) -> None:
        """One step of expectation-maximization on slots `(n, S)`, given their log joint density with each Gaussian."""
        with torch.autocast(slots.device.type, enabled=False):
            belongs = joint.softmax(-1)  # (n, C)
            counts = belongs.sum(0)
            total = belongs.T @ slots  # (C, S)
        scatter = slots.square().sum(0) + (self.means * (counts.unsqueeze(1) * self.means - 2 * total)).sum(0)
        self.variance.lerp_((scatter / len(slots)).clamp(min=MIN_VARIANCE), 1 - self.decay)
        self.counts.lerp_(counts, 1 - self.decay)
        share = (1 - self.decay) / self.counts.clamp(min=1 - self.decay)
        self.means += share.unsqueeze(1) * (total - counts.unsqueeze(1) * self.means)
        unused = (self.counts < MIN_USE).nonzero().squeeze(1)[:RESTARTS]
        surprising = log_density.flatten().topk(min(len(unused), len(slots)), largest=False).indices
        unused = unused[: len(surprising)]
        self.means[unused] = slots[surprising]
        self.counts[unused] = 1.0
