"""Molecules drawn side by side, as SVG or PNG; RDKit's own drawing, no extra needed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rdkit.Chem import rdDepictor
from rdkit.Chem.Draw import rdMolDraw2D

from molvae.chem.parse import parse_smiles
from molvae.errors import InputFileError
from molvae.files import atomic_path

PANEL = (260, 220)  # pixels


def check_picture(path: str | Path) -> None:
    """Raise `InputFileError` for an ending that cannot be drawn."""
    if Path(path).suffix.lower() not in (".svg", ".png"):
        raise InputFileError(f"cannot draw {path}; expected an ending of .svg or .png")


def draw_grid(smiles: Sequence[str], path: str | Path, *, legends: Sequence[str] = (), columns: int = 5) -> None:
    """Draw molecules in rows; those that do not parse are left out.

    Args:
        smiles: the molecules.
        path: `.svg` or `.png`.
        legends: a line under each.
        columns: molecules per row.

    Raises:
        InputFileError: for another ending, and when there is nothing to draw.
    """
    check_picture(path)
    labels = list(legends) or [""] * len(smiles)
    drawn = [(mol, label) for s, label in zip(smiles, labels, strict=True) if (mol := parse_smiles(s)) is not None]
    if not drawn:
        raise InputFileError(f"nothing to draw in {path}: none of {len(smiles)} molecules parses")
    mols = [mol for mol, _ in drawn]
    for mol in mols:
        rdDepictor.Compute2DCoords(mol)
    columns = min(columns, len(mols))
    rows = -(-len(mols) // columns)
    kind = rdMolDraw2D.MolDraw2DSVG if Path(path).suffix.lower() == ".svg" else rdMolDraw2D.MolDraw2DCairo
    canvas = kind(columns * PANEL[0], rows * PANEL[1], *PANEL)
    options: Any = canvas.drawOptions()
    options.legendFontSize = 15
    options.padding = 0.05
    options.drawMolsSameScale = False
    canvas.DrawMolecules(mols, legends=[label for _, label in drawn])
    canvas.FinishDrawing()
    text = canvas.GetDrawingText()
    with atomic_path(path) as temporary:
        temporary.write_bytes(text.encode() if isinstance(text, str) else text)
