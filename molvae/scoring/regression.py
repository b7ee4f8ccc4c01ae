"""The quality of regressions."""

from typing import Any

import numpy as np


def r_squared(predicted: Any, labels: Any) -> np.ndarray:
    """Coefficient of determination of each column over its labeled rows, `(P,)` float64.

    Args:
        predicted: `(n, P)`, an array or a tensor on the CPU.
        labels: `(n, P)`, nan where unknown.

    Returns:
        R²; nan for a column with fewer than two labels, or whose labels are constant.

    >>> r_squared([[1.0], [2.0], [4.0]], [[1.0], [2.0], [3.0]])
    array([0.5])
    """
    predicted, labels = np.asarray(predicted, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    known = np.isfinite(labels)
    counts = np.maximum(known.sum(0), 1)
    center = np.where(known, labels, 0.0).sum(0) / counts
    residual = np.where(known, np.square(labels - predicted), 0.0).sum(0)
    total = np.where(known, np.square(labels - center), 0.0).sum(0)
    varies = (known.sum(0) > 1) & (total > 0)
    return np.where(varies, 1.0 - residual / np.where(varies, total, 1.0), np.nan)
