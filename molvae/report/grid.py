"""Molecules drawn side by side, as SVG or PNG; RDKit draws them, so no extra is needed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rdkit import Chem
from rdkit.Chem import rdDepictor
from rdkit.Geometry import Point2D

from molvae.chem.parse import parse_smiles
from molvae.errors import InputFileError
from molvae.files import atomic_path, check_writable
from molvae.report.drawing import rdkit_drawing

PANEL = (260, 220)  # pixels
INSET = 12  # pixels between the edge of a panel and the frame of an empty one
LEGEND = 15  # font size in pixels
GRAY, BLACK = (0.6, 0.6, 0.6), (0.0, 0.0, 0.0)


def check_picture(path: str | Path) -> None:
    """Raise before any work is done when the picture could not be made after it.

    Raises:
        InputFileError: for another ending than .svg and .png, and where no file can be written.
        MissingExtraError: when a library of the system is not installed.
    """
    rdkit_drawing()
    if Path(path).suffix.lower() not in (".svg", ".png"):
        raise InputFileError(f"cannot draw {path}; expected an ending of .svg or .png")
    check_writable(path)


def draw_grid(
    smiles: Sequence[str],
    path: str | Path,
    *,
    legends: Sequence[str] = (),
    columns: int = 5,
    blank: str = "no molecule",
) -> None:
    """Draw molecules in rows, each in its place; where there is none, an empty frame says so.

    Args:
        smiles: the molecules.
        path: `.svg` or `.png`.
        legends: a line under each.
        columns: molecules per row.
        blank: what an empty frame says.

    Raises:
        InputFileError: for another ending, and when there is nothing to draw.
    """
    check_picture(path)
    if not any(parse_smiles(text) for text in smiles):
        raise InputFileError(f"nothing to draw in {path}: none of {len(smiles)} molecules parses")
    kind = rdkit_drawing().MolDraw2DSVG if Path(path).suffix.lower() == ".svg" else rdkit_drawing().MolDraw2DCairo
    content = _drawn(kind, smiles, legends, columns, blank)
    with atomic_path(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


def grid_svg(
    smiles: Sequence[str], *, legends: Sequence[str] = (), columns: int = 5, blank: str = "no molecule"
) -> str:
    """The same as an SVG document; arguments as in `draw_grid`."""
    return _drawn(rdkit_drawing().MolDraw2DSVG, smiles, legends, columns, blank)


def _drawn(kind: Any, smiles: Sequence[str], legends: Sequence[str], columns: int, blank: str) -> Any:
    labels = list(legends) or [""] * len(smiles)
    mols = [parse_smiles(text) for text in smiles]
    columns = min(columns, len(mols))
    rows = -(-len(mols) // columns)
    canvas = kind(columns * PANEL[0], rows * PANEL[1], *PANEL)
    options: Any = canvas.drawOptions()
    options.legendFontSize = LEGEND
    options.padding = 0.05
    options.drawMolsSameScale = False
    for mol in filter(None, mols):
        rdDepictor.Compute2DCoords(mol)
    canvas.DrawMolecules([mol or Chem.Mol() for mol in mols], legends=labels)
    for place in (i for i, mol in enumerate(mols) if mol is None):
        _draw_frame(canvas, place % columns * PANEL[0], place // columns * PANEL[1], blank, labels[place])
    canvas.FinishDrawing()
    return canvas.GetDrawingText()


def _draw_frame(canvas: Any, left: int, top: int, text: str, legend: str) -> None:
    canvas.SetOffset(0, 0)
    canvas.SetFillPolys(False)
    canvas.SetFontSize(LEGEND)
    canvas.SetColour(GRAY)
    width, height = PANEL
    canvas.DrawRect(
        Point2D(left + INSET, top + INSET), Point2D(left + width - INSET, top + height - 3 * INSET), rawCoords=True
    )
    canvas.DrawString(text, Point2D(left + width / 2, top + height / 2 - INSET), rawCoords=True)
    if legend:
        canvas.SetColour(BLACK)
        canvas.DrawString(legend, Point2D(left + width / 2, top + height - 1.5 * INSET), rawCoords=True)
