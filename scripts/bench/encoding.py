"""Run: python scripts/bench/encoding.py MODEL [MODEL ...] [--molecules ../shared/data/zinc250k.csv.gz] [-n 20000].

Encoding speed of whole libraries, SMILES strings in and features out, with as many processes as cores, beside RDKit's
ECFP4 counts with as many; and, in one process and thread, the shares of parsing and standardizing, notation, graphs and
network. Models and ECFP take turns over blocks of the file's first molecules, so that other work on the machine slows
all of them; the rate of each is that of its median block.
"""

import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeVar

import click
import torch

from molvae.chem.graphs import standard_graph
from molvae.chem.similarity import ecfp4_counts
from molvae.data.tokenizer import TokenizedMolecule
from molvae.formats.readers import read_molecules
from molvae.generator import MoleculeGenerator
from molvae.inference.features import FeatureEncoder
from molvae.inference.tokens import CHUNK
from molvae.scoring.parallel import map_chunks

BLOCK = 4000
PARTS = ("parsing and standardizing", "notation and vocabulary", "graphs", "network")
T = TypeVar("T")


def seconds(work: Callable[[], object]) -> float:
    """How long it takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def shares(encoder: FeatureEncoder, smiles: list[str]) -> dict[str, float]:
    """Seconds of each part, one after the other."""
    tokenizer, spent = encoder.tokenizer, {}

    def timed(part: str, work: Callable[[], T]) -> T:
        start = time.perf_counter()
        result = work()
        spent[part] = time.perf_counter() - start
        return result

    standard = timed(PARTS[0], lambda: [tokenizer.standardizer.apply(s) for s in smiles])
    ids = timed(
        PARTS[1], lambda: [tokenizer.vocabulary.encode(tokenizer.notation.to_symbols(s.smiles)) for s in standard]
    )
    graphs = timed(PARTS[2], lambda: [standard_graph(s) if tokenizer.graphs else None for s in standard])
    tokenized = [TokenizedMolecule(s.smiles, None, [i], g, i) for s, i, g in zip(standard, ids, graphs, strict=True)]
    timed(PARTS[3], lambda: encoder.encode_tokenized(tokenized))
    return spent


@click.command()
@click.argument("models", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--molecules", type=click.Path(path_type=Path), default="../shared/data/zinc250k.csv.gz", show_default=True
)
@click.option("-n", "n", default=20_000, show_default=True)
@click.option("--batch-size", default=512, show_default=True)
@click.option("--jobs", "n_jobs", default=os.cpu_count(), show_default=True)
@click.option("--device", default="cpu", show_default=True)
def main(models: tuple[Path, ...], molecules: Path, n: int, batch_size: int, n_jobs: int, device: str) -> None:
    """Print the table."""
    encoders = {m.name: FeatureEncoder(MoleculeGenerator.load(m, device=device), batch_size=batch_size) for m in models}
    rows = (row.smiles for row in read_molecules(molecules) if row.smiles)
    smiles = [
        s for s in islice(rows, n) if all(encoder.tokenizer.tokenize(s).reason is None for encoder in encoders.values())
    ]
    tasks: dict[str, Callable[[list[str]], object]] = {
        name: lambda block, encoder=encoder: list(encoder.stream(block, n_jobs=n_jobs))
        for name, encoder in encoders.items()
    }
    tasks["ECFP4 counts"] = lambda block: list(
        map_chunks(ecfp4_counts, block, chunk_size=CHUNK, description="ecfp", n_jobs=n_jobs)
    )
    blocks = [smiles[first : first + BLOCK] for first in range(0, len(smiles), BLOCK)]
    rates: dict[str, list[float]] = {name: [] for name in tasks}
    for number, block in enumerate([blocks[0], *blocks]):
        for name, task in tasks.items():
            rate = len(block) / seconds(partial(task, block))
            if number:  # the first time starts the processes
                rates[name].append(rate)
    baseline = statistics.median(rates["ECFP4 counts"])
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    spent = {name: shares(encoder, smiles[:BLOCK]) for name, encoder in encoders.items()}
    print(f"{len(smiles):,} molecules, {n_jobs} processes; network on {device}, {threads} threads\n")
    print("| features | molecules/s, median (lowest, highest block) | times ECFP's | " + " | ".join(PARTS) + " |")
    print("| --- |" + " ---: |" * (2 + len(PARTS)))
    for name, values in rates.items():
        median = statistics.median(values)
        cells = [f"{median:,.0f} ({min(values):,.0f}, {max(values):,.0f})", f"{baseline / median:.1f}"]
        total = sum(spent[name].values()) if name in spent else 0.0
        cells += [f"{100 * spent[name][part] / total:.0f} %" if total else "" for part in PARTS]
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
