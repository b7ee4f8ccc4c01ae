"""A recurrent network over latent slots: mixtures of Gaussians for a continuous z, a softmax for VQ codes."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from molvae.nn.draws import draw_index
from molvae.nn.priors.base import Codebooks, ContinuousPrior, LearnedPrior

MIN_LOG_SCALE = -5.0
MIN_VARIANCE = 1e-4
MIN_USE = 0.05  # slots of a batch below which a Gaussian of a shared table starts again
RESTARTS = 16  # at most, a batch
SLOT_EMBEDDING = 128  # numbers that later slots are told of one
HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


class AutoregressivePrior(ContinuousPrior):
    """p(z) = Π p(slot | slots before), each a mixture of diagonal Gaussians (GIVT, Tschannen et al. 2023).

    Args:
        latent_dim: Z, cut into Z / slot_dim slots.
        slot_dim: dimensions per slot.
        hidden_dim: of the GRU.
        n_layers: of the GRU.
        n_components: Gaussians per slot.
        shared: one table of Gaussians for all slots, of which the network gives the weights alone: many are then
            cheap, and prior and encoder can settle on a vocabulary of places. Otherwise every slot's are predicted.
        condition_dim: C; 0 for a prior without condition.
    """

    def __init__(
        self,
        latent_dim: int,
        *,
        slot_dim: int = 8,
        hidden_dim: int = 256,
        n_layers: int = 2,
        n_components: int = 16,
        shared: bool = False,
        condition_dim: int = 0,
    ) -> None:
        super().__init__(latent_dim)
        self.slot_dim = slot_dim
        self.n_slots = latent_dim // slot_dim
        self.n_components = n_components
        self.network = SlotGRU(SLOT_EMBEDDING, self.n_slots, hidden_dim, n_layers=n_layers, condition_dim=condition_dim)
        self.mixture: Mixture = (SharedMixture if shared else PredictedMixture)(hidden_dim, slot_dim, n_components)

    def log_prob(self, target: Tensor, *, condition: Tensor | None = None) -> Tensor:
        """Log density of `(n, Z)`, nats, `(n,)`."""
        slots = ((target - self.mean) / self.std).view(len(target), self.n_slots, self.slot_dim)
        seen = self.mixture.look(slots)
        before = F.pad(self.mixture.embed(slots, seen)[:, :-1], (0, 0, 1, 0))
        return self.mixture(self.network(before, condition), slots, seen).sum(-1) - self.std.log().sum()

    @torch.no_grad()
    def sample(
        self,
        n: int,
        *,
        condition: Tensor | None = None,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Draw `(n, Z)`."""
        device = self.mean.device
        before, state, drawn = torch.zeros(n, SLOT_EMBEDDING, device=device), self.network.start(n, condition), []
        for number in range(self.n_slots):
            output, state = self.network.step(before, state, number, condition)
            slot = self.mixture.sample(output, temperature=temperature, generator=generator)
            before = self.mixture.embed(slot, self.mixture.look(slot))
            drawn.append(slot)
        return torch.cat(drawn, dim=1) * self.std + self.mean

    def extra_repr(self) -> str:
        """Settings for `repr`."""
        return f"n_slots={self.n_slots}, n_components={self.n_components}"


