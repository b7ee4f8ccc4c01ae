"""Tables of molecules that draw themselves in a notebook."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from molvae.errors import InputError
from molvae.report.grid import draw_grid, grid_svg

MOST = 100  # molecules of one picture
LEGENDS = ("score", "status", "source", "fraction", "distance", "tanimoto_to_start", "qed", "logp", "sa")
"""Columns that are shown below a molecule, those that a table has, unless it is said which."""


class Picture:
    """A drawing, which notebooks show and `save` writes.

    Args:
        smiles: the molecules.
        legends: a line under each.
        columns: molecules per row.
    """

    def __init__(self, smiles: Sequence[str], legends: Sequence[str] = (), *, columns: int = 5) -> None:
        self.smiles, self.legends, self.columns = list(smiles), list(legends), columns

    def _repr_svg_(self) -> str:
        return grid_svg(self.smiles, legends=self.legends, columns=self.columns)

    def __repr__(self) -> str:
        return f"Picture of {len(self.smiles)} molecules"

    def save(self, path: str | Path) -> None:
        """Write the drawing as .svg or .png.

        Raises:
            InputFileError: for another ending.
        """
        draw_grid(self.smiles, path, legends=self.legends, columns=self.columns)


def grid(smiles: Sequence[str], legends: Sequence[str] = (), *, columns: int = 5) -> Picture:
    """Draw molecules side by side, at most 100.

    >>> grid(["CCO", "c1ccccc1"])
    Picture of 2 molecules
    """
    if not len(smiles):
        raise InputError("got no molecules; expected at least 1")
    return Picture(smiles[:MOST], legends[:MOST], columns=columns)


class MoleculeFrame(pd.DataFrame):
    """A `DataFrame` with a column `smiles` that draws its molecules with `grid()`.

    A path is drawn as one strip, walks as one strip each, and reconstructions beside the molecules given.
    """

    @property
    def _constructor(self) -> Any:
        return MoleculeFrame

    def grid(self, n: int = 25, *, legend: Sequence[str] | None = None, columns: int | None = None) -> Picture:
        """Draw the first molecules.

        Args:
            n: how many rows, at most.
            legend: columns that are shown below each molecule; by default those that are usual for the kind of table.
            columns: molecules per row.

        Raises:
            InputError: when the table has no column `smiles`, no rows, or lacks a column of the legend.
        """
        missing = [name for name in ("smiles", *(legend or ())) if name not in self]
        if missing:
            raise InputError(
                f"the table has no column {missing[0]!r}; its columns: {', '.join(map(str, self.columns))}"
            )
        rows = self.head(min(n, MOST))
        if "reconstruction" in self and legend is None:
            pairs = zip(rows["smiles"], rows["reconstruction"], rows["tanimoto"], rows["exact"], strict=True)
            smiles, legends = [], []
            for given, rebuilt, similarity, exact in pairs:
                smiles += [given, rebuilt]
                legends += ["given", "exact" if exact else f"similarity {similarity:.2f}"]
            return grid(smiles, legends, columns=columns or 6)
        shown = [name for name in LEGENDS if name in self] if legend is None else list(legend)
        legends = [
            " ".join(_said(name, value) for name, value in zip(shown, row, strict=True)) for row in rows[shown].values
        ]
        if columns is None:
            columns = int((self["walk"] == self["walk"].iloc[0]).sum()) if "walk" in self else 5
            columns = len(rows) if "fraction" in self else columns
        return grid(rows["smiles"].tolist(), legends, columns=columns)


def _said(name: str, value: Any) -> str:
    text = f"{value:.2f}" if isinstance(value, float) else str(value)
    return text if name in ("status", "source", "fraction", "distance") else f"{name.replace('_', ' ')} {text}"
