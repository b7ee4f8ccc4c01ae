"""Run: python scripts/bench/descriptors.py molecules.csv.gz [-n 2000] [--rounds 12].

Time of the basic descriptors per molecule, beside the same values by RDKit's own QED and SA score, and of the largest
parts. All take turns over blocks of the file's first molecules, each freshly parsed, so that other work on the machine
slows all alike; processor time, medians of the blocks. Prints the machine, versions and a table.
"""

import itertools
import platform
import statistics
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import click
from rdkit import Chem, RDConfig
from rdkit.Chem import QED, rdMolDescriptors

from molvae.chem.descriptors import descriptor_set, descriptors
from molvae.chem.parse import parse_smiles
from molvae.chem.qed import qed_properties
from molvae.chem.synthesis import sa
from molvae.formats.readers import read_molecules


def of_rdkit(mol: Chem.Mol) -> list[float]:
    """The basic descriptors with RDKit's own QED and SA score."""
    parts = QED.properties(mol)
    others = [name for name in descriptor_set("basic") if name not in ("qed", "logp", "tpsa", "sa")]
    return [QED.qed(mol, qedProperties=parts), contrib_sa()(mol), *descriptors(mol, others)]


def contrib_sa() -> Callable[[Chem.Mol], float]:
    """The SA score of RDKit's Contrib folder."""
    folder = str(Path(RDConfig.RDContribDir) / "SA_Score")
    if folder not in sys.path:
        sys.path.append(folder)
    import sascorer

    return sascorer.calculateScore


@click.command()
@click.argument("molecules", type=click.Path(exists=True, dir_okay=False))
@click.option("-n", "n", default=2000, show_default=True)
@click.option("--rounds", default=12, show_default=True)
def main(molecules: str, n: int, rounds: int) -> None:
    """Print the table."""
    smiles = [row.smiles for row in itertools.islice(read_molecules(molecules), n) if row.smiles]
    basic = descriptor_set("basic")
    parts: dict[str, Callable[[Chem.Mol], object]] = {
        "basic descriptors": lambda mol: descriptors(mol, basic),
        "the same by RDKit": of_rdkit,
        "QED's properties": qed_properties,
        "the same by RDKit alone": QED.properties,
        "SA score": sa,
        "SA score of Contrib": contrib_sa(),
        "Crippen's logP": rdMolDescriptors.CalcCrippenDescriptors,
        "rotatable bonds": rdMolDescriptors.CalcNumRotatableBonds,
    }
    spent: dict[str, list[float]] = {name: [] for name in parts}
    size = max(1, len(smiles) // rounds)
    for first in [0, *range(0, size * rounds, size)]:  # the first block warms up
        for name, part in parts.items():
            mols = [mol for mol in map(parse_smiles, smiles[first : first + size]) if mol is not None]
            began = time.process_time()
            for mol in mols:
                part(mol)
            spent[name].append((time.process_time() - began) / len(mols))
    where = f"{platform.machine()}, Python {platform.python_version()}, rdkit {version('rdkit')}"
    print(f"{where}; {len(smiles):,} molecules\n")
    print("| part | ms per molecule |\n| --- | ---: |")
    for name, values in spent.items():
        print(f"| {name} | {1000 * statistics.median(values[1:]):.3f} |")


if __name__ == "__main__":
    main()