class SlotGRU(nn.Module):
    """What comes before a slot, and the condition → a state for the slot.

    Args:
        input_dim: size of what is told of a slot (I).
        n_slots: M.
        hidden_dim: size of the state (D).
        n_layers: stacked GRU layers.
        condition_dim: C; 0 for none.
    """

    def __init__(
        self, input_dim: int, n_slots: int, hidden_dim: int, *, n_layers: int = 1, condition_dim: int = 0
    ) -> None:
        super().__init__()
        self.n_layers = n_layers
        self.gru = nn.GRU(input_dim, hidden_dim, num_layers=n_layers, batch_first=True)
        self.position = nn.Parameter(torch.zeros(n_slots, hidden_dim))
        self.from_condition = nn.Linear(condition_dim, n_layers * hidden_dim) if condition_dim else None
        self.at_each_slot = nn.Linear(condition_dim, input_dim) if condition_dim else None

    def forward(self, before: Tensor, condition: Tensor | None) -> Tensor:
        """Slots before `(B, M, I)` and condition `(B, C)` → states `(B, M, D)`."""
        states, _ = self.gru(self._with(before, condition), self.start(len(before), condition))
        return states + self.position

    def start(self, n: int, condition: Tensor | None) -> Tensor:
        """The state before the first slot, `(layers, n, D)`."""
        shape = (self.n_layers, n, self.gru.hidden_size)
        if self.from_condition is None or condition is None:
            return torch.zeros(shape, device=self.position.device)
        return self.from_condition(condition).view(n, *shape[::2]).transpose(0, 1).contiguous()

    def step(self, before: Tensor, state: Tensor, slot: int, condition: Tensor | None) -> tuple[Tensor, Tensor]:
        """One slot: what was before it `(B, I)` and the GRU's state → output `(B, D)` and the next state."""
        states, state = self.gru(self._with(before.unsqueeze(1), condition), state)
        return states[:, 0] + self.position[slot], state

    def _with(self, before: Tensor, condition: Tensor | None) -> Tensor:
        if self.at_each_slot is None or condition is None:
            return before
        return before + self.at_each_slot(condition).unsqueeze(1)


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


class AutoregressiveCodePrior(LearnedPrior):
    """P(codes) = Π P(code | codes before), a softmax per slot, as on VQ-VAE codes (van den Oord et al. 2017).

    Args:
        codebooks: the VQ latent; not part of this module's weights.
        hidden_dim: of the GRU.
        n_layers: of the GRU.
        condition_dim: C; 0 for a prior without condition.
    """

    first: Tensor

    def __init__(
        self, codebooks: Codebooks, *, hidden_dim: int = 256, n_layers: int = 2, condition_dim: int = 0
    ) -> None:
        super().__init__()
        self._codebooks = (codebooks,)  # in a tuple: torch must not take it for a child
        self.n_slots, self.n_codes = codebooks.n_slots, codebooks.n_codes
        tables = 1 if codebooks.shared else self.n_slots
        self.register_buffer("first", torch.arange(self.n_slots) % tables * self.n_codes, persistent=False)
        self.embedding = nn.Embedding(tables * self.n_codes, SLOT_EMBEDDING)
        self.network = SlotGRU(SLOT_EMBEDDING, self.n_slots, hidden_dim, n_layers=n_layers, condition_dim=condition_dim)
        self.to_logits = nn.Linear(hidden_dim, self.n_codes)

    def log_prob(self, target: Tensor, *, condition: Tensor | None = None) -> Tensor:
        """Log probability of code indices `(n, M)`, nats, `(n,)`."""
        before = F.pad(self.embedding(target + self.first)[:, :-1], (0, 0, 1, 0))
        logits = self.to_logits(self.network(before, condition)).float().log_softmax(-1)
        return logits.gather(-1, target.unsqueeze(-1)).squeeze(-1).sum(-1)

    @torch.no_grad()
    def sample_codes(
        self,
        n: int,
        *,
        condition: Tensor | None = None,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Draw code indices `(n, M)`."""
        before = torch.zeros(n, self.embedding.embedding_dim, device=self.embedding.weight.device)
        state, drawn = self.network.start(n, condition), []
        for slot in range(self.n_slots):
            output, state = self.network.step(before, state, slot, condition)
            weights = (self.to_logits(output) / temperature).softmax(-1)
            drawn.append(draw_index(weights, generator))
            before = self.embedding(drawn[-1] + self.first[slot])
        return torch.stack(drawn, dim=1)

    def sample(
        self,
        n: int,
        *,
        condition: Tensor | None = None,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Draw latents `(n, Z)`."""
        return self._codebooks[0].codes_to_z(
            self.sample_codes(n, condition=condition, temperature=temperature, generator=generator)
        )

    def extra_repr(self) -> str:
        """Settings for `repr`."""
        return f"n_slots={self.n_slots}, n_codes={self.n_codes}"
