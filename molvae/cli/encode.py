"""`molvae encode`."""

import click

from molvae.cli.options import (
    batch_size_option,
    console,
    device_option,
    input_options,
    model_option,
    progress_for,
    quiet_option,
    table_option,
)


@click.command()
@input_options
@model_option
@table_option()
@batch_size_option
@device_option
@quiet_option
def encode(
    path: str,
    smiles_column: str | None,
    name_column: str | None,
    model_path: str,
    output: str,
    batch_size: int,
    device: str,
    quiet: bool,
) -> None:
    """Posterior means of molecules (- reads standard input), in the order of the rows.

    A row that cannot be used keeps its place: its latents are empty and the column reason says why. An output
    ending in .npy holds the numbers alone.
    """
    import molvae
    from molvae.cli.tables import read_smiles
    from molvae.data.writers import check_output, write_latents

    if not output.endswith(".npy"):
        check_output(output)
    vae = molvae.load(model_path, device=device)
    frame = read_smiles(path, smiles_column=smiles_column, name_column=name_column)
    encoded = vae.encode_rows(frame["smiles"].tolist(), batch_size=batch_size, progress=progress_for(quiet))
    frame["reason"] = [a or b or "" for a, b in zip(frame["reason"], encoded.reasons, strict=True)]
    frame["smiles"] = frame["smiles"].fillna("")
    write_latents(encoded.z, frame, output)
    console(quiet).print(f"{int(encoded.valid.sum()):,} of {len(frame):,} molecules encoded")
