"""Transformer blocks (Vaswani et al. 2017) with rotary positions (Su et al. 2021), and their cache for generation."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

BASE = 10_000.0  # wavelength of the slowest rotation, in positions


class Block(nn.Module):
    """Attention and a feed-forward network, each on normalized inputs and added to them (Xiong et al. 2020).

    Args:
        dim: size of a state (D).
        n_heads: number of attention heads; D / n_heads is even.
        dropout: dropout probability of both additions.
    """

    def __init__(self, dim: int, *, n_heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(2))
        self.to_qkv = nn.Linear(dim, 3 * dim)
        self.to_states = nn.Linear(dim, dim)
        self.feed_forward = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))
        self.dropout = nn.Dropout(dropout)

    def forward(self, states: Tensor, known: Tensor | None = None, *, causal: bool = False) -> Tensor:
        """New states `(B, T, D)`.

        Args:
            states: `(B, T, D)`.
            known: `(B, T)` bool, False for states that nothing attends to; `None` if there are none.
            causal: whether each state attends only to itself and those before it.
        """
        q, k, v = self._heads(states, torch.arange(states.shape[1], device=states.device))
        mask = None if known is None else known[:, None, None, :]
        found = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal)
        return self._add(states, found)

    def step(self, states: Tensor, past: Tensor, place: int) -> tuple[Tensor, Tensor]:
        """New states `(B, 1, D)` of the place after those in `past`, the keys and values `(B, 2, heads, T, d)`."""
        q, k, v = self._heads(states, torch.tensor([place], device=states.device))
        past = torch.cat([past, torch.stack([k, v], dim=1)], dim=3)
        keys, values = past.unbind(1)
        return self._add(states, F.scaled_dot_product_attention(q, keys, values)), past

    def empty(self, n: int) -> Tensor:
        """The keys and values of no places, `(n, 2, heads, 0, d)`."""
        weight = self.to_states.weight
        return weight.new_zeros(n, 2, self.n_heads, 0, len(weight) // self.n_heads)

    def _heads(self, states: Tensor, places: Tensor) -> list[Tensor]:
        """Queries, keys and values, each `(B, heads, T, d)`."""
        q, k, v = self.to_qkv(self.norms[0](states)).chunk(3, dim=-1)
        q, k, v = (part.unflatten(-1, (self.n_heads, -1)).transpose(1, 2) for part in (q, k, v))
        return [rotate(q, places), rotate(k, places), v]

    def _add(self, states: Tensor, found: Tensor) -> Tensor:
        states = states + self.dropout(self.to_states(found.transpose(1, 2).flatten(2)))
        return states + self.dropout(self.feed_forward(self.norms[1](states)))


def rotate(values: Tensor, places: Tensor) -> Tensor:
    """Rotate pairs of dimensions of `(B, heads, T, d)` by angles proportional to the places `(T,)` (Su et al. 2021)."""
    half = values.shape[-1] // 2
    speeds = BASE ** (-torch.arange(half, device=values.device, dtype=torch.float32) / half)
    angles = places.unsqueeze(1) * speeds
    cos, sin = angles.cos().to(values.dtype), angles.sin().to(values.dtype)
    first, second = values.split(half, dim=-1)
    return torch.cat([first * cos - second * sin, first * sin + second * cos], dim=-1)


def run(layer: nn.Module, *inputs: Tensor | None, saving: bool, **how: Any) -> Tensor:
    """Call a layer; with `saving`, its activations are computed again in the backward pass (Chen et al. 2016).

    That takes about a third longer, and of a stack of layers, only the states between them are kept in memory.
    """
    if saving and torch.is_grad_enabled():
        return checkpoint(layer, *inputs, use_reentrant=False, **how)
    return layer(*inputs, **how)


def check_heads(dim: int, n_heads: int) -> None:
    """Raise `ValueError` unless every head gets an equal, even number of the dimensions, as rotations need."""
    if dim % (2 * n_heads):
        raise ValueError(f"{n_heads} heads need hidden_dim to be a multiple of {2 * n_heads}, not {dim}")
