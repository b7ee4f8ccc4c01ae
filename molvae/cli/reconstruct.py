"""`molvae reconstruct`."""

import click

from molvae.cli.options import (
    COUNT,
    batch_size_option,
    console,
    device_option,
    escape_option,
    input_options,
    progress_for,
    quiet_option,
    reader_option,
    table_option,
)


@click.command()
@input_options
@reader_option
@table_option()
@click.option("--split", help="Split to read of a prepared folder given as INPUT.", default="test", show_default=True)
@click.option("-n", "limit", type=COUNT, help="Only the first N rows.")
@escape_option
@batch_size_option
@device_option
@quiet_option
def reconstruct(
    path: str,
    smiles_column: str | None,
    name_column: str | None,
    model_path: str,
    output: str,
    split: str,
    limit: int | None,
    escape_formulas: bool,
    batch_size: int,
    device: str,
    quiet: bool,
) -> None:
    """Encode molecules and decode their posterior means greedily; INPUT is a file, - or a prepared folder."""
    import molvae
    from molvae.cli.tables import read_rows, reconstruction_summary
    from molvae.formats.spreadsheets import without_formulas
    from molvae.formats.writers import check_output, write_table

    check_output(output)
    rows = read_rows(path, split=split, smiles_column=smiles_column, name_column=name_column)[:limit]
    vae = molvae.load(model_path, device=device)
    frame = vae.reconstruct([row.smiles for row in rows], batch_size=batch_size, progress=progress_for(quiet))
    frame["reason"] = [row.reason or why for row, why in zip(rows, frame["reason"], strict=True)]
    if any(row.name for row in rows):
        frame.insert(0, "name", [row.name or "" for row in rows])
    write_table(without_formulas(frame) if escape_formulas else frame, output)
    console(quiet).print(reconstruction_summary(frame))
