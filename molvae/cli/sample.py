"""`molvae sample`."""

from typing import Any

import click

from molvae.cli.options import (
    COUNT,
    TEMPERATURE,
    Setting,
    batch_size_option,
    condition_options,
    console,
    decoding_options,
    device_option,
    jobs_option,
    keep_option,
    model_option,
    part_options,
    progress_for,
    quiet_option,
    read_conditions,
    seed_option,
    stereo_options,
    table_option,
)
from molvae.config import Share

GRID_MOLECULES = 25


@click.command()
@model_option
@click.option("-n", "n", type=COUNT, default=1000, show_default=True, help="Exactly this many molecules.")
@table_option()
@decoding_options(greedy=False)
@click.option(
    "--leave-out",
    type=Setting(Share),
    help="Share of the draws, the least likely ones, to leave out unparsed.  [default: the model's own]",
)
@keep_option
@click.option("--unique", is_flag=True, help="No molecule twice.")
@click.option("--novel", is_flag=True, help="Leave out molecules of the model's training set.")
@click.option("--novel-against", metavar="FILE", multiple=True, help="Leave out molecules of this file (repeatable).")
@condition_options
@click.option(
    "--latent-temperature",
    type=TEMPERATURE,
    help="Below 1: likelier latents, less variety.  [default: the model's own]",
)
@click.option("--prior", type=click.Choice(["learned", "standard"]), help="By default learned, if there is one.")
@stereo_options
@click.option("--no-scores", is_flag=True, help="SMILES alone, without QED, logP and SA, which take longest.")
@click.option("--grid", metavar="FILE", help=f"Draw the first {GRID_MOLECULES} as .svg or .png.")
@part_options("molecules", "all at once, or with --cluster 10,000")
@seed_option
@batch_size_option
@jobs_option
@device_option
@quiet_option
def sample(
    model_path: str,
    n: int,
    output: str,
    temperature: float | None,
    top_p: float | None,
    greedy: bool,
    leave_out: float | None,
    keep: str | None,
    unique: bool,
    novel: bool,
    novel_against: tuple[str, ...],
    conditions: tuple[str, ...],
    guidance: float,
    latent_temperature: float | None,
    prior: str | None,
    stereo: str,
    max_stereoisomers: int,
    no_scores: bool,
    grid: str | None,
    shard_rows: int | None,
    cluster: str | None,
    seed: int | None,
    batch_size: int,
    n_jobs: int,
    device: str,
    quiet: bool,
) -> None:
    """Draw new molecules, with their QED, logP and SA.

    With --shard-rows or --cluster, FILE becomes a Parquet data set with one file for each part. The same command goes
    on with what is missing there.
    """
    import molvae
    from molvae.cli.tables import described, known_molecules, sampling_summary, undescribed, with_stereoisomers
    from molvae.formats.writers import check_output, write_table
    from molvae.report.grid import check_picture, draw_grid

    in_parts = shard_rows is not None or cluster is not None
    if not in_parts:
        check_output(output)
    if grid:
        check_picture(grid)
    condition = read_conditions(conditions)
    vae = molvae.load(model_path, device=device)
    known = known_molecules(novel_against, vae.standardizer)
    how: dict[str, Any] = {
        "temperature": temperature,
        "top_p": top_p,
        "greedy": greedy,
        "leave_out": leave_out,
        "unique": unique,
        "novel": novel,
        "novel_against": known,
        "condition": condition,
        "guidance": guidance,
        "latent_temperature": latent_temperature,
        "prior": prior,
        "keep": keep,
        "batch_size": batch_size,
    }
    if in_parts:
        from molvae.inference.parts import sample_parts

        if grid:
            raise click.UsageError("--grid draws a table in one file; leave it out with --shard-rows and --cluster")
        if stereo == "enumerate":
            raise click.UsageError("--stereo enumerate writes one file; leave it out with --shard-rows and --cluster")
        where: dict[str, Any] = {"shard_rows": shard_rows, "cluster": cluster, "device": device, "seed": seed}
        describe = undescribed if no_scores else described
        distinct = sample_parts(model_path, n, output, describe=describe, progress=progress_for(quiet), **where, **how)
        console(quiet).print(f"{n:,} molecules in {output}, {100 * distinct / n:.2f} % of them distinct")
        return
    drawn = vae.draw(n, seed=seed, progress=progress_for(quiet), **how)
    frame = undescribed(drawn.smiles) if no_scores else described(drawn.smiles, n_jobs=n_jobs)
    isomers = with_stereoisomers(frame, max_stereoisomers) if stereo == "enumerate" else frame
    write_table(isomers, output)
    if grid:
        first = frame.head(GRID_MOLECULES)
        shown = described(first["smiles"].tolist()) if no_scores else first
        legends = [f"QED {r.qed:.2f}  logP {r.logp:.1f}  SA {r.sa:.1f}" for r in shown.itertuples()]
        draw_grid(first["smiles"].tolist(), grid, legends=legends)
    console(quiet).print(sampling_summary(frame, drawn, novel=novel or bool(known), diagnostics=vae.diagnostics))
