"""`molvae evaluate`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from molvae.cli.options import (
    COUNT,
    console,
    jobs_option,
    line_option,
    progress_for,
    quiet_option,
    seconds_option,
)

if TYPE_CHECKING:
    import pandas as pd

    from molvae.progress import Progress
    from molvae.scoring.suite import MetricTable

REFERENCE_FOLDER = "data/moses"  # where `molvae data download moses` writes
FILES = {"test": "test.csv.gz", "test_scaffolds": "test_scaffolds.csv.gz", "train": "train.csv.gz"}
ENDINGS = (".json", ".csv")


@click.command()
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option("-n", "n", type=COUNT, default=30_000, show_default=True, help="Molecules that a model draws per seed.")
@click.option("--seeds", default="0,1,2", show_default=True, help="Seeds of a model's draws; each gives one list.")
@click.option("--smiles-column", help="Column with the SMILES, if it is not called smiles.")
@click.option(
    "--references",
    metavar="DIR",
    help=f"Folder of test, test_scaffolds and train files.  [default: {REFERENCE_FOLDER}, unless a file is given]",
)
@click.option("--test", metavar="FILE", help="Reference molecules.")
@click.option("--test-scaffolds", metavar="FILE", help="Reference molecules whose scaffolds were not trained on.")
@click.option("--train", metavar="FILE", help="Training molecules, for Novelty.")
@click.option("-o", "--output", metavar="FILE", help=".json or .csv; - is JSON on stdout.  [default: a table]")
@click.option("--plot", metavar="FILE", help="Draw the properties beside the reference, as .png, .svg or .pdf.")
@click.option("--fcd/--no-fcd", default=None, help="Fréchet ChemNet distance.  [default: if it is installed]")
@click.option("--cache", metavar="DIR", help="Folder for statistics of references.  [default: the user's cache]")
@click.option("--no-cache", is_flag=True, help="Neither read nor write that cache.")
@seconds_option
@line_option
@click.option("--cluster", metavar="ADDRESS", help="Describe and compare on this Dask cluster, e.g. tcp://host:8786.")
@jobs_option
@click.option("--device", default="auto", show_default=True, help="For models and ChemNet: auto, cpu, cuda or cuda:N.")
@quiet_option
def evaluate(
    inputs: tuple[str, ...],
    n: int,
    seeds: str,
    smiles_column: str | None,
    references: str | None,
    test: str | None,
    test_scaffolds: str | None,
    train: str | None,
    output: str | None,
    plot: str | None,
    fcd: bool | None,
    cache: str | None,
    no_cache: bool,
    seconds_per_molecule: float | None,
    max_line: int,
    cluster: str | None,
    n_jobs: int,
    device: str,
    quiet: bool,
) -> None:
    """Compute published metrics of generated molecules, from any generator.

    The metrics are those of MOSES (Polykovskiy et al. 2020) and GuacaMol (Brown et al. 2019). INPUT is a file of
    SMILES, or a folder of Parquet files, as they were generated, invalid ones and duplicates included; or a trained
    model's directory or a shipped model's name, which draws its molecules itself and is also evaluated on the
    reference: reconstruction, bounds on the likelihood, active units and heads. Several lists, for example one per
    seed, get one column each, and their mean. Statistics of the references are computed once and cached.
    """
    from dataclasses import replace

    from molvae.cluster import joblib_on
    from molvae.device import resolve_device
    from molvae.errors import InputFileError
    from molvae.files import check_writable, is_stream
    from molvae.formats.readers import is_data_set
    from molvae.pretrained import model_names
    from molvae.report.distributions import check_plot, plot_distributions
    from molvae.scoring.fcd import fcd_available, require_fcd
    from molvae.scoring.molecules import PROPERTIES, describe_molecules
    from molvae.scoring.reference import known_molecules, reference_statistics
    from molvae.scoring.suite import compare, evaluate_described

    if output not in (None, "-"):
        if Path(output).suffix.lower() not in ENDINGS and not is_stream(output):
            raise InputFileError(f"cannot write {output}; expected an ending of {' or '.join(ENDINGS)}")
        check_writable(output)
    drawn_with = _seeds(seeds)
    if plot:
        check_plot(plot)
    if fcd:
        require_fcd()
    with_fcd = fcd_available() if fcd is None else fcd
    paths = _reference_paths(references, test=test, test_scaffolds=test_scaffolds, train=train)
    if plot and "test" not in paths:
        raise click.UsageError("--plot draws beside the reference: give --test FILE or --references DIR")
    progress = progress_for(quiet)
    cache_folder = None if no_cache else Path(cache) if cache else _user_cache()
    chosen = None if device == "auto" else str(resolve_device(device))

    lists: dict[str, list[str | None]] = {}
    of_models: dict[str, dict[str, float]] = {}
    for label, path in _labels(inputs).items():
        if (Path(path).is_dir() and not is_data_set(path)) or path in model_names():
            drawn = _drawn(label, path, n, drawn_with, device, progress)
            lists |= drawn
            if "test" in paths:
                of_models |= dict.fromkeys(drawn, _of_model(path, paths["test"], device, progress))
        else:
            lists[label] = _read(
                path, smiles_column, blank_lines=True, max_line=max_line
            )  # a blank line is an invalid molecule

    with joblib_on(cluster):
        statistics = {
            name: reference_statistics(
                [s for s in _read(paths[name], None) if s],
                name=label,
                fcd=with_fcd,
                cache=cache_folder,
                n_jobs=n_jobs,
                device=chosen,
                progress=progress,
            )
            for name, label in (("test", "Test"), ("test_scaffolds", "TestSF"))
            if name in paths
        }
        known = None
        if "train" in paths:
            training = [s for s in _read(paths["train"], None) if s]
            known = known_molecules(training, cache=cache_folder, n_jobs=n_jobs, progress=progress)
        described = {
            label: describe_molecules(smiles, seconds=seconds_per_molecule, n_jobs=n_jobs, progress=progress)
            for label, smiles in lists.items()
        }
        tables = {
            label: evaluate_described(
                molecules, **statistics, known=known, n_jobs=n_jobs, device=chosen, progress=progress
            )
            for label, molecules in described.items()
        }
    for label, figures in of_models.items():
        tables[label] = replace(tables[label], metrics={**tables[label].metrics, **figures})
    if plot:
        values = {label: dict(zip(PROPERTIES, m.properties.T, strict=True)) for label, m in described.items()}
        reference = dict(zip(PROPERTIES, statistics["test"].properties.T, strict=True))
        plot_distributions(values, reference, plot, reference_name="Test")
    _show(tables, compare(tables), output, quiet)


def _seeds(text: str) -> list[int]:
    from molvae.config import Seed, checked
    from molvae.errors import ConfigError

    try:
        return list(dict.fromkeys(checked(Seed, part, "seed") for part in text.split(",")))
    except ConfigError as error:
        raise click.BadParameter(f"{error}; expected whole numbers such as 0,1,2", param_hint="--seeds") from error


def _drawn(
    label: str, path: str, n: int, seeds: Sequence[int], device: str, progress: "Progress"
) -> dict[str, list[str | None]]:
    """What a model draws from its prior, one list per seed; draws that are no molecule count as invalid."""
    import molvae

    vae = molvae.load(path, device=device)
    lists: dict[str, list[str | None]] = {}
    for seed in seeds:
        drawn = vae.draw(n, seed=seed, progress=progress)
        lists[f"{label} seed {seed}"] = [*drawn.smiles, *[None] * drawn.n_invalid]
    return lists


def _of_model(path: str, test: str, device: str, progress: "Progress") -> dict[str, float]:
    """Reconstruction, bounds, latent use and heads of a model, on the reference molecules."""
    import molvae
    from molvae.evaluation.model_metrics import model_metrics

    return model_metrics(molvae.load(path, device=device), [s for s in _read(test, None) if s], progress=progress)


def _read(path: str, smiles_column: str | None, *, blank_lines: bool = False, **how: Any) -> list[str | None]:
    from molvae.formats.readers import read_molecules

    rows = read_molecules(path, smiles_column=smiles_column, blank_lines=blank_lines, **how)
    return [row.smiles for row in rows]


def _labels(inputs: Sequence[str]) -> dict[str, str]:
    """A short name for each input: the file's name when they differ, else the whole path."""
    names = [Path(path).name for path in inputs]
    labels = names if len(set(names)) == len(names) else list(inputs)
    if len(set(labels)) < len(labels):
        raise click.UsageError("the same INPUT is given twice")
    return dict(zip(labels, inputs, strict=True))


