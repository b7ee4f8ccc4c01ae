"""`molvae optimize`."""

from pathlib import Path

import click

from molvae.cli.options import (
    COUNT,
    FRACTION,
    NUMBER,
    SEED,
    Setting,
    condition_options,
    console,
    device_option,
    keep_option,
    progress_for,
    quiet_option,
    read_conditions,
    reader_option,
    resumable,
    same_command,
    stereo_options,
    table_option,
)
from molvae.config import Seconds

GRID_MOLECULES = 25


@click.command()
@reader_option
@click.option(
    "--task", metavar="NAME", help="A task of the PMO benchmark, such as perindopril; a wrong name lists all."
)
@click.option("--objective", "objective_path", metavar="FILE", help="YAML with named scores, see the README.")
@table_option("best.csv")
@click.option(
    "--method",
    default="tanimoto-bo",
    show_default=True,
    help="tanimoto-bo, evolution, cmaes, bo, gradient, screen or random.",
)
@click.option("--calls", type=COUNT, default=1000, show_default=True, help="Molecules that may be scored.")
@click.option("--batch", type=COUNT, help="Molecules scored at once.  [default: 50, growing with the calls to 200]")
@click.option("--target", type=NUMBER, help="End as soon as a molecule, or --hits of them, scores this much.")
@click.option("--hits", type=COUNT, default=1, show_default=True, help="Molecules that reach the target.")
@click.option(
    "--finetune/--no-finetune",
    default=None,
    help="Let a copy of the model learn from the best molecules found.  [default: with evolution]",
)
@click.option("--start", multiple=True, metavar="SMILES", help="Begin with this molecule (repeatable).")
@click.option("--start-file", metavar="FILE", help="Begin with the molecules of this file.")
@click.option("--similar-to", metavar="SMILES", help="Only molecules similar to this one (ECFP4 Tanimoto).")
@click.option("--min-similarity", type=FRACTION, default=0.4, show_default=True)
@keep_option
@click.option("--contains", multiple=True, metavar="SMARTS", help="Only molecules with this substructure (repeatable).")
@click.option(
    "--seconds-per-pattern",
    type=Setting(Seconds),
    help="Time in which --contains or `keeps` must be found in a molecule, or not; then the run ends.  [default: 10]",
)
@click.option(
    "--window",
    multiple=True,
    metavar="NAME=LOW:HIGH",
    help="Only molecules with this descriptor in a window, e.g. logp=1:3 or mw=:500 (repeatable).",
)
@click.option(
    "--sound/--no-sound",
    default=None,
    help="Refuse what no chemist would draw: radicals, charges that protons could balance, peroxides and the like.  "
    "[default: yes; no for tasks, which have no constraints]",
)
@click.option(
    "--refuse-alerts/--allow-alerts",
    "alerts",
    default=None,
    help="Refuse molecules with structural alerts (MCF and PAINS).  [default: yes; no for tasks]",
)
@stereo_options
@condition_options
@click.option(
    "--record", metavar="FILE", help="File to which every call is written.  [default: the output + .calls.jsonl]"
)
@click.option("--resume", is_flag=True, help="Go on from the record.")
@click.option(
    "--plot", metavar="FILE", help="Draw the best and mean top 10 scores against calls, as .png, .svg or .pdf."
)
@click.option("--grid", metavar="FILE", help=f"Draw the best {GRID_MOLECULES} as .svg or .png.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="The same seed gives the same result.")
@device_option
@quiet_option
@resumable(lambda: _command_to_resume())
def optimize(
    model_path: str,
    task: str | None,
    objective_path: str | None,
    output: str,
    method: str,
    calls: int,
    batch: int | None,
    target: float | None,
    hits: int,
    finetune: bool | None,
    start: tuple[str, ...],
    start_file: str | None,
    similar_to: str | None,
    min_similarity: float,
    keep: str | None,
    contains: tuple[str, ...],
    window: tuple[str, ...],
    seconds_per_pattern: float | None,
    sound: bool | None,
    alerts: bool | None,
    conditions: tuple[str, ...],
    guidance: float,
    record: str | None,
    resume: bool,
    plot: str | None,
    stereo: str,
    max_stereoisomers: int,
    grid: str | None,
    seed: int,
    device: str,
    quiet: bool,
) -> None:
    """Find molecules that score high, while scoring as few molecules as possible.

    The table lists every molecule that was scored, best first. The search can be stopped at any time and resumed by the
    same command with --resume.
    """
    if (task is None) == (objective_path is None):
        raise click.UsageError("give either --task or --objective")
    import molvae
    from molvae.cli.tables import optimization_summary, read_input, with_stereoisomers
    from molvae.errors import MolvaeError
    from molvae.files import fitting_name, is_stream
    from molvae.formats.writers import check_output, write_table
    from molvae.optimize.constraints import constraints
    from molvae.optimize.objective import load_objective
    from molvae.optimize.run import listed
    from molvae.optimize.run import optimize as run
    from molvae.optimize.tasks import load_task
    from molvae.report.distributions import check_plot
    from molvae.report.grid import check_picture, draw_grid

    objective = load_task(task) if task is not None else load_objective(str(objective_path))
    objective = objective.with_constraints(
        constraints(
            similar_to=similar_to,
            min_similarity=min_similarity,
            keep=keep,
            contains=contains,
            window=dict(_window(text) for text in window),
            sound=sound,
            alerts=alerts,
            seconds_per_pattern=seconds_per_pattern,
        )
    )
    check_output(output)
    if plot:
        check_plot(plot)
    if grid:
        check_picture(grid)
    if record is None and output != "-" and not is_stream(output):
        record = str(Path(output).with_name(fitting_name(Path(output).name, ".calls.jsonl")))
    first = list(start)
    if start_file:
        first += [s for s in read_input(start_file, split="test", smiles_column=None) if s]
    if similar_to and similar_to not in first:
        first.insert(0, similar_to)
    found = run(
        molvae.load(model_path, device=device),
        objective,
        method=method,
        n_calls=calls,
        target=target,
        hits=hits,
        start=first,
        condition=read_conditions(conditions),
        guidance=guidance,
        finetune=finetune,
        batch_size=batch,
        seed=seed,
        record=record,
        resume=resume,
        progress=progress_for(quiet),
    )
    enumerated = stereo == "enumerate"
    write_table(with_stereoisomers(found.frame, max_stereoisomers) if enumerated else found.frame, output)
    if plot:
        from molvae.optimize.curves import top_curve
        from molvae.report.search import plot_search

        curves = {"best": top_curve(found.scores, 1), "top 10": top_curve(found.scores, 10)}
        plot_search(curves, plot, title=task or str(objective_path))
    if grid:
        best = found.frame.head(GRID_MOLECULES)
        draw_grid(best["smiles"].tolist(), grid, legends=[f"{score:.3f}" for score in best["score"]])
    screen = console(quiet)
    for note in found.notes:
        screen.print(note)
    screen.print(optimization_summary(found))
    if found.stuck:
        raise MolvaeError(
            f"nothing but the {found.n_start} start molecules could be scored; what the model proposed was refused "
            f"({listed(found.refusals) or 'nothing new was proposed'})"
        )


def _command_to_resume() -> str | None:
    """The same command with --resume, if it keeps a record."""
    given = click.get_current_context().params
    return None if given["record"] is None and given["output"] == "-" else same_command("--resume")


def _window(text: str) -> tuple[str, tuple[float | None, float | None]]:
    name, equals, ends = text.partition("=")
    low, colon, high = ends.partition(":")
    try:
        if not equals or not colon:
            raise ValueError
        return name.strip(), (float(low) if low else None, float(high) if high else None)
    except ValueError as error:
        raise click.BadParameter(
            f"got {text!r}; expected NAME=LOW:HIGH such as logp=1:3", param_hint="--window"
        ) from error
