"""Several objectives at once: the Pareto front and its hypervolume (Zitzler and Thiele 1998)."""

import numpy as np


def pareto_front(points: np.ndarray) -> np.ndarray:
    """Indices of the points that no other point matches in everything and beats in something; larger is better.

    Of equal points the first is kept. Rows with nan are left out.

    Args:
        points: `(n, C)`.

    >>> pareto_front(np.array([[1.0, 0.0], [0.5, 0.5], [0.4, 0.4], [0.0, 1.0]]))
    array([0, 1, 3])
    """
    usable = np.flatnonzero(np.isfinite(points).all(axis=1))
    front: list[int] = []
    for i in usable[np.lexsort((usable, -points[usable].sum(axis=1)))]:  # what dominates a point comes before it
        if not any((points[k] >= points[i]).all() for k in front):
            front.append(int(i))
    return np.array(sorted(front), dtype=int)


def hypervolume(points: np.ndarray) -> float:
    """Volume between 0 and the points, exactly, by slicing along the last objective.

    Args:
        points: `(n, C)`; what is below 0 counts as 0.

    >>> hypervolume(np.array([[1.0, 0.5], [0.5, 1.0]]))
    0.75
    """
    points = np.maximum(np.asarray(points, dtype=np.float64), 0.0)
    points = points[pareto_front(points)]
    if not len(points):
        return 0.0
    if points.shape[1] == 1:
        return float(points.max())
    points = points[np.argsort(-points[:, -1], kind="stable")]
    heights = np.append(points[:, -1], 0.0)
    return float(
        sum(
            (heights[i] - heights[i + 1]) * hypervolume(points[: i + 1, :-1])
            for i in range(len(points))
            if heights[i] > heights[i + 1]
        )
    )


def front_of(points: np.ndarray) -> tuple[np.ndarray, float]:
    """The front's indices and its hypervolume."""
    front = pareto_front(points)
    return front, hypervolume(points[front])
