"""Run: python scripts/bench/memory.py molecules.csv.gz [--rows 10000,100000,1000000] [-m MODEL].

The most memory that `prepare`, `encode`, `decode` and `sample` take, by number of rows: it should not grow with them.
The molecules of the file are used from its start, so it needs as many as the largest number of rows. Prints a table.
"""

import itertools
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

from molvae.formats.readers import read_molecules


@click.command()
@click.argument("molecules", type=click.Path(exists=True, dir_okay=False))
@click.option("--rows", default="10000,100000,1000000", show_default=True)
@click.option("-m", "--model", default="moses", show_default=True)
def main(molecules: str, rows: str, model: str) -> None:
    """Measure the commands."""
    sizes = [int(text) for text in rows.split(",")]
    print("| command | " + " | ".join(f"{n:,} rows, MB (s)" for n in sizes) + " |\n| --- |" + " ---: |" * len(sizes))
    measured: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for n in sizes:
            file, latents = Path(folder) / "rows.smi", Path(folder) / "z.npy"
            with file.open("w", encoding="utf-8") as out:
                out.writelines(f"{row.smiles}\n" for row in itertools.islice(read_molecules(molecules), n))
            commands = {
                "data prepare": ["data", "prepare", file, "-o", Path(folder) / f"prepared{n}", "--jobs", "1"],
                "encode": ["encode", file, "-m", model, "-o", latents],
                "decode": ["decode", latents, "-m", model, "-o", Path(folder) / "decoded.csv"],
                "sample": ["sample", "-n", n, "-m", model, "-o", Path(folder) / "sampled.csv"],
            }
            for name, words in commands.items():
                measured.setdefault(name, []).append(peak([str(word) for word in words]))
    for name, cells in measured.items():
        print(f"| `molvae {name}` | " + " | ".join(cells) + " |")


def peak(words: list[str]) -> str:
    """Run a command; its largest resident set in MB, and the seconds it took."""
    started = time.monotonic()
    process = subprocess.Popen([Path(sys.executable).with_name("molvae"), *words, "-q"])
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"molvae {' '.join(words)} failed")
    return f"{usage.ru_maxrss / 1000:,.0f} ({time.monotonic() - started:.0f})"


if __name__ == "__main__":
    main()
