"""Run: python scripts/bench/memory.py molecules.csv.gz [--rows 10000,100000] [--command sample …] [-m MODEL].

The most memory that `prepare`, `encode`, `decode` and `sample` take, by number of rows: it should not grow with them.
The molecules of the file are used from its start, so it needs as many as the largest number of rows. Prints a table,
and each figure as soon as there is one. `decode` reads what `encode` wrote.
"""

import itertools
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import click

from molvae.formats.readers import read_molecules

COMMANDS = ("data prepare", "encode", "decode", "sample")


@click.command()
@click.argument("molecules", type=click.Path(exists=True, dir_okay=False))
@click.option("--rows", default="10000,100000,1000000", show_default=True)
@click.option("--command", "commands", type=click.Choice(COMMANDS), multiple=True, help="By default all (repeatable).")
@click.option("-m", "--model", default="moses", show_default=True)
@click.option("--descriptors", default="basic", show_default=True, help="For data prepare, as its own option.")
@click.option("--fragments", default=1024, show_default=True, help="For data prepare, as its own option.")
def main(molecules: str, rows: str, commands: tuple[str, ...], model: str, descriptors: str, fragments: int) -> None:
    """Measure the commands."""
    sizes = [int(text) for text in rows.split(",")]
    chosen = [name for name in COMMANDS if name in (commands or COMMANDS)]
    if "decode" in chosen and "encode" not in chosen:
        raise SystemExit("decode needs --command encode too")
    cells: dict[str, list[str]] = {name: [] for name in chosen}
    model = str(Path(model).resolve()) if Path(model).exists() else model
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        for n in sizes:
            with (out / "rows.smi").open("w", encoding="utf-8") as file:
                file.writelines(f"{row.smiles}\n" for row in itertools.islice(read_molecules(molecules), n))
            words = {
                "data prepare": f"rows.smi -o prepared{n} --jobs 1 --descriptors {descriptors} --fragments {fragments}",
                "encode": f"rows.smi -m {model} -o z.npy --jobs 1",
                "decode": f"z.npy -m {model} -o decoded.csv",
                "sample": f"-n {n} -m {model} -o sampled.csv",
            }
            for name in chosen:
                cells[name].append(peak(out, f"{name} {words[name]} -q"))
                print(f"{name}, {n:,} rows: {cells[name][-1]}", file=sys.stderr, flush=True)
    print("| command | " + " | ".join(f"{n:,} rows, MB (s)" for n in sizes) + " |\n| --- |" + " ---: |" * len(sizes))
    for name, figures in cells.items():
        print(f"| `molvae {name}` | " + " | ".join(figures) + " |")


def peak(folder: Path, command: str) -> str:
    """Run a command in a folder; its largest resident set in MB, and the seconds of processor time that it took."""
    process = subprocess.Popen([Path(sys.executable).with_name("molvae"), *command.split()], cwd=folder)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"molvae {command} failed")
    return f"{usage.ru_maxrss / 1000:,.0f} ({usage.ru_utime + usage.ru_stime:.0f})"


if __name__ == "__main__":
    main()
