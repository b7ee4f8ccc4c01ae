"""A picture of what single dimensions of z change: molecules along each, the others held."""

from pathlib import Path

import numpy as np

from molvae.inference.loaded import LoadedModel
from molvae.inference.sampling import decode
from molvae.report.grid import draw_grid

DIMENSIONS = 8
PLACES = (-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0)
"""Distances from the start, in standard deviations of the dimension."""


def traversal(z: np.ndarray, *, dimensions: int = DIMENSIONS) -> tuple[np.ndarray, list[int]]:
    """Latents along the dimensions that vary most, starting at the row nearest to the mean.

    Args:
        z: `(n, Z)`, posterior means of molecules.
        dimensions: how many dimensions.

    Returns:
        Latents `(dimensions · places, Z)`, dimension by dimension; and which these are, the most varied first.
    """
    spread = z.std(0)
    scaled = (z - z.mean(0)) / np.where(spread > 0, spread, 1.0)
    start = z[np.square(scaled).sum(1).argmin()]
    chosen = np.argsort(-spread, kind="stable")[:dimensions].tolist()
    rows = np.repeat(start[None], len(chosen) * len(PLACES), axis=0)
    for number, dimension in enumerate(chosen):
        own = slice(number * len(PLACES), (number + 1) * len(PLACES))
        rows[own, dimension] += np.array(PLACES) * spread[dimension]
    return rows.astype(np.float32), chosen


def draw_traversal(vae: LoadedModel, z: np.ndarray, path: str | Path, *, dimensions: int = DIMENSIONS) -> None:
    """Draw a latent traversal (Higgins et al. 2017): one row per dimension, decoded greedily.

    Args:
        vae: a model with a continuous latent.
        z: `(n, Z)`, posterior means of molecules.
        path: `.svg` or `.png`.
        dimensions: how many rows.

    Raises:
        InputFileError: for another ending, and when nothing decodes to a molecule.
    """
    rows, chosen = traversal(z, dimensions=dimensions)
    legends = [f"z{dimension} {place:+g} s.d." for dimension in chosen for place in PLACES]
    draw_grid(decode(vae, rows), path, legends=legends, columns=len(PLACES))
