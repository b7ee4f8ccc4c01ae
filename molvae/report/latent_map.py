"""A map of a latent space: a picture, and a page on which the structures appear under the pointer."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rdkit.Chem import rdDepictor

from molvae.chem.parse import parse_smiles
from molvae.documents import json_text
from molvae.errors import ConfigError, InputFileError, MissingExtraError
from molvae.files import atomic_path, check_writable, write_text
from molvae.report.drawing import rdkit_drawing

METHODS = ("pca", "umap")
PAGE_SIZE = (900, 640)  # pixels of the map on the page
PANEL = (220, 170)  # pixels of a structure
SVG_NOISE = re.compile(  # half of a drawing: what the page's style sheet sets already, or what nothing reads
    r"class='(?:bond|atom)-[^']*' |fill:none;fill-rule:evenodd;|;stroke-width:2.0px|;?stroke-linecap:butt;"
    r"stroke-linejoin:miter;(?:stroke-miterlimit:10;)?stroke-opacity:1;?"
    r"|font-style:normal;font-weight:normal;fill-opacity:1;stroke:none;font-family:sans-serif;|<!--.*?-->\s*"
)


def check_map(path: str | Path, *, method: str = "pca") -> None:
    """Raise before any work is done when the map could not be made after it.

    Raises:
        InputFileError: for another ending than .png, .svg, .pdf (a picture) or .html (a page), and where no file can be
            written.
        ConfigError: for an unknown method.
        MissingExtraError: when a package, or a library of the system, is not installed.
    """
    if Path(path).suffix.lower() not in (".png", ".svg", ".pdf", ".html"):
        raise InputFileError(f"cannot draw {path}; expected an ending of .png, .svg, .pdf or .html")
    check_writable(path)
    if method not in METHODS:
        raise ConfigError(f"unknown map {method!r}; expected one of: {', '.join(METHODS)}")
    if Path(path).suffix.lower() == ".html":
        rdkit_drawing()
    try:
        import jinja2  # noqa: F401
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise MissingExtraError.of(f"maps need the package {error.name}", "report") from error
    if method == "umap":
        _require_umap()


def project(z: np.ndarray, *, method: str = "pca", seed: int = 0) -> tuple[np.ndarray, tuple[str, str]]:
    """Two coordinates of latents `(n, Z)`, and what to call them.

    Args:
        z: the latents.
        method: "pca", or "umap" (McInnes et al. 2018), which needs the extra `umap`.
        seed: of UMAP.
    """
    if method == "umap":
        _require_umap()
        from umap import UMAP

        return UMAP(random_state=seed).fit_transform(z), ("UMAP 1", "UMAP 2")
    centered = z - z.mean(0)
    left, singular, _ = np.linalg.svd(centered, full_matrices=False)
    share = singular**2 / max(float((singular**2).sum()), 1e-12)
    labels = (f"PC 1 ({100 * share[0]:.1f} % of the variance)", f"PC 2 ({100 * share[1]:.1f} %)")
    return left[:, :2] * singular[:2], labels


def draw_map(
    points: np.ndarray, color: np.ndarray, path: str | Path, *, axes: tuple[str, str], color_name: str
) -> None:
    """Draw a map as a picture.

    Args:
        points: `(n, 2)`.
        color: `(n,)` numbers that color them.
        path: `.png`, `.svg` or `.pdf`.
        axes: labels.
        color_name: label of the colors.
    """
    from matplotlib.figure import Figure  # no pyplot: no global state, no display

    figure = Figure(figsize=(7, 5.6), layout="constrained")
    panel = figure.subplots()
    low, high = np.quantile(color, [0.01, 0.99])  # so that a few outliers do not take all the colors
    dots = panel.scatter(points[:, 0], points[:, 1], c=color, s=6, cmap="viridis", vmin=low, vmax=high, linewidths=0)
    panel.set_xlabel(axes[0])
    panel.set_ylabel(axes[1])
    panel.spines[["top", "right"]].set_visible(False)
    figure.colorbar(dots, label=color_name)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format=Path(path).suffix[1:].lower(), dpi=150)


def write_page(
    points: np.ndarray,
    color: np.ndarray,
    smiles: Sequence[str],
    path: str | Path,
    *,
    axes: tuple[str, str],
    color_name: str,
    title: str,
    summary: Sequence[tuple[str, str]] = (),
) -> None:
    """Write a map as one HTML file that needs no network; structures appear under the pointer.

    Args:
        points: `(n, 2)`.
        color: `(n,)` numbers that color them.
        smiles: the n molecules.
        path: `.html`.
        axes: labels.
        color_name: label of the colors.
        title: of the page.
        summary: names and values shown beside the map.
    """
    import jinja2

    environment = jinja2.Environment(autoescape=True, loader=jinja2.PackageLoader("molvae", "report"))
    values = map_values(points, color, smiles, axes=axes, color_name=color_name)
    write_text(path, environment.get_template("latent_map.html.j2").render(title=title, map=values, summary=summary))


def map_values(
    points: np.ndarray, color: np.ndarray, smiles: Sequence[str], *, axes: tuple[str, str], color_name: str
) -> dict[str, Any]:
    """What the template `latent_map.j2` needs; arguments as in `write_page`."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    low, high = np.quantile(color, [0.01, 0.99])
    scaled = np.clip((color - low) / (float(high - low) or 1.0), 0, 1)
    corner, span = points.min(0), np.maximum(np.ptp(points, axis=0), 1e-12)
    places = (points - corner) / span * (np.array(PAGE_SIZE) - 40) + 20
    molecules = [
        {
            "x": round(float(x), 1),
            "y": round(PAGE_SIZE[1] - float(y), 1),
            "color": to_hex(colormaps["viridis"](share)),
            "value": f"{value:.3g}",
            "smiles": text,
            "picture": structure_svg(text),
        }
        for (x, y), share, value, text in zip(places, scaled, color, smiles, strict=True)
    ]
    return {
        "axes": axes,
        "color_name": color_name,
        "molecules": molecules,
        "script_data": _for_script([{k: m[k] for k in ("smiles", "value", "picture")} for m in molecules]),
        "size": PAGE_SIZE,
    }


def structure_svg(smiles: str) -> str:
    """A molecule's drawing as an SVG element; "" when it does not parse."""
    mol = parse_smiles(smiles)
    if mol is None:
        return ""
    rdDepictor.Compute2DCoords(mol)
    canvas = rdkit_drawing().MolDraw2DSVG(*PANEL, -1, -1, True)  # letters as text, not as paths
    canvas.DrawMolecule(mol)
    canvas.FinishDrawing()
    text = SVG_NOISE.sub("", canvas.GetDrawingText())
    return text[text.index("<svg") :]


def _for_script(value: Any) -> str:
    """JSON that is safe inside a script element, and shorter than with every quote escaped."""
    return json_text(value, separators=(",", ":")).replace("</", "<\\/").replace("<!", "<\\u0021")


def _require_umap() -> None:
    try:
        import umap  # noqa: F401
    except ImportError as error:
        raise MissingExtraError.of("a UMAP needs the package umap-learn", "umap") from error
