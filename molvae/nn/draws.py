"""Draws of categories."""

import torch
from torch import Tensor


def draw_index(weights: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """One index per row, in proportion to non-negative weights `(B, K)`; `(B,)` int64.

    By the inverse of the cumulative sum: one random number per row, where `torch.multinomial` takes one per entry
    and, on a CPU, ten times as long.
    """
    sums = weights.double().cumsum(-1)  # in single precision the last entry could be drawn though its weight is 0
    place = torch.rand(len(weights), 1, generator=generator, dtype=torch.float64, device=weights.device)
    return torch.searchsorted(sums, place * sums[:, -1:], right=True).squeeze(-1)
