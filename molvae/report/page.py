"""Reports as one HTML file without links to anything else: sections of facts, curves, molecules and a map."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from molvae.errors import InputFileError, MissingExtraError
from molvae.files import check_writable, write_text
from molvae.report.drawing import rdkit_drawing
from molvae.report.latent_map import structure_svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Card:
    """A molecule with a line or two below it; where there is no molecule, the card says `blank`."""

    smiles: str
    legend: str = ""
    blank: str = "no molecule"

    @property
    def picture(self) -> str:
        """An SVG element, "" where the SMILES does not parse."""
        return structure_svg(self.smiles) if self.smiles else ""


@dataclass(frozen=True)
class Section:
    """A part of a report, whose filled fields are shown in this order.

    Attributes:
        title: the heading.
        note: what a reader should know.
        facts: names and values.
        figures: curves and the like, as SVG; see `figure_svg`.
        rows: rows of molecules.
        header: of the table.
        table: rows of text.
        latent_map: what `map_values` gives.
    """

    title: str
    note: str = ""
    facts: Sequence[tuple[str, str]] = ()
    figures: Sequence[str] = ()
    rows: Sequence[Sequence[Card]] = ()
    header: Sequence[str] = ()
    table: Sequence[Sequence[str]] = ()
    latent_map: Mapping[str, Any] | None = field(default=None, repr=False)


def check_page(path: str | Path) -> None:
    """Raise before any work is done when the report could not be written after it.

    Raises:
        InputFileError: for another ending than .html, and where no file can be written.
        MissingExtraError: when a package, or a library of the system, is not installed.
    """
    if Path(path).suffix.lower() != ".html":
        raise InputFileError(f"cannot write {path}; expected an ending of .html")
    try:
        import jinja2  # noqa: F401
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise MissingExtraError.of(f"reports need the package {error.name}", "report") from error
    rdkit_drawing()
    check_writable(path)


def write_report(title: str, subtitle: str, sections: Sequence[Section], path: str | Path) -> None:
    """Write a report.

    Args:
        title: of the page.
        subtitle: the line below it.
        sections: in their order.
        path: `.html`.

    Raises:
        InputFileError: see `check_page`.
    """
    check_page(path)
    import jinja2

    environment = jinja2.Environment(autoescape=True, loader=jinja2.PackageLoader("molvae", "report"))
    text = environment.get_template("report.html.j2").render(title=title, subtitle=subtitle, sections=sections)
    write_text(path, text)


def new_figure(width: float = 5.6, height: float = 3.2) -> "Figure":
    """An empty figure with room for labels."""
    from matplotlib.figure import Figure  # no pyplot: no global state, no display

    return Figure(figsize=(width, height), layout="constrained")


def figure_svg(figure: "Figure") -> str:
    """A figure as an SVG element with letters as text; the same figure gives the same text."""
    import matplotlib as mpl

    buffer = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "molvae", "font.family": "sans-serif"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]