def _reference_paths(references: str | None, **given: str | None) -> dict[str, str]:
    """The files to compare with: those given, and those of the folder for the others."""
    from molvae.errors import InputFileError

    paths = {name: path for name, path in given.items() if path is not None}
    if paths and references is None:
        return paths
    folder = Path(references or REFERENCE_FOLDER)
    found = {name: str(folder / file) for name, file in FILES.items() if (folder / file).is_file()}
    if not found:
        raise InputFileError(
            f"{folder} holds none of {', '.join(FILES.values())}; run `molvae data download moses`, or name reference "
            "molecules with --test FILE"
        )
    return found | paths


def _user_cache() -> Path:
    return Path(click.get_app_dir("molvae")) / "references"


def _show(tables: "Mapping[str, MetricTable]", frame: "pd.DataFrame", output: str | None, quiet: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    from molvae.files import write_text

    screen = Console(highlight=False, markup=False) if output is None else console(quiet)
    shown = Table(*frame.columns)
    for column in shown.columns[1:]:
        column.justify = "right"
    for name, *values in frame.itertuples(index=False):
        shown.add_row(name, *("–" if value != value else f"{value:.4f}" for value in values))
    screen.print(shown)
    for label, table in tables.items():
        for note in table.notes:
            console(quiet).print(f"{label}: {note}")
    if output is None:
        return
    text = frame.to_csv(index=False, lineterminator="\n") if output.lower().endswith(".csv") else _json(tables)
    if output == "-":
        click.echo(text, nl=False)
        return
    write_text(output, text)


def _json(tables: "Mapping[str, MetricTable]") -> str:
    import json

    return json.dumps({label: json.loads(table.to_json()) for label, table in tables.items()}, indent=2) + "\n"
