"""Autoregressive priors over slots: Gaussian mixtures for a continuous z, and a softmax for VQ codes."""

from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from molvae.config import Depth, Size
from molvae.nn.draws import draw_index
from molvae.nn.latents.base import Latent, LatentSettings
from molvae.nn.priors.base import ContinuousPrior, Prior
from molvae.nn.priors.mixtures import SLOT_EMBEDDING, Mixture, PredictedMixture, SharedMixture
from molvae.nn.priors.settings import PriorSettings


class AutoregressivePrior(ContinuousPrior):
    """p(z) = Π p(slot | previous slots), each a mixture of diagonal Gaussians (GIVT, Tschannen et al. 2023).

    Args:
        latent_dim: size of z (Z), which is cut into Z / slot_dim slots.
        slot_dim: number of dimensions per slot (S).
        hidden_dim: size of the GRU's state.
        n_layers: number of layers of the GRU.
        n_components: number of Gaussians in each mixture.
        shared: whether all slots share one table of Gaussians, of which the network predicts only the weights. Many
            Gaussians are then cheap, and the encoder can learn to place slots near them. Otherwise the network predicts
            whole mixtures.
        condition_dim: size of the condition c (C); 0 for a prior without condition.
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
        """Log density of z `(n, Z)`, nats, `(n,)`."""
        slots = self.scaled(target).view(len(target), self.n_slots, self.slot_dim)
        seen = self.mixture.look(slots)
        before = F.pad(self.mixture.embed(slots, seen)[:, :-1], (0, 0, 1, 0))
        return self.mixture(self.network(before, condition), slots, seen).sum(-1) - self.std.log().sum()

    @torch.no_grad()
    def sample_target(
        self,
        n: int,
        *,
        condition: Tensor | None = None,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Sample z `(n, Z)`."""
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
    """A GRU over slots: computes a state for each slot from the previous slots and the condition.

    Args:
        input_dim: size of the embedding of a slot (I).
        n_slots: number of slots (M).
        hidden_dim: size of the state (D).
        n_layers: number of stacked GRU layers.
        condition_dim: size of the condition c (C); 0 for none.
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
        """States `(B, M, D)` from the embedding of each slot's previous slot `(B, M, I)` and the condition `(B, C)`."""
        states, _ = self.gru(self._with(before, condition), self.start(len(before), condition))
        return states + self.position

    def start(self, n: int, condition: Tensor | None) -> Tensor:
        """The initial state of the GRU, `(layers, n, D)`."""
        shape = (self.n_layers, n, self.gru.hidden_size)
        if self.from_condition is None or condition is None:
            return torch.zeros(shape, device=self.position.device)
        return self.from_condition(condition).view(n, *shape[::2]).transpose(0, 1).contiguous()

    def step(self, before: Tensor, state: Tensor, slot: int, condition: Tensor | None) -> tuple[Tensor, Tensor]:
        """Advance by one slot, given the embedding `(B, I)` of the previous one: state `(B, D)` and new GRU state."""
        states, state = self.gru(self._with(before.unsqueeze(1), condition), state)
        return states[:, 0] + self.position[slot], state

    def _with(self, before: Tensor, condition: Tensor | None) -> Tensor:
        if self.at_each_slot is None or condition is None:
            return before
        return before + self.at_each_slot(condition).unsqueeze(1)


