"""How good a search was, from its calls in order: best so far, top k, and PMO's area under the curve."""

from collections.abc import Sequence

import numpy as np

EVERY = 100  # calls between two points of PMO's curve


def top_mean(scores: Sequence[float] | np.ndarray, k: int) -> float:
    """Mean of the k best scores, of all when there are fewer; nan is left out, and is the mean of none.

    >>> top_mean([-0.1, -0.5, float("nan"), -0.3], 2)
    -0.2
    """
    values = np.asarray(scores, dtype=np.float64)
    best = np.sort(values[~np.isnan(values)])[::-1][:k]
    return float(best.mean()) if len(best) else float("nan")


def top_auc(scores: Sequence[float] | np.ndarray, k: int = 10, *, budget: int = 10_000, every: int = EVERY) -> float:
    """Area under the curve of the top-k mean against calls, divided by the budget (Gao et al. 2022).

    As PMO computes it, for scores in [0, 1]: trapezoids between points `every` calls apart, the first from 0; a search
    that ended before its budget keeps its last value to the end; nan counts as 0. It is not defined for other scores.

    Args:
        scores: of unique molecules in the order they were scored.
        k: 10 for PMO's "AUC top-10".
        budget: calls allowed.
        every: calls between two points.
    """
    counted = np.nan_to_num(np.asarray(scores, dtype=np.float64)[:budget])
    points = [*range(every, len(counted), every), len(counted)] if len(counted) else []
    area, last, done = 0.0, 0.0, 0
    for point in points:
        value = top_mean(counted[:point], k)
        area += (point - done) * (value + last) / 2
        last, done = value, point
    return (area + (budget - done) * last) / budget


def top_curve(scores: Sequence[float] | np.ndarray, k: int, *, every: int = EVERY) -> tuple[np.ndarray, np.ndarray]:
    """Calls and the top-k mean after them, at every `every` calls and at the end."""
    calls = np.array([*range(every, len(scores), every), len(scores)])
    return calls, np.array([top_mean(scores[:n], k) for n in calls])
