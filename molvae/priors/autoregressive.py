"""A recurrent network over latent slots: mixtures of Gaussians for a continuous z, a softmax for VQ codes."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from molvae.priors.base import Codebooks, ContinuousPrior, LearnedPrior

MIN_LOG_SCALE = -5.0


class AutoregressivePrior(ContinuousPrior):
    """p(z) = Π p(slot | slots before), each a mixture of diagonal Gaussians (GIVT, Tschannen et al. 2023).

    Args:
        latent_dim: Z, cut into Z / slot_dim slots.
        slot_dim: dimensions a slot.
        hidden_dim: of the GRU.
        n_layers: of the GRU.
        n_components: Gaussians a slot.
    """

    def __init__(
        self, latent_dim: int, *, slot_dim: int = 8, hidden_dim: int = 256, n_layers: int = 2, n_components: int = 16
    ) -> None:
        super().__init__(latent_dim)
        self.slot_dim = slot_dim
        self.n_slots = latent_dim // slot_dim
        self.n_components = n_components
        self.gru = nn.GRU(slot_dim, hidden_dim, num_layers=n_layers, batch_first=True)
        self.position = nn.Parameter(torch.zeros(self.n_slots, hidden_dim))
        self.to_mixture = nn.Linear(hidden_dim, n_components * (1 + 2 * slot_dim))

    def log_prob(self, target: Tensor) -> Tensor:
        """Log density of `(n, Z)`, nats, `(n,)`."""
        slots = ((target - self.mean) / self.std).view(len(target), self.n_slots, self.slot_dim)
        before = F.pad(slots[:, :-1], (0, 0, 1, 0))
        states, _ = self.gru(before)
        log_weights, means, log_scales = self._mixture(states + self.position)
        scaled = (slots.unsqueeze(2) - means) * torch.exp(-log_scales)
        log_components = -0.5 * scaled.square() - log_scales - 0.5 * math.log(2 * math.pi)
        log_slots = torch.logsumexp(log_weights + log_components.sum(-1), dim=-1)
        return log_slots.sum(-1) - self.std.log().sum()

    @torch.no_grad()
    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        """Draw `(n, Z)`."""
        device = self.mean.device
        slot, state, drawn = torch.zeros(n, 1, self.slot_dim, device=device), None, []
        rows = torch.arange(n, device=device)
        for position in self.position:
            states, state = self.gru(slot, state)
            log_weights, means, log_scales = self._mixture(states[:, 0] + position)
            pick = torch.multinomial(log_weights.exp(), 1, generator=generator).squeeze(1)
            noise = torch.randn((n, self.slot_dim), generator=generator, device=device)
            slot = (means[rows, pick] + noise * log_scales[rows, pick].exp()).unsqueeze(1)
            drawn.append(slot)
        return torch.cat(drawn, dim=1).flatten(1) * self.std + self.mean

    def _mixture(self, states: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Log weights `(…, C)`, means and log scales `(…, C, slot_dim)`."""
        parts = self.to_mixture(states).unflatten(-1, (self.n_components, 1 + 2 * self.slot_dim))
        weights, means, log_scales = parts.split([1, self.slot_dim, self.slot_dim], dim=-1)
        return weights.squeeze(-1).log_softmax(-1), means, log_scales.clamp(min=MIN_LOG_SCALE)

    def extra_repr(self) -> str:
        """Settings for `repr`."""
        return f"n_slots={self.n_slots}, n_components={self.n_components}"


class AutoregressiveCodePrior(LearnedPrior):
    """P(codes) = Π P(code | codes before), a softmax a slot, as on VQ-VAE codes (van den Oord et al. 2017).

    Args:
        codebooks: the VQ latent; not part of this module's weights.
        hidden_dim: of the GRU.
        n_layers: of the GRU.
    """

    def __init__(self, codebooks: Codebooks, *, hidden_dim: int = 256, n_layers: int = 2) -> None:
        super().__init__()
        self._codebooks = (codebooks,)  # in a tuple: torch must not take it for a child
        self.n_slots, self.n_codes = codebooks.n_slots, codebooks.n_codes
        self.embedding = nn.Embedding(self.n_slots * self.n_codes, hidden_dim)
        self.gru = nn.GRU(hidden_dim, hidden_dim, num_layers=n_layers, batch_first=True)
        self.position = nn.Parameter(torch.zeros(self.n_slots, hidden_dim))
        self.to_logits = nn.Linear(hidden_dim, self.n_codes)

    def log_prob(self, target: Tensor) -> Tensor:
        """Log probability of code indices `(n, M)`, nats, `(n,)`."""
        first = torch.arange(self.n_slots, device=target.device) * self.n_codes
        before = F.pad(self.embedding(target + first)[:, :-1], (0, 0, 1, 0))
        states, _ = self.gru(before)
        logits = self.to_logits(states + self.position).log_softmax(-1)
        return logits.gather(-1, target.unsqueeze(-1)).squeeze(-1).sum(-1)

    @torch.no_grad()
    def sample_codes(self, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        """Draw code indices `(n, M)`."""
        step = torch.zeros(n, 1, self.embedding.embedding_dim, device=self.position.device)
        state, drawn = None, []
        for slot, position in enumerate(self.position):
            states, state = self.gru(step, state)
            probabilities = self.to_logits(states[:, 0] + position).softmax(-1)
            drawn.append(torch.multinomial(probabilities, 1, generator=generator))
            step = self.embedding(drawn[-1] + slot * self.n_codes)
        return torch.cat(drawn, dim=1)

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        """Draw latents `(n, Z)`."""
        return self._codebooks[0].codes_to_z(self.sample_codes(n, generator=generator))

    def extra_repr(self) -> str:
        """Settings for `repr`."""
        return f"n_slots={self.n_slots}, n_codes={self.n_codes}"
