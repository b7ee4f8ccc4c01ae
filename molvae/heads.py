"""Property heads: z → named properties."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


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
    ) -> None:
        super().__init__()
        self.names = tuple(names)
        self.n_slots = n_slots
        self.of_slot = None
        if n_slots > 1:
            inner = nn.Linear(hidden_dim, hidden_dim)
            self.of_slot = nn.Sequential(nn.Linear(latent_dim // n_slots, hidden_dim), nn.SiLU(), inner)
        self.network = nn.Sequential(
            nn.Linear(latent_dim if n_slots == 1 else hidden_dim, hidden_dim),
            nn.SiLU(),
            nn.Linear(hidden_dim, max(len(self.names), 1)),
        )
        self.register_buffer("mean", torch.tensor(list(mean), dtype=torch.float32))
        self.register_buffer("std", torch.tensor(list(std), dtype=torch.float32))

    def forward(self, z: Tensor) -> Tensor:
        """Standardised properties, `(B, P)`."""
        whole = z if self.of_slot is None else self.of_slot(z.unflatten(1, (self.n_slots, -1))).sum(1)
        return self.network(whole)[:, : len(self.names)]

    def predict(self, z: Tensor) -> Tensor:
        """Properties in their own units, `(B, P)`."""
        return self(z).float() * self.std + self.mean

    def standardise(self, properties: Tensor) -> Tensor:
        """Labels as the network sees them; missing ones stay nan."""
        return (properties - self.mean) / self.std
