"""Which molecules of a prepared folder a model is trained on, and which it is judged by."""

import logging

import numpy as np

from molvae.data.prepared import PreparedData
from molvae.errors import PreparedDataError

log = logging.getLogger(__name__)


def training_molecules(data: PreparedData, max_tokens: int | None) -> np.ndarray:
    """Molecules of the training split that a model of at most `max_tokens` tokens can hold, ascending.

    Raises:
        PreparedDataError: when there is none.
    """
    indices = data.indices("train")
    if not len(indices):
        raise PreparedDataError(f"{data.path} has no training molecules")
    return _fitting(data, indices, max_tokens)


def held_out_molecules(data: PreparedData, n: int, seed: int, max_tokens: int | None) -> np.ndarray:
    """Validation molecules that the model can hold, `n` at most, drawn once; training molecules without others."""
    pool = _fitting(data, data.indices("valid" if "valid" in data.split_names else "train"), max_tokens)
    return np.sort(np.random.default_rng(seed).permutation(pool)[:n])


def _fitting(data: PreparedData, indices: np.ndarray, max_tokens: int | None) -> np.ndarray:
    if max_tokens is None:
        return indices
    kept = indices[data.offsets[indices + 1] - data.offsets[indices] <= max_tokens]
    if not len(kept):
        raise PreparedDataError(f"{data.path}: no molecule has at most the {max_tokens} tokens that the slots hold")
    if len(kept) < len(indices):
        log.warning(
            "%d of %d molecules have more than the %d tokens that the model's slots hold and are left out",
            *(len(indices) - len(kept), len(indices), max_tokens),
        )
    return kept
