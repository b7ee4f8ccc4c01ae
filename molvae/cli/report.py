"""`molvae report`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from molvae.cli.options import SEED, device_option, jobs_option, progress_for, quiet_option

if TYPE_CHECKING:
    from molvae.progress import Progress
    from molvae.report.page import Section

DRAWN = 500  # molecules whose means a model's report has


@click.command()
@click.argument("subject", metavar="SUBJECT")
@click.option("-o", "--output", required=True, metavar="FILE", help="The page, .html.")
@click.option(
    "--training",
    metavar="FILE_OR_FOLDER",
    help="Molecules to compare with, a file or a prepared folder; of a run: held-out molecules.  "
    "[default: of a run its own, of a shipped model the sample of ZINC]",
)
@click.option("--smiles-column", help="Column with the SMILES, if it is not called smiles.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Of what is drawn and shown.")
@jobs_option
@device_option
@quiet_option
def report(
    subject: str,
    output: str,
    training: str | None,
    smiles_column: str | None,
    seed: int,
    n_jobs: int,
    device: str,
    quiet: bool,
) -> None:
    """Write a page about a run or model, a file of molecules, or the record of an optimization.

    SUBJECT is a run's folder, a checkpoint or the name of a shipped model; a file of molecules; or the .calls.jsonl
    that `optimize` writes. The page is one HTML file that needs no network.
    """
    from molvae.cli.tables import read_input
    from molvae.errors import InputError, InputFileError
    from molvae.pretrained import model_names
    from molvae.report.page import check_page, write_report

    check_page(output)
    progress = progress_for(quiet)
    is_model = Path(subject).is_dir() or (subject in model_names() and not Path(subject).exists())
    if not is_model and not Path(subject).is_file():
        raise InputFileError(f"{subject} is no file, no run and no shipped model ({', '.join(model_names())})")
    if is_model:
        sections = _of_model(subject, training, smiles_column, seed, device, progress)
        what = "model"
    elif subject.endswith(".jsonl"):
        from molvae.optimize.record import read_record
        from molvae.report.of_search import search_sections

        sections, what = search_sections(*read_record(subject)), "optimization"
    else:
        from molvae.report.of_molecules import molecule_sections

        smiles = read_input(subject, split="train", smiles_column=smiles_column)
        if not smiles:
            raise InputError(f"{subject} holds no molecules")
        known = [s for s in read_input(training, split="train", smiles_column=None) if s] if training else []
        sections = molecule_sections(smiles, known, seed=seed, n_jobs=n_jobs, progress=progress)
        what = "molecules"
    write_report(f"{Path(subject).name}: {what}", f"molvae report {subject}", sections, output)


def _of_model(
    subject: str, training: str | None, smiles_column: str | None, seed: int, device: str, progress: "Progress"
) -> "list[Section]":
    import molvae
    from molvae.cli.tables import read_input
    from molvae.errors import InputError
    from molvae.report.of_run import run_sections
    from molvae.training.config import sample_folder
    from molvae.training.fit import METRICS

    own = Path(subject) / "data"
    path = training or str(own if own.is_dir() else sample_folder() / "zinc_sample.csv.gz")
    split = "valid" if Path(path).is_dir() else "test"
    held_out = [s for s in read_input(path, split=split, smiles_column=smiles_column) if s]
    if not held_out:
        raise InputError(f"{path} holds no molecules of the split {split!r}; name some with --training")
    vae = molvae.load(subject, device=device)
    drawn = vae.draw(DRAWN, seed=seed, progress=progress)
    return run_sections(vae, held_out, drawn, metrics=Path(subject) / METRICS, seed=seed, progress=progress)
