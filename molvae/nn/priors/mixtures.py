"""Gaussian mixtures over one slot of a continuous latent, given a state that summarizes the previous slots."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from molvae.nn.draws import draw_index
from molvae.nn.priors.base import HALF_LOG_2PI

MIN_LOG_SCALE = -5.0
MIN_VARIANCE = 1e-4
MIN_USE = 0.05  # a Gaussian of a shared table restarts if it gets fewer slots of a batch than this, on average
RESTARTS = 16  # at most this many Gaussians restart per batch
SLOT_EMBEDDING = 128  # size of the embedding of a slot for the slots after it


class Mixture(nn.Module):
    """Base of both kinds: a mixture of diagonal Gaussians over a slot, given a state.

    Args:
        slot_dim: size of a slot (S).
    """

    def __init__(self, slot_dim: int) -> None:
        super().__init__()
        self.slot_dim = slot_dim
        # a slot has few, noisy dimensions; without this network the GRU could not tell many cluster centers apart
        self.to_embedding = nn.Sequential(nn.Linear(slot_dim, 256), nn.SiLU(), nn.Linear(256, SLOT_EMBEDDING))

    def look(self, slots: Tensor) -> Tensor:
        """What can be computed from slots `(…, S)` without a state, for `embed` and `forward`; `(…, any)`."""
        raise NotImplementedError

    def embed(self, slots: Tensor, seen: Tensor) -> Tensor:
        """Embeddings `(…, I)` of slots `(…, S)` for the slots after them; `seen` is the result of `look`."""
        raise NotImplementedError

    def forward(self, states: Tensor, slots: Tensor, seen: Tensor) -> Tensor:
        """Log density `(…)` of slots `(…, S)` given states `(…, D)`; `seen` is the result of `look`."""
        raise NotImplementedError

    def sample(self, states: Tensor, *, temperature: float = 1.0, generator: torch.Generator | None = None) -> Tensor:
        """Sample one slot for each state: `(n, D)` → `(n, S)`."""
        raise NotImplementedError


class PredictedMixture(Mixture):
    """A mixture whose weights, means and scales are all predicted from the state.

    Args:
        state_dim: size of a state (D).
        slot_dim: size of a slot (S).
        n_components: number of Gaussians.
    """

    def __init__(self, state_dim: int, slot_dim: int, n_components: int) -> None:
        super().__init__(slot_dim)
        self.n_components = n_components
        self.to_mixture = nn.Linear(state_dim, n_components * (1 + 2 * slot_dim))

    def look(self, slots: Tensor) -> Tensor:
        """Nothing, since the Gaussians depend on the state: `(…, 0)`."""
        return slots[..., :0]

    def embed(self, slots: Tensor, seen: Tensor) -> Tensor:
        """Embeddings `(…, I)` of slots `(…, S)` for the slots after them."""
        return self.to_embedding(slots)

    def forward(self, states: Tensor, slots: Tensor, seen: Tensor) -> Tensor:
        """Log density `(…)` of slots `(…, S)` given states `(…, D)`."""
        log_weights, means, log_scales = self._parts(states)
        scaled = (slots.unsqueeze(-2) - means) * torch.exp(-log_scales)
        log_components = (-0.5 * scaled.square() - log_scales).sum(-1) - self.slot_dim * HALF_LOG_2PI
        return torch.logsumexp(log_weights + log_components, dim=-1)

    def sample(self, states: Tensor, *, temperature: float = 1.0, generator: torch.Generator | None = None) -> Tensor:
        """Sample one slot for each state: `(n, D)` → `(n, S)`."""
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
    """A mixture of Gaussians from one table, which share one variance; only their weights are predicted from the state.

    In training, the table is updated by online expectation-maximization (Cappé and Moulines 2009), which keeps up with
    an encoder that is trained at the same time; gradient descent does not. Gaussians that are hardly used are moved to
    the slots with the lowest density. The variance is shared because otherwise a few wide Gaussians would take all
    slots.

    Args:
        state_dim: size of a state (D).
        slot_dim: size of a slot (S).
        n_components: number of Gaussians (C).
        decay: decay of the moving averages.
    """

    counts: Tensor
    means: Tensor
    variance: Tensor

    def __init__(self, state_dim: int, slot_dim: int, n_components: int, *, decay: float = 0.98) -> None:
        super().__init__(slot_dim)
        self.decay = decay
        self.to_weights = nn.Linear(state_dim, n_components)
        self.embedding = nn.Parameter(torch.randn(n_components, SLOT_EMBEDDING))
        self.register_buffer("counts", torch.zeros(n_components))  # mean number of a batch's slots of each
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
        """Embeddings `(…, I)` of slots `(…, S)` for the slots after them: mostly which Gaussian each belongs to."""
        return seen.softmax(-1).to(slots.dtype) @ self.embedding + self.to_embedding(slots)

    def forward(self, states: Tensor, slots: Tensor, seen: Tensor) -> Tensor:
        """Log density `(…)` of slots `(…, S)` given states `(…, D)` and the result of `look`."""
        joint = self.to_weights(states).float().log_softmax(-1) + seen
        log_density = torch.logsumexp(joint, dim=-1) - self.slot_dim * HALF_LOG_2PI
        if self.training and torch.is_grad_enabled():
            self._follow(slots.detach().flatten(0, -2).float(), joint.detach().flatten(0, -2), log_density.detach())
        return log_density

    def sample(self, states: Tensor, *, temperature: float = 1.0, generator: torch.Generator | None = None) -> Tensor:
        """Sample one slot for each state: `(n, D)` → `(n, S)`."""
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
