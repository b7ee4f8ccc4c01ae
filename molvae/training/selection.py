"""The choice of the molecules of a prepared folder that a model is trained and evaluated on."""

import logging

import numpy as np

from molvae.data.prepared import PreparedData
from molvae.errors import PreparedDataError

log = logging.getLogger(__name__)

PASS = 10_000  # molecules in a usual pass over the data


def training_molecules(data: PreparedData, max_tokens: int | None) -> np.ndarray:
    """The training molecules with at most `max_tokens` tokens (`None` for no limit), ascending.

    Raises:
        PreparedDataError: when there are none.
    """
    indices = data.indices("train")
    if not len(indices):
        raise PreparedDataError(f"{data.path} has no training molecules")
    return _fitting(data, indices, max_tokens)


def passes_as_one(n: int) -> int:
    """How many passes over `n` molecules count as one of the usual size when a prior is fitted; at least 1."""
    return max(1, PASS // max(1, n))


def held_out_molecules(data: PreparedData, n: int, seed: int, max_tokens: int | None) -> np.ndarray:
    """A random choice of at most `n` validation molecules; training molecules if there is no validation split."""
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
            "%d of %d molecules are left out, because they have more than the %d tokens that the model's slots hold",
            *(len(indices) - len(kept), len(indices), max_tokens),
        )
    return kept
