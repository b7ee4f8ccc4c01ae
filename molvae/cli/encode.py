"""`molvae encode`."""

import click

from molvae.cli.options import (
    JOBS,
    RANDOMIZED,
    SEED,
    batch_size_option,
    console,
    device_option,
    escape_option,
    input_options,
    progress_for,
    quiet_option,
    reader_option,
    seconds_option,
    table_option,
)


@click.command()
@input_options
@reader_option
@table_option()
@click.option(
    "--features",
    default="mean",
    show_default=True,
    metavar="KINDS",
    help="mean (the latent), logvar, hidden (the encoder's output), heads (predicted properties), codes (of a VQ "
    "latent), or several joined by +.",
)
@click.option(
    "--randomized-smiles",
    type=RANDOMIZED,
    default=0,
    show_default=True,
    help="Average over this many randomized SMILES of each molecule; 0: the canonical one.",
)
@click.option("--seed", type=SEED, default=0, show_default=True, help="Seed of the randomized SMILES.")
@click.option(
    "--jobs", "n_jobs", type=JOBS, default=-1, show_default=True, help="Processes that parse; -1: one per core."
)
@seconds_option
@escape_option
@batch_size_option
@device_option
@quiet_option
def encode(
    path: str,
    smiles_column: str | None,
    name_column: str | None,
    model_path: str,
    output: str,
    features: str,
    randomized_smiles: int,
    seed: int,
    n_jobs: int,
    seconds_per_molecule: float | None,
    escape_formulas: bool,
    batch_size: int,
    device: str,
    quiet: bool,
) -> None:
    """Encode molecules (- reads standard input) as features, by default the posterior means.

    The rows keep their order; one that cannot be used has empty features, and the column reason says why. An output
    ending in .npy holds the numbers alone. Memory does not grow with the size of the file.
    """
    from collections import Counter, deque
    from collections.abc import Iterator

    import pandas as pd

    import molvae
    from molvae.files import check_writable
    from molvae.formats.readers import InputRow, check_readable, count_rows, read_molecules
    from molvae.formats.spreadsheets import without_formulas
    from molvae.formats.writers import check_output, features_writer
    from molvae.inference.features import FeatureEncoder, count_reasons

    if output.lower().endswith(".npy"):
        check_writable(output)
    else:
        check_output(output)
    check_readable(path)
    encoder = FeatureEncoder(
        molvae.load(model_path, device=device),
        features,
        randomized_smiles=randomized_smiles,
        seed=seed,
        batch_size=batch_size,
    )
    waiting: deque[InputRow] = deque()  # read, and not yet encoded

    def smiles() -> Iterator[str | None]:
        for row in read_molecules(path, smiles_column=smiles_column, name_column=name_column):
            waiting.append(row)
            yield row.smiles

    n_rows, reasons = 0, Counter[str]()
    with (
        features_writer(output, encoder.names) as write,
        progress_for(quiet).stage("Encoding", total=count_rows(path)) as stage,
    ):
        for part in encoder.stream(smiles(), n_jobs=n_jobs, seconds_per_molecule=seconds_per_molecule):
            rows = [waiting.popleft() for _ in part.reasons]
            frame = pd.DataFrame(
                {
                    "row": [row.row for row in rows],
                    "name": [row.name or "" for row in rows],
                    "smiles": [row.smiles or "" for row in rows],
                    "reason": [row.reason or why or "" for row, why in zip(rows, part.reasons, strict=True)],
                }
            )
            write(part.values, without_formulas(frame) if escape_formulas else frame)
            stage.advance(len(rows))
            n_rows += len(rows)
            reasons.update(count_reasons(frame["reason"]))
    screen = console(quiet)
    screen.print(f"{n_rows - reasons.total():,} of {n_rows:,} molecules encoded")
    for reason, n in reasons.most_common():
        screen.print(f"  {reason}: {n:,}")