class AutoregressiveCodePrior(Prior):
    """P(codes) = Π P(code | previous codes), each a softmax, as the prior of VQ-VAE (van den Oord et al. 2017).

    Args:
        n_slots: number of codes per molecule (M).
        n_codes: number of codes to choose from (K).
        shared: whether all slots use the same codebook.
        hidden_dim: size of the GRU's state.
        n_layers: number of layers of the GRU.
        condition_dim: size of the condition c (C); 0 for a prior without condition.
    """

    first: Tensor

    def __init__(
        self,
        n_slots: int,
        n_codes: int,
        *,
        shared: bool = False,
        hidden_dim: int = 256,
        n_layers: int = 2,
        condition_dim: int = 0,
    ) -> None:
        super().__init__()
        self.n_slots, self.n_codes = n_slots, n_codes
        tables = 1 if shared else n_slots
        self.register_buffer("first", torch.arange(self.n_slots) % tables * self.n_codes, persistent=False)
        self.embedding = nn.Embedding(tables * self.n_codes, SLOT_EMBEDDING)
        self.network = SlotGRU(SLOT_EMBEDDING, self.n_slots, hidden_dim, n_layers=n_layers, condition_dim=condition_dim)
        self.to_logits = nn.Linear(hidden_dim, self.n_codes)

    def log_prob(self, target: Tensor, *, condition: Tensor | None = None) -> Tensor:
        """Log-probability of code indices `(n, M)`, nats, `(n,)`."""
        return self._per_slot(target, condition).sum(-1)

    @torch.no_grad()
    def begin_log_prob(self, begin: Tensor, *, condition: Tensor | None = None) -> Tensor:
        """Log-probability of the first code indices `(n, k)`, nats, `(n,)`."""
        k = begin.shape[1]
        return self._per_slot(F.pad(begin, (0, self.n_slots - k)), condition)[:, :k].sum(-1)

    def _per_slot(self, target: Tensor, condition: Tensor | None) -> Tensor:
        before = F.pad(self.embedding(target + self.first)[:, :-1], (0, 0, 1, 0))
        logits = self.to_logits(self.network(before, condition)).float().log_softmax(-1)
        return logits.gather(-1, target.unsqueeze(-1)).squeeze(-1)

    @torch.no_grad()
    def sample_target(
        self,
        n: int,
        *,
        condition: Tensor | None = None,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Sample code indices `(n, M)`."""
        nothing = torch.empty(n, 0, dtype=torch.int64, device=self.embedding.weight.device)
        return self.complete_target(nothing, condition=condition, temperature=temperature, generator=generator)

    @torch.no_grad()
    def complete_target(
        self,
        begin: Tensor,
        *,
        condition: Tensor | None = None,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Sample code indices `(n, M)` that begin with `(n, k)` given ones."""
        n = len(begin)
        before = torch.zeros(n, self.embedding.embedding_dim, device=self.embedding.weight.device)
        state, drawn = self.network.start(n, condition), list(begin.unbind(1))
        for slot in range(self.n_slots):
            output, state = self.network.step(before, state, slot, condition)
            if slot >= begin.shape[1]:
                weights = (self.to_logits(output) / temperature).softmax(-1)
                drawn.append(draw_index(weights, generator))
            before = self.embedding(drawn[slot] + self.first[slot])
        return torch.stack(drawn, dim=1)

    def extra_repr(self) -> str:
        """Settings for `repr`."""
        return f"n_slots={self.n_slots}, n_codes={self.n_codes}"


class AutoregressivePriorConfig(PriorSettings):
    """An autoregressive prior over slots: Gaussian mixtures, or a softmax for VQ codes."""

    member: ClassVar[type[Prior]] = AutoregressivePrior

    kind: Literal["autoregressive"] = "autoregressive"
    hidden_dim: Size = 256
    n_layers: Depth = 2
    slot_dim: Size = 8
    """Number of dimensions per slot of a continuous latent; a VQ latent defines its slots itself."""
    n_components: Size = 16
    shared: bool = False
    """Whether all slots share one table of Gaussians, of which the network predicts only the weights."""

    def check(self, latent: LatentSettings) -> None:
        """Raise `ValueError` if `slot_dim` does not divide the size of a continuous latent."""
        if not latent.member.discrete and latent.z_dim % self.slot_dim:
            raise ValueError(f"slot_dim {self.slot_dim} does not divide the {latent.z_dim} latent dimensions")

    def build(self, latent: Latent, *, condition_dim: int = 0) -> Prior:
        """Build the prior, with untrained weights."""
        size = {"hidden_dim": self.hidden_dim, "n_layers": self.n_layers, "condition_dim": condition_dim}
        if latent.discrete:
            return AutoregressiveCodePrior(latent.n_slots, latent.n_codes, shared=latent.shared, **size)
        return AutoregressivePrior(
            latent.latent_dim, slot_dim=self.slot_dim, n_components=self.n_components, shared=self.shared, **size
        )
