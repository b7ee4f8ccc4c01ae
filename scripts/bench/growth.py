"""Run: python scripts/bench/growth.py molecules.csv.gz -o runs/growth [--sizes 1000,10000,100000] [--plot growth.png].

Time and memory against the number of molecules for `prepare`, one epoch of `train`, `sample` and `encode`, and against
the calls of `optimize`. Time is that of the processor, user and system, of the command and the processes it starts;
memory is the largest resident set. Each command runs with one thread and one job. FOLDER/growth.csv gets a line per
measurement as it is made; an interrupted run goes on where it stopped, and what is finished is not repeated. The
molecules are the first of the file, which needs as many as the largest size. Prints the machine, versions and a table.
"""

import csv
import itertools
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import click
import pandas as pd

from molvae.formats.readers import read_molecules

COLUMNS = ("command", "n", "processor_s", "wall_s", "peak_mb")
RECIPE = Path(__file__).parents[2] / "configs" / "quickstart.yaml"
EPOCH = ("training.max_time=null", "training.max_epochs=1", "training.tanimoto_weight=0", "prior=null")
EPOCH += ("training.randomized_smiles=false", "training.precision=32-true")


def measurements(sizes: list[int], calls: list[int]) -> Iterator[tuple[str, int]]:
    """What is measured, the small sizes first; what a command reads is made by one before it."""
    for n in sorted({*sizes, *calls}):
        if n in sizes:
            yield from ((name, n) for name in ("prepare", "one epoch", "sample", "encode"))
        if n in calls:
            yield "optimize, calls", n


def words(name: str, n: int, folder: Path, model: str) -> list[str]:
    """The command line of a measurement."""
    rows, prepared = folder / f"rows{n}.smi", folder / f"prepared{n}"
    match name:
        case "prepare":
            line = ["data", "prepare", rows, "-o", prepared, "--notation", "smiles", "--jobs", "1", "--overwrite"]
        case "one epoch":
            settings = [word for setting in EPOCH for word in ("--set", setting)]
            line = ["train", "-c", RECIPE, "--data", prepared, *settings, "-o", folder / f"run{n}", "--overwrite"]
        case "sample":
            line = ["sample", "-n", n, "-m", model, "-o", folder / "sampled.csv"]
        case "encode":
            line = ["encode", rows, "-m", model, "-o", folder / "z.npy", "--jobs", "1"]
        case _:
            line = ["optimize", "--task", "celecoxib", "--calls", n, "-m", model, "-o", folder / "best.csv"]
    return [str(word) for word in line]


def measure(line: list[str]) -> tuple[float, float, float]:
    """Processor time and time on the clock, seconds, and the largest resident set, MB."""
    began = time.monotonic()
    alone = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([Path(sys.executable).with_name("molvae"), *line, "-q"], env=alone)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"molvae {' '.join(line)} failed")
    return usage.ru_utime + usage.ru_stime, time.monotonic() - began, usage.ru_maxrss / 1000


def write_rows(molecules: str, n: int, file: Path) -> None:
    """The first n molecules, if they are not there yet."""
    if file.exists():
        return
    texts = [row.smiles for row in itertools.islice(read_molecules(molecules), n) if row.smiles]
    if len(texts) < n:
        raise SystemExit(f"{molecules} has {len(texts):,} molecules; expected {n:,}")
    file.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")


def print_table(measured: pd.DataFrame) -> None:
    """One row per command and size."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("molvae", "torch", "rdkit", "numpy"))
    processor = next((row for row in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in row), "")
    print(
        f"{processor.split(':')[-1].strip() or platform.processor()}; Python {platform.python_version()}, {packages}\n"
    )
    print("| command | n | processor, s | per 1,000, s | on the clock, s | memory, MB |\n| --- |" + " ---: |" * 5)
    for row in measured.sort_values(["command", "n"]).itertuples():
        each = 1000 * row.processor_s / row.n
        print(
            f"| {row.command} | {row.n:,} | {row.processor_s:,.1f} | {each:,.2f} | {row.wall_s:,.0f} "
            f"| {row.peak_mb:,.0f} |"
        )


def draw(measured: pd.DataFrame, path: Path) -> None:
    """Time and memory, both axes logarithmic."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 3.2), layout="constrained")
    for axes, column, label in zip(
        figure.subplots(1, 2), ("processor_s", "peak_mb"), ("processor time, s", "memory, MB"), strict=True
    ):
        for name, rows in measured.sort_values("n").groupby("command"):
            axes.plot(rows["n"], rows[column], marker="o", markersize=3, label=name)
        axes.set(xscale="log", yscale="log", xlabel="molecules, or calls", ylabel=label)
        axes.set_ylim(bottom=measured[column].min() / 2, top=measured[column].max() * 2)
    axes.legend(fontsize=7)
    figure.savefig(path, dpi=80)


@click.command()
@click.argument("molecules", type=click.Path(exists=True, dir_okay=False))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder for what is measured.")
@click.option("--sizes", default="1000,10000,100000", show_default=True, help="Numbers of molecules.")
@click.option("--calls", default="500,1000,5000,20000", show_default=True, help="Calls of optimize.")
@click.option("-m", "--model", default="zinc", show_default=True)
@click.option("--plot", type=click.Path(path_type=Path), help="Also draw the figure, as PNG.")
@click.option("--table", "only_table", is_flag=True, help="Only print and draw what is measured.")
def main(molecules: str, output: Path, sizes: str, calls: str, model: str, plot: Path | None, only_table: bool) -> None:
    """Measure what is not measured yet, and print the table."""
    output.mkdir(parents=True, exist_ok=True)
    results = output / "growth.csv"
    if not results.exists():
        results.write_text(",".join(COLUMNS) + "\n")
    for name, n in measurements([int(t) for t in sizes.split(",")], [int(t) for t in calls.split(",")]):
        done = pd.read_csv(results)
        if only_table or ((done["command"] == name) & (done["n"] == n)).any():
            continue
        click.echo(f"{name}, {n:,}", err=True)
        if name != "optimize, calls":
            write_rows(molecules, n, output / f"rows{n}.smi")
        with results.open("a", newline="") as file:
            csv.writer(file).writerow([name, n, *(f"{v:.2f}" for v in measure(words(name, n, output, model)))])
    print_table(pd.read_csv(results))
    if plot is not None:
        draw(pd.read_csv(results), plot)


if __name__ == "__main__":
    main()
