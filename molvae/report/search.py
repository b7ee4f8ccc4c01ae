"""How a search went: the best scores so far against oracle calls."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from molvae.files import atomic_path
from molvae.report.distributions import check_plot


def plot_search(curves: Mapping[str, tuple[np.ndarray, np.ndarray]], path: str | Path, *, title: str = "") -> None:
    """Draw one line per curve.

    Args:
        curves: label → calls `(n,)` and the value after them `(n,)`.
        path: `.png`, `.svg` or `.pdf`.
        title: above the plot.

    Raises:
        InputFileError: for an unknown ending.
        MissingExtraError: when matplotlib is not installed.
    """
    check_plot(path)
    from matplotlib.figure import Figure  # no pyplot: no global state, no display

    figure = Figure(figsize=(5.6, 3.6), layout="constrained")
    panel = figure.subplots()
    for label, (calls, values) in curves.items():
        panel.plot(calls, values, linewidth=1.6, label=label)
    panel.set_xlabel("oracle calls")
    panel.set_ylabel("score")
    panel.set_title(title, fontsize=10)
    panel.grid(alpha=0.3)
    panel.spines[["top", "right"]].set_visible(False)
    panel.legend(frameon=False, loc="lower right")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format=Path(path).suffix[1:].lower(), dpi=150)
