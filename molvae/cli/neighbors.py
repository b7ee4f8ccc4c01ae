"""`molvae neighbors`."""

import click

from molvae.cli.options import device_option, quiet_option, reader_option, seed_option, table_option


@click.command()
@click.argument("smiles", metavar="SMILES")
@reader_option
@table_option()
@click.option("--walks", type=click.IntRange(1), default=5, show_default=True, help="Directions to walk in.")
@click.option("--steps", type=click.IntRange(2), default=7, show_default=True, help="Latents on a walk.")
@click.option(
    "--reach", type=click.FloatRange(0, min_open=True), default=1.0, show_default=True, help="Length, in prior draws."
)
@click.option("--grid", metavar="FILE", help="Draw the walks, one per row, as .svg or .png.")
@seed_option
@device_option
@quiet_option
def neighbors(
    smiles: str,
    model_path: str,
    output: str,
    walks: int,
    steps: int,
    reach: float,
    grid: str | None,
    seed: int | None,
    device: str,
    quiet: bool,
) -> None:
    """Walk through the latent around one molecule, in random directions."""
    import molvae
    from molvae.cli.tables import described
    from molvae.formats.writers import check_output, write_table
    from molvae.report.grid import check_picture, draw_grid

    check_output(output)
    if grid:
        check_picture(grid)
    vae = molvae.load(model_path, device=device)
    frame = vae.neighbors(smiles, walks=walks, steps=steps, reach=reach, seed=seed)
    write_table(frame.join(described(frame["smiles"].tolist()).drop(columns="smiles")), output)
    if grid:
        legends = [f"{row.distance:.2f}  similarity {row.tanimoto_to_start:.2f}" for row in frame.itertuples()]
        draw_grid(frame["smiles"].tolist(), grid, legends=legends, columns=steps)
