"""`molvae diagnose`."""

from typing import TYPE_CHECKING, Annotated

import click
from pydantic import Field

from molvae.cli.options import SEED, Setting, console, device_option, jobs_option, progress_for, quiet_option

if TYPE_CHECKING:
    from rich.table import Table

    from molvae.evaluation.geometry import LatentGeometry

ON_PAGE = 1000  # structures on a page; a browser shows this many without delay


ENOUGH = Setting(Annotated[int, Field(ge=20, le=1_000_000_000)], "integer")


@click.command()
@click.argument("model_path", metavar="MODEL")
@click.argument("path", metavar="INPUT")
@click.option("--smiles-column", help="Column with the SMILES, if it is not called smiles.")
@click.option("--split", default="test", show_default=True, help="Split to read of a prepared folder given as INPUT.")
@click.option(
    "-n",
    "n",
    type=ENOUGH,
    default=5000,
    show_default=True,
    help="Molecules, drawn at random.",
)
@click.option("--seed", type=SEED, default=0, show_default=True, help="Seed of that draw.")
@click.option(
    "--descriptors",
    default="wide",
    show_default=True,
    help="Descriptors or sets of them (basic, wide, full), comma-separated.",
)
@click.option("-o", "--output", metavar="FILE", help=".json; - is standard output.  [default: a table]")
@click.option("--map", "map_path", metavar="FILE", help="Draw a map of the latents, as .png, .svg or .pdf.")
@click.option("--page", metavar="FILE", help="Draw it as .html, with structures under the pointer.")
@click.option(
    "--method", type=click.Choice(["pca", "umap"]), default="pca", show_default=True, help="Projection of the map."
)
@click.option("--color", default="logp", show_default=True, help="Descriptor that colors the map.")
@jobs_option
@device_option
@quiet_option
def diagnose(
    model_path: str,
    path: str,
    smiles_column: str | None,
    split: str,
    n: int,
    seed: int,
    descriptors: str,
    output: str | None,
    map_path: str | None,
    page: str | None,
    method: str,
    color: str,
    n_jobs: int,
    device: str,
    quiet: bool,
) -> None:
    """Measure the geometry of a model's latent space on molecules (a file, - or a prepared folder).

    Reported are how well latent distances follow Tanimoto distances, how much of each descriptor a linear probe reads
    from z, how separately the dimensions carry descriptors (MIG, SAP) and how many are active. A map is optional.
    """
    import numpy as np
    from rich.console import Console

    import molvae
    from molvae.chem.descriptors import descriptor_names
    from molvae.cli.tables import read_input
    from molvae.documents import json_text
    from molvae.errors import InputFileError
    from molvae.evaluation.geometry import latent_geometry, measure_molecules
    from molvae.files import check_writable, is_stream, write_json
    from molvae.report.latent_map import check_map, draw_map, project, write_page

    if output not in (None, "-"):
        if not output.lower().endswith(".json") and not is_stream(output):
            raise InputFileError(f"cannot write {output}; expected an ending of .json")
        check_writable(output)
    for file, endings in ((map_path, (".png", ".svg", ".pdf")), (page, (".html",))):
        if file and not file.lower().endswith(endings):
            raise InputFileError(f"cannot draw {file}; expected an ending of {', '.join(endings)}")
        if file:
            check_map(file, method=method)
    names = descriptor_names(tuple(descriptors.split(",")))
    wanted = names if color in names or not (map_path or page) else (*names, *descriptor_names((color,)))
    smiles = read_input(path, split=split, smiles_column=smiles_column)
    vae = molvae.load(model_path, device=device)
    drawn = [smiles[i] for i in np.sort(np.random.default_rng(seed).permutation(len(smiles))[:n])]
    molecules = measure_molecules(vae, drawn, descriptor_set=wanted, n_jobs=n_jobs, progress=progress_for(quiet))
    geometry = latent_geometry(vae, molecules)
    if map_path or page:
        points, axes = project(molecules.z, method=method, seed=seed)
        values = molecules.descriptors[:, molecules.names.index(color)]
        if map_path:
            draw_map(points, values, map_path, axes=axes, color_name=color)
        if page:
            write_page(
                points[:ON_PAGE],
                values[:ON_PAGE],
                molecules.smiles[:ON_PAGE],
                page,
                axes=axes,
                color_name=color,
                title=f"Latent space of {model_path}",
                summary=_rows(geometry),
            )
    screen = Console(highlight=False, markup=False) if output is None else console(quiet)
    screen.print(_table(geometry))
    if output == "-":
        click.echo(json_text(geometry.to_json(), indent=2))
    elif output is not None:
        write_json(output, geometry.to_json())


def _rows(geometry: "LatentGeometry") -> list[tuple[str, str]]:
    from molvae.evaluation.geometry import mean_of

    rows = [
        ("molecules", f"{geometry.n_molecules:,}"),
        ("left out", f"{geometry.n_unusable:,}"),
        ("active units", f"{geometry.active_units} of {geometry.latent_units}"),
        ("mutual information, nats", f"{geometry.mutual_information:.2f}"),
        ("Spearman, latent with Tanimoto distance", f"{geometry.tanimoto_correlation:.3f}"),
    ]
    for name, values in (("linear probe R²", geometry.probe_r2), ("MIG", geometry.mig), ("SAP", geometry.sap)):
        mean = mean_of(values)
        rows.append((f"{name}, mean", "–" if mean is None else f"{mean:.3f}"))
    return rows


def _table(geometry: "LatentGeometry") -> "Table":
    from rich.table import Table

    table = Table("latent space", "", "", "", title_justify="left")
    for column in table.columns[1:]:
        column.justify = "right"
    for name, value in _rows(geometry):
        table.add_row(name, value)
    table.add_section()
    table.add_row("descriptor", "probe R²", "MIG", "SAP", style="bold")
    for name in geometry.probe_r2:
        numbers = (geometry.probe_r2[name], geometry.mig[name], geometry.sap[name])
        table.add_row(name, *("–" if v != v else f"{v:.3f}" for v in numbers))
    return table
