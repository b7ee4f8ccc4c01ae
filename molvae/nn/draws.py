"""Random number generators and sampling of categories."""

import torch
import torch.nn.functional as F
from torch import Tensor

from molvae.errors import CheckpointError

PART = 32  # entries whose weights are added up first
BELOW_ONE = 1 - 2.0**-40
NOT_FINITE = "the model computes numbers that are nan or infinite; its weights are damaged"


def generator_on(device: torch.device | str, seed: int | None) -> torch.Generator:
    """A random number generator with the given seed; `None` takes a random seed."""
    generator = torch.Generator(device=device)
    if seed is None:
        generator.seed()
    else:
        generator.manual_seed(seed)
    return generator


def draw_index(weights: Tensor, generator: torch.Generator | None = None, *, places: Tensor | None = None) -> Tensor:
    """Sample one index per row, in proportion to non-negative weights `(B, K)`; `(B,)` int64.

    The random numbers are those of the generator, or `places` `(B,)` float64 in [0, 1).

    The cumulative sum is inverted, which needs one random number per row; `torch.multinomial` needs one per entry and,
    on a CPU, twenty times as long. First a part of the entries is found by the sums of all parts, then the entry.

    Raises:
        CheckpointError: for weights that are nan, which only a damaged model gives.
    """
    if places is None:
        places = torch.rand(len(weights), generator=generator, dtype=torch.float64, device=weights.device)
    parts = F.pad(weights, (0, -weights.shape[-1] % PART)).unflatten(-1, (-1, PART))
    sums = parts.sum(-1).double()
    part, within = _invert(sums, places)
    index, _ = _invert(parts[torch.arange(len(parts), device=parts.device), part].double(), within)
    return part * PART + index


def _invert(weights: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
    """The entry of each row of weights `(B, K)` that a place in [0, 1) of their sum lies in, and its place in there.

    The weights are double: in single precision, a last entry of weight 0 could be drawn.
    """
    sums = weights.cumsum(-1)
    reached = places.unsqueeze(1) * sums[:, -1:]
    index = torch.searchsorted(sums, reached, right=True)
    if (index >= weights.shape[-1]).any():  # where the sums are nan
        raise CheckpointError(NOT_FINITE)
    own = weights.gather(1, index)
    within = (reached - sums.gather(1, index) + own) / own
    return index.squeeze(1), within.squeeze(1).clamp(0.0, BELOW_ONE)


def draw_token(
    logits: Tensor, top_p: float, generator: torch.Generator | None = None, *, places: Tensor | None = None
) -> Tensor:
    """Sample one token per row from logits `(B, V)`, restricted to the nucleus of probability `top_p`; `(B,)`.

    The nucleus is the smallest set of tokens with at least this probability (Holtzman et al. 2020).
    """
    probabilities = logits.softmax(-1)
    if top_p < 1.0:
        ordered, index = probabilities.sort(-1, descending=True)
        outside = ordered.cumsum(-1) - ordered >= top_p
        probabilities = torch.zeros_like(probabilities).scatter(-1, index, ordered.masked_fill(outside, 0.0))
    return draw_index(probabilities, generator, places=places)
