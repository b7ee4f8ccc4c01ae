"""Run: python scripts/bench_encoding.py runs/moses-30min ../shared/data/zinc250k.csv.gz [-n 5000].

Encoding speed, SMILES strings in and features out, in one process, beside RDKit's ECFP4 counts in the same run; and the
shares of parsing and standardising, notation, and network. Molecules are the file's first. The two take turns over
small blocks, so that what else the machine does slows both.
"""

import time
from collections.abc import Callable
from pathlib import Path

import click
import torch
from rdkit.Chem import rdFingerprintGenerator

from molvae.chem.parse import parse_smiles
from molvae.data.readers import read_molecules
from molvae.data.spelling import Spelled, Speller
from molvae.features import FeatureEncoder
from molvae.generator import MoleculeGenerator

BLOCK = 500


class Clock:
    """Seconds spent in each part."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def time(self, part: str, work: Callable[[], object]) -> object:
        """Do it, and remember how long it took."""
        start = time.perf_counter()
        result = work()
        self.seconds[part] = self.seconds.get(part, 0.0) + time.perf_counter() - start
        return result


def measure(encoder: FeatureEncoder, smiles: list[str], clock: Clock) -> None:
    """One block: the whole at once, then its parts one after the other, then ECFP."""
    speller: Speller = encoder.speller
    clock.time("features", lambda: encoder.encode(smiles))
    standard = clock.time("parsing", lambda: [speller.standardiser.apply(s).smiles for s in smiles])
    symbols = clock.time("notation", lambda: [speller.notation.to_symbols(s) for s in standard])
    ids = clock.time("tokens", lambda: [speller.vocabulary.encode_many([s]) for s in symbols])
    spelled = [Spelled(s, None, i, speller.spell(s).graph) for s, i in zip(standard, ids, strict=True)]
    clock.time("network", lambda: encoder.encode_spelled(spelled))
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=2048)
    clock.time("ecfp", lambda: [generator.GetCountFingerprintAsNumPy(parse_smiles(s)) for s in smiles])


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("molecules", type=click.Path(path_type=Path))
@click.option("-n", "n", default=5000, show_default=True)
@click.option("--batch-size", default=512, show_default=True)
@click.option("--device", default="cpu", show_default=True)
def main(model: Path, molecules: Path, n: int, batch_size: int, device: str) -> None:
    """Print the table."""
    encoder = FeatureEncoder(MoleculeGenerator.load(model, device=device), batch_size=batch_size)
    rows = (row.smiles for row in read_molecules(molecules) if row.smiles)
    smiles = [s for s, _ in zip(rows, range(2 * n), strict=False)]
    usable = [s for s in smiles if encoder.speller.spell(s).reason is None][:n]
    encoder.encode(usable[:BLOCK])  # warm
    clock = Clock()
    for first in range(0, len(usable), BLOCK):
        measure(encoder, usable[first : first + BLOCK], clock)
    spent = clock.seconds
    parts = {name: spent[name] for name in ("parsing", "notation", "tokens", "network")}
    print("| quantity | value |\n| --- | ---: |")
    print(f"| molecules | {len(usable):,} |")
    print(f"| device, torch threads | {device}, {torch.get_num_threads()} |")
    print(f"| features, molecules/s | {len(usable) / spent['features']:,.0f} |")
    print(f"| ECFP4 counts, molecules/s | {len(usable) / spent['ecfp']:,.0f} |")
    print(f"| features take the time of so many ECFP | {spent['features'] / spent['ecfp']:.1f} |")
    for name, label in (
        ("parsing", "parsing and standardising"),
        ("notation", "notation"),
        ("tokens", "vocabulary"),
        ("network", "network"),
    ):
        print(f"| share of {label} | {100 * parts[name] / sum(parts.values()):.0f} % |")


if __name__ == "__main__":
    main()
