"""Property heads: z → named properties."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from molvae.config import Positive, Section

NEAREST = 4  # codes that a slot between them is read as
SHARPNESS = 8.0
FARTHEST = 10.0  # standard deviations from the mean that a label may be


class PropertyHeads(nn.Module):
    """One small network from z to all properties; the scaling is part of it.

    Args:
        latent_dim: Z.
        names: the properties (P).
        mean: of each property, in its own unit.
        std: of each property, in its own unit.
        hidden_dim: width of the hidden layers.
        n_slots: parts of z; above 1 their contributions are added up, as most properties of a molecule are sums over
            its parts.
        codebook: gives the codes `(K, Z / n_slots)` that the slots are drawn from, where there are such; the
            contribution of each is then looked up.
        n_codes: K.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        latent_dim: int,
        names: Sequence[str],
        *,
        mean: Sequence[float],
        std: Sequence[float],
        hidden_dim: int = 128,
        n_slots: int = 1,
        codebook: Callable[[], Tensor] | None = None,
        n_codes: int = 0,
    ) -> None:
        super().__init__()
        self.names = tuple(names)
        self.n_slots = n_slots
        self.of_slot: nn.Module | None = None
        if codebook is not None:
            self.of_slot = CodeLookup(codebook, n_codes, hidden_dim)
        elif n_slots > 1:
            inner = nn.Linear(hidden_dim, hidden_dim)
            self.of_slot = nn.Sequential(nn.Linear(latent_dim // n_slots, hidden_dim), nn.SiLU(), inner)
        self.network = nn.Sequential(
            nn.Linear(latent_dim if self.of_slot is None else hidden_dim, hidden_dim),
            nn.SiLU(),
            nn.Linear(hidden_dim, max(len(self.names), 1)),
        )
        self.register_buffer("mean", torch.tensor(list(mean), dtype=torch.float32))
        self.register_buffer("std", torch.tensor(list(std), dtype=torch.float32))

    def forward(self, z: Tensor) -> Tensor:
        """Standardized properties, `(B, P)`."""
        whole = z if self.of_slot is None else self.of_slot(z.unflatten(1, (self.n_slots, -1))).sum(1)
        return self.network(whole)[:, : len(self.names)]

    def predict(self, z: Tensor) -> Tensor:
        """Properties in their own units, `(B, P)`."""
        return self(z).float() * self.std + self.mean

    def standardize(self, properties: Tensor) -> Tensor:
        """Labels as the network sees them, cut off where some descriptors run away; missing ones stay nan."""
        return ((properties - self.mean) / self.std).clamp(-FARTHEST, FARTHEST)


class CodeLookup(nn.Module):
    """Learned numbers of the code that a slot is, or of those around it where it lies between codes.

    Codes are places without order, which a network of z would have to learn one by one; a table knows them at once.

    Args:
        codebook: gives the codes `(K, S)`; they belong to the latent.
        n_codes: K.
        dim: numbers per code (D).
    """

    def __init__(self, codebook: Callable[[], Tensor], n_codes: int, dim: int) -> None:
        super().__init__()
        self._codebook = codebook
        self.table = nn.Embedding(n_codes, dim)

    def forward(self, slots: Tensor) -> Tensor:
        """Slots `(…, S)` → `(…, D)`; differentiable in the slots."""
        with torch.autocast(slots.device.type, enabled=False):  # bfloat16 cannot tell close codes apart
            codes, slots = self._codebook(), slots.float()
            with torch.no_grad():
                near = (
                    (codes.square().sum(1) - 2 * slots @ codes.T).topk(min(NEAREST, len(codes)), largest=False).indices
                )
            distances = (slots.unsqueeze(-2) - codes[near]).square().sum(-1)  # (…, NEAREST)
            scale = distances.detach().mean(-1, keepdim=True).clamp(min=1e-6)
            weights = (-SHARPNESS * distances / scale).softmax(-1)
        return (weights.unsqueeze(-1) * self.table(near)).sum(-2)


class HeadsConfig(Section):
    """Small networks from z to properties of the prepared folder."""

    properties: tuple[str, ...] | None = None
    """`None`: every property of the prepared folder."""
    hidden_dim: Positive = 128
