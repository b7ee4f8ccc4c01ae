"""`molvae interpolate`."""

import sys

import click

from molvae.cli.options import STEPS, console, device_option, keep_option, quiet_option, reader_option, table_option


@click.command()
@click.argument("start", metavar="[SMILES_A]", required=False)
@click.argument("end", metavar="[SMILES_B]", required=False)
@click.option(
    "--analogy",
    metavar="EXPRESSION",
    help="In place of a path, the molecules nearest to a sum: 'A - B + C' asks what is to C as A is to B.",
)
@reader_option
@table_option()
@click.option("--steps", type=STEPS, default=9, show_default=True, help="Molecules, both ends counted.")
@click.option(
    "--method",
    type=click.Choice(["linear", "spherical", "bridge"]),
    help="A line, a great circle, or the smoothest path through molecules.  [default: linear; bridge for codes]",
)
@keep_option
@click.option("--grid", metavar="FILE", help="Draw the path as .svg or .png.")
@device_option
@quiet_option
def interpolate(
    start: str | None,
    end: str | None,
    analogy: str | None,
    model_path: str,
    output: str,
    steps: int,
    method: str | None,
    keep: str | None,
    grid: str | None,
    device: str,
    quiet: bool,
) -> None:
    """Find a path between two molecules.

    All molecules on the path are sound (no peroxides, no radicals and the like); a step where none was found says so.
    With - for SMILES_A or SMILES_B that molecule is read from the next line of standard input.
    """
    if (start is None or end is None) == (analogy is None) or (start is not None and analogy is not None):
        raise click.UsageError("give either two molecules or --analogy")
    import molvae
    from molvae.cli.tables import described
    from molvae.formats.writers import check_output, write_table
    from molvae.report.grid import check_picture, draw_grid

    check_output(output)
    if grid:
        check_picture(grid)
    vae = molvae.load(model_path, device=device)
    if analogy is not None:
        sums = vae.arithmetic(analogy, n=steps)
        write_table(sums.join(described(sums["smiles"].tolist()).drop(columns="smiles")), output)
        if grid:
            draw_grid(sums["smiles"].tolist(), grid, legends=[f"nearness {value:.2f}" for value in sums["nearness"]])
        return
    path = vae.interpolate(_molecule(str(start)), _molecule(str(end)), steps=steps, method=method, keep=keep)  # type: ignore[arg-type]
    frame = path.join(described(path["smiles"].tolist()).drop(columns="smiles"))
    write_table(frame, output)
    if grid:
        legends = [
            f"{source} {fraction:.2f}" for source, fraction in zip(path["source"], path["fraction"], strict=True)
        ]
        draw_grid(path["smiles"].tolist(), grid, legends=legends, columns=len(path), blank="no sound molecule")
    n_none = int((path["source"] == "none").sum())
    if n_none:
        console(quiet).print(f"no sound molecule was found at {n_none} of {len(path)} steps")


def _molecule(text: str) -> str:
    return sys.stdin.readline().strip() if text == "-" else text
