"""How the properties of generated molecules are distributed, beside those of a reference."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import gaussian_kde

from molvae.errors import InputError, InputFileError, MissingExtraError
from molvae.files import atomic_path, check_writable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ENDINGS = (".png", ".svg", ".pdf")
UNITS = {"weight": "g/mol"}
GRID = 400  # points of a curve
SHOWN = 20_000  # molecules a curve is drawn from; more would change nothing visible
REFERENCE_COLOR = "0.75"


def check_plot(path: str | Path) -> None:
    """Raise before any work is done when the plot could not be drawn after it.

    Raises:
        InputFileError: for another ending than .png, .svg or .pdf, and where no file can be written.
        MissingExtraError: when matplotlib is not installed.
    """
    if Path(path).suffix.lower() not in ENDINGS:
        raise InputFileError(f"cannot draw {path}; expected an ending of {', '.join(ENDINGS)}")
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise MissingExtraError.of("plots need the package matplotlib", "report") from error
    check_writable(path)


def plot_distributions(
    generated: Mapping[str, Mapping[str, np.ndarray]],
    reference: Mapping[str, np.ndarray],
    path: str | Path,
    *,
    reference_name: str = "reference",
) -> None:
    """Draw one panel per property: the reference as a gray area, each list of generated molecules as a line.

    Args:
        generated: label of a list → property → values `(N,)`.
        reference: property → values `(M,)`; the panels, in this order.
        path: `.png`, `.svg` or `.pdf`.
        reference_name: what the legend calls the reference.

    Raises:
        InputError: when a list lacks a property.
        InputFileError: for an unknown ending.
        MissingExtraError: when matplotlib is not installed.
    """
    check_plot(path)
    figure = distribution_figure(generated, reference, reference_name=reference_name)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format=Path(path).suffix[1:].lower(), dpi=150)


def distribution_figure(
    generated: Mapping[str, Mapping[str, np.ndarray]],
    reference: Mapping[str, np.ndarray],
    *,
    reference_name: str = "reference",
) -> "Figure":
    """The figure of `plot_distributions`."""
    from matplotlib.figure import Figure  # no pyplot: no global state, no display

    for label, values in generated.items():
        missing = [name for name in reference if name not in values]
        if missing:
            raise InputError(f"{label} lacks {', '.join(missing)}, which the reference has")
    columns = min(2, len(reference))
    rows = -(-len(reference) // columns)
    figure = Figure(figsize=(4.2 * columns, 2.9 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).flat
    for (name, expected), panel in zip(reference.items(), panels, strict=False):
        samples = {label: _finite(values[name]) for label, values in generated.items()}
        expected = _finite(expected)
        grid = _grid(expected, *samples.values())
        panel.fill_between(grid, _density(expected, grid), color=REFERENCE_COLOR, linewidth=0, label=reference_name)
        for label, sample in samples.items():
            panel.plot(grid, _density(sample, grid), linewidth=1.4, label=label)
        panel.set_xlabel(f"{name} ({UNITS[name]})" if name in UNITS else name)
        panel.set_yticks([])
        panel.set_ylim(bottom=0)
        panel.spines[["top", "right", "left"]].set_visible(False)
    for panel in panels:  # the one left empty by an odd number of properties
        panel.set_visible(False)
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=4, frameon=False)
    return figure


def _finite(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    values = values[np.isfinite(values)]
    return values[:: max(1, len(values) // SHOWN)]


def _grid(*samples: np.ndarray) -> np.ndarray:
    """From the lowest to the highest 0.1 % quantile, so that one outlier does not squeeze the picture."""
    ends = [np.quantile(sample, [0.001, 0.999]) for sample in samples if len(sample)]
    low, high = (min(e[0] for e in ends), max(e[1] for e in ends)) if ends else (0.0, 1.0)
    margin = 0.05 * (high - low) or 0.5
    return np.linspace(low - margin, high + margin, GRID)


def _density(sample: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Kernel density on the grid; a spike where all values are the same, nothing where there are none."""
    if len(sample) < 2:
        return np.zeros_like(grid)
    if np.ptp(sample) == 0:
        width = grid[1] - grid[0]
        return np.where(np.abs(grid - sample[0]) <= width / 2, 1 / width, 0.0)
    return gaussian_kde(sample)(grid)
