"""Property heads, which predict properties from z."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from molvae.config import Section, Size
from molvae.data.prepared import FARTHEST

NEAREST = 4  # number of nearest codes that a slot is interpolated between
SHARPNESS = 8.0  # how strongly the interpolation favors the nearest code


class PropertyHeads(nn.Module):
    """One small network that predicts all properties from z; it includes the mean and scale of the properties.

    Args:
        latent_dim: size of z (Z).
        names: the P properties.
        mean: mean of each property, in its own unit.
        std: standard deviation of each property, in its own unit.
        hidden_dim: width of the hidden layers.
        n_slots: number of slots of z; with several slots, their contributions are added up, because most molecular
            properties are sums over the parts of a molecule.
        codebook: returns the codes `(K, Z / n_slots)` if the slots of z are VQ codes of a shared codebook; the
            contribution of a code is then a learned table entry.
        n_codes: number of codes (K).
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
        self.of_slot: CodeLookup | nn.Sequential | None = None
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

    def forward(self, z: Tensor, *, codes: Tensor | None = None) -> Tensor:
        """Predicted properties, standardized: `(B, P)`.

        Args:
            z: `(B, Z)`.
            codes: `(B, M)`, the code indices of z where they are known, which saves the search for them.
        """
        whole = z
        if self.of_slot is not None:
            slots = z.unflatten(1, (self.n_slots, -1))
            known = isinstance(self.of_slot, CodeLookup)
            whole = (self.of_slot(slots, codes) if known else self.of_slot(slots)).sum(1)
        return self.network(whole)[:, : len(self.names)]

    def predict(self, z: Tensor) -> Tensor:
        """Predicted properties in their own units, `(B, P)`."""
        return self(z).float() * self.std + self.mean

    def standardize(self, properties: Tensor) -> Tensor:
        """Standardized labels, clipped because some have extreme values; missing labels stay nan."""
        return ((properties - self.mean) / self.std).clamp(-FARTHEST, FARTHEST)


class CodeLookup(nn.Module):
    """A learned vector for each code; for a slot between codes, an interpolation between those of the nearest codes.

    The positions of codes in space follow no order, so a network on z would have to learn each code separately; a table
    represents them directly.

    Args:
        codebook: returns the codes `(K, S)`, which belong to the latent.
        n_codes: number of codes (K).
        dim: size of the vector of a code (D).
    """

    def __init__(self, codebook: Callable[[], Tensor], n_codes: int, dim: int) -> None:
        super().__init__()
        self._codebook = codebook
        self.table = nn.Embedding(n_codes, dim)

    def forward(self, slots: Tensor, indices: Tensor | None = None) -> Tensor:
        """Slots `(…, S)` → vectors `(…, D)`, differentiable with respect to the slots.

        With the indices `(…)` of the codes that the slots are, the neighbors of each code are looked up.
        """
        with torch.autocast(slots.device.type, enabled=False):  # bfloat16 cannot distinguish close codes
            codes, slots = self._codebook(), slots.float()
            with torch.no_grad():
                near = _nearest(slots, codes) if indices is None else _nearest(codes, codes)[indices]
            distances = (slots.unsqueeze(-2) - codes[near]).square().sum(-1)  # (…, NEAREST)
            scale = distances.detach().mean(-1, keepdim=True).clamp(min=1e-6)
            weights = (-SHARPNESS * distances / scale).softmax(-1)
        return (weights.unsqueeze(-1) * self.table(near)).sum(-2)


def _nearest(slots: Tensor, codes: Tensor) -> Tensor:
    """The indices `(…, NEAREST)` of the codes `(K, S)` nearest to each slot `(…, S)`."""
    distances = torch.addmm(codes.square().sum(1), slots.reshape(-1, slots.shape[-1]), codes.T, alpha=-2.0)
    near = distances.topk(min(NEAREST, len(codes)), largest=False).indices
    return near.view(*slots.shape[:-1], -1)


class HeadsConfig(Section):
    """Small networks that predict properties of the prepared folder from z."""

    properties: tuple[str, ...] | None = None
    """The properties to predict; `None` means every property of the prepared folder."""
    hidden_dim: Size = 128
