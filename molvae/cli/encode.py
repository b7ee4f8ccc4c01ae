"""`molvae encode`."""

from typing import Any

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
    line_option,
    part_options,
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
@line_option
@escape_option
@part_options("rows", "each file")
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
    max_line: int,
    escape_formulas: bool,
    shard_rows: int | None,
    cluster: str | None,
    batch_size: int,
    device: str,
    quiet: bool,
) -> None:
    """Encode molecules (- reads standard input) as features, by default the posterior means.

    The rows keep their order; one that cannot be used has empty features, and the column reason says why. An output
    ending in .npy holds the numbers alone. Memory does not grow with the size of the file.

    With --shard-rows or --cluster, INPUT may be a folder of files, and FILE becomes a Parquet data set with one file
    for each part. The same command goes on with what is missing there.
    """
    import molvae
    from molvae.files import check_writable
    from molvae.formats.readers import check_readable, count_rows, read_molecules
    from molvae.formats.writers import check_output, features_writer
    from molvae.inference.features import FeatureEncoder
    from molvae.inference.parts import encode_parts, encode_rows_to

    screen = console(quiet)
    reading: dict[str, Any] = {"smiles_column": smiles_column, "name_column": name_column}
    how: dict[str, Any] = {"features": features, "randomized_smiles": randomized_smiles, "seed": seed}
    how["batch_size"] = batch_size
    if shard_rows is not None or cluster is not None:
        if escape_formulas:
            raise click.UsageError("--escape-formulas is for spreadsheets, which do not open Parquet; leave it out")
        n_rows, reasons = encode_parts(
            model_path,
            [path],
            output,
            shard_rows=shard_rows,
            cluster=cluster,
            device=device,
            seconds_per_molecule=seconds_per_molecule,
            progress=progress_for(quiet),
            **reading,
            **how,
        )
    else:
        if output.lower().endswith(".npy"):
            check_writable(output)
        else:
            check_output(output)
        check_readable(path)
        encoder = FeatureEncoder(molvae.load(model_path, device=device), **how)
        with (
            features_writer(output, encoder.names) as write,
            progress_for(quiet).stage("Encoding", total=count_rows(path)) as stage,
        ):
            n_rows, reasons = encode_rows_to(
                write,
                encoder,
                read_molecules(path, **reading, max_line=max_line),
                n_jobs=n_jobs,
                seconds_per_molecule=seconds_per_molecule,
                escape_formulas=escape_formulas,
                advance=stage.advance,
            )
    screen.print(f"{n_rows - reasons.total():,} of {n_rows:,} molecules encoded")
    for reason, n in reasons.most_common():
        screen.print(f"  {reason}: {n:,}")
