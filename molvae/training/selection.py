"""The choice of the molecules of a prepared folder that a model is trained and evaluated on."""

import logging

import numpy as np

from molvae.data.prepared import PreparedData
from molvae.data.selection import Selection
from molvae.errors import PreparedDataError

log = logging.getLogger(__name__)

PASS = 10_000  # molecules in a usual pass over the data


def training_molecules(data: PreparedData, max_tokens: int | None) -> Selection:
    """The training molecules with at most `max_tokens` tokens (`None` for no limit).

    Raises:
        PreparedDataError: when there are none.
    """
    return _fitting(data, "train", max_tokens)


def passes_as_one(n: int) -> int:
    """How many passes over `n` molecules count as one of the usual size when a prior is fitted; at least 1."""
    return max(1, PASS // max(1, n))


def held_out_molecules(data: PreparedData, n: int, seed: int, max_tokens: int | None) -> np.ndarray:
    """A random choice of at most `n` validation molecules; training molecules if there is no validation split."""
    split = "valid" if "valid" in data.split_names else "train"
    return _fitting(data, split, max_tokens).draw(n, np.random.default_rng(seed))


def _fitting(data: PreparedData, split: str, max_tokens: int | None) -> Selection:
    n = sum(data.count(split))
    if not n and split == "train":
        raise PreparedDataError(f"{data.path} has no training molecules")
    kept = Selection.of_split(data, split, max_tokens=max_tokens)
    if max_tokens is not None and not len(kept):
        raise PreparedDataError(f"{data.path}: no molecule has at most the {max_tokens} tokens that the slots hold")
    if len(kept) < n:
        log.warning(
            "%d of %d molecules are left out, because they have more than the %d tokens that the model's slots hold",
            *(n - len(kept), n, max_tokens),
        )
    return kept
