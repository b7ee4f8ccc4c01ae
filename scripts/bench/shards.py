"""Run: python scripts/bench/shards.py PREPARED -o runs/shards [--counts 1,10,100,1000] [--batches 300].

Runs the input pipeline of training over many shards, which are links to the same prepared folder, and prints the
Markdown table of its rate, of the time to open them, and of the memory of the process: of its own (anonymous) memory
and of all that is resident, which counts the pages of mapped files too. Each row is measured in a process of its own.
"""

import subprocess
import sys
import time
from pathlib import Path

import click
import numpy as np


@click.command()
@click.argument("prepared", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True)
@click.option("--counts", default="1,10,100,1000", show_default=True)
@click.option("--batches", default=300, show_default=True)
@click.option("--batch-size", default=256, show_default=True)
@click.option("--worker", type=int, hidden=True)
def main(prepared: Path, output: Path, counts: str, batches: int, batch_size: int, worker: int | None) -> None:
    """Print a row for each number of shards."""
    if worker:
        measure(linked(prepared, output, worker), worker, batches, batch_size)
        return
    print(f"Batches of {batch_size}, the first {batches} of an epoch.\n")
    print("| shards | molecules | open | first batch | molecules/s | own memory | resident |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |", flush=True)
    for n in counts.split(","):
        subprocess.run([sys.executable, __file__, *sys.argv[1:], "--worker", n], check=True)


def linked(prepared: Path, output: Path, n: int) -> Path:
    """A folder of n links to a prepared folder."""
    folder = output / str(n)
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(n):
        link = folder / f"part-{i:05d}"
        if not link.exists():
            link.symlink_to(prepared.resolve(), target_is_directory=True)
    return folder


def measure(folder: Path, n: int, batches: int, batch_size: int) -> None:
    """Print one row of the table."""
    from molvae.data.batches import TokenBatches
    from molvae.data.shards import open_prepared
    from molvae.training.selection import training_molecules

    began = time.perf_counter()
    data = open_prepared(folder)
    opened = time.perf_counter()
    columns = np.arange(len(data.statistics.names))
    stream = iter(TokenBatches(data, training_molecules(data, None), batch_size=batch_size, property_index=columns))
    next(stream)
    first = time.perf_counter()
    used = time.process_time()
    for _ in range(batches):
        next(stream)
    rate = batches * batch_size / (time.process_time() - used)  # of processor time, since others use the machine too
    own, resident = memory()
    print(
        f"| {n:,} | {len(data):,} | {opened - began:.1f} s | {first - opened:.1f} s | {rate:,.0f} | {own:,} MiB "
        f"| {resident:,} MiB |",
        flush=True,
    )


def memory() -> tuple[int, int]:
    """Anonymous and all resident memory of this process, MiB."""
    found = {}
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name in ("RssAnon", "VmRSS"):
            found[name] = int(value.split()[0]) // 1024
    return found["RssAnon"], found["VmRSS"]


if __name__ == "__main__":
    main()
