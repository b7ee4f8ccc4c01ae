"""Run: python scripts/bench/collate.py PREPARED.

How long one training batch takes to gather from a prepared folder: with tokens alone, with graphs and with randomized
SMILES, as far as the folder has them. The kinds take turns, so that other work on the machine slows them alike;
processor time, which other work hardly changes, stands beside the time on the clock.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np

from molvae.data.batches import MolBatch, TokenBatches
from molvae.data.prepared import PreparedData
from molvae.errors import PreparedDataError


def streams(data: PreparedData, batch_size: int) -> dict[str, Iterator[MolBatch]]:
    """Endless training batches of every kind that the folder has."""
    names = data.statistics.names
    common = {"batch_size": batch_size, "property_index": np.arange(len(names)) if names else None}
    indices = data.indices("train")
    found = {"tokens": iter(TokenBatches(data, indices, **common))}
    try:
        found["tokens and graphs"] = iter(TokenBatches(data.with_graphs(), indices, **common))
    except PreparedDataError as error:
        click.echo(error, err=True)
    try:
        found["tokens and randomized SMILES"] = iter(TokenBatches(data, indices, randomized_smiles=True, **common))
    except PreparedDataError as error:
        click.echo(error, err=True)
    return found


@click.command()
@click.argument("prepared", type=click.Path(path_type=Path))
@click.option("--batch-size", default=512, show_default=True)
@click.option("--batches", default=200, show_default=True, help="Of each kind.")
def main(prepared: Path, batch_size: int, batches: int) -> None:
    """Print the table."""
    data = PreparedData.open(prepared)
    found = streams(data, batch_size)
    clock: dict[str, list[float]] = {kind: [] for kind in found}
    processor: dict[str, list[float]] = {kind: [] for kind in found}
    for _ in range(batches):
        for kind, stream in found.items():
            start, start_processor = time.perf_counter(), time.process_time()
            next(stream)
            clock[kind].append(1000 * (time.perf_counter() - start))
            processor[kind].append(1000 * (time.process_time() - start_processor))
    print(f"{batches} batches of {batch_size} of {len(data):,} molecules, ms per batch:\n")
    print("| batch | lower quartile | median | upper quartile | median of processor time |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for kind in found:
        low, median, high = np.percentile(clock[kind], [25, 50, 75])
        print(f"| {kind} | {low:.2f} | {median:.2f} | {high:.2f} | {np.median(processor[kind]):.2f} |")


if __name__ == "__main__":
    main()
