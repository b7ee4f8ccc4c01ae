"""`molvae neighbors`."""

import click

from molvae.cli.options import (
    STEPS,
    Setting,
    condition_options,
    console,
    device_option,
    keep_option,
    quiet_option,
    read_conditions,
    read_range,
    reader_option,
    seed_option,
    table_option,
)
from molvae.config import Reach, Walks


@click.command()
@click.argument("smiles", metavar="SMILES")
@reader_option
@table_option()
@click.option("--walks", type=Setting(Walks, "integer"), default=5, show_default=True, help="How many walks.")
@click.option("--steps", type=STEPS, default=7, show_default=True, help="Molecules per walk, the start counted.")
@click.option(
    "--reach",
    type=Setting(Reach),
    default=1.0,
    show_default=True,
    help="Length of a walk; 1 is about the spread of the prior, or with codes a fall in similarity by 0.75.",
)
@click.option(
    "--similarity",
    metavar="LOW:HIGH",
    help="Only molecules whose similarity to the start (ECFP4 Tanimoto) is in this range, such as 0.4:0.7.",
)
@keep_option
@click.option("--grid", metavar="FILE", help="Draw the walks, one per row, as .svg or .png.")
@condition_options
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
    similarity: str | None,
    keep: str | None,
    grid: str | None,
    conditions: tuple[str, ...],
    guidance: float,
    seed: int | None,
    device: str,
    quiet: bool,
) -> None:
    """Walk away from one molecule to less and less similar ones, all sound and, where possible, different.

    The column status says what a step is: start, new, copy (seen before) or none (no sound molecule was found).
    """
    import molvae
    from molvae.cli.tables import described, neighbors_summary
    from molvae.formats.writers import check_output, write_table
    from molvae.report.grid import check_picture, draw_grid

    check_output(output)
    if grid:
        check_picture(grid)
    condition = read_conditions(conditions)
    within = None if similarity is None else read_range(similarity, "--similarity")
    vae = molvae.load(model_path, device=device)
    frame = vae.neighbors(
        smiles,
        walks=walks,
        steps=steps,
        reach=reach,
        similarity=within,
        keep=keep,
        condition=condition,
        guidance=guidance,
        seed=seed,
    )
    write_table(frame.join(described(frame["smiles"].tolist()).drop(columns="smiles")), output)
    if grid:
        legends = [
            f"{row.status}  {row.distance:.2f}" + (f"  similarity {row.tanimoto_to_start:.2f}" if row.smiles else "")
            for row in frame.itertuples()
        ]
        draw_grid(frame["smiles"].tolist(), grid, legends=legends, columns=steps, blank="no sound molecule")
    console(quiet).print(neighbors_summary(frame))
