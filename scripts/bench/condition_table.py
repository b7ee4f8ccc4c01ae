"""Run: python scripts/bench/condition_table.py runs/conditional [--molecules 1000].

Asks a conditional model for properties, draws molecules, and compares what RDKit finds with what was asked: mean
absolute error and R² over five targets per property, beside the same number of molecules drawn without asking. Prints
the Markdown table of docs/benchmarks.md.
"""

from pathlib import Path

import click
import numpy as np

import molvae
from molvae.chem.descriptors import DESCRIPTORS
from molvae.chem.parse import parse_smiles
from molvae.generator import MoleculeGenerator

TARGETS = {
    "logp": (1.0, 1.75, 2.5, 3.25, 4.0),
    "qed": (0.6, 0.68, 0.76, 0.84, 0.92),
    "mw": (270.0, 290.0, 310.0, 330.0, 350.0),
}


def found(smiles: list[str], name: str) -> np.ndarray:
    """RDKit's values of a property, `(n,)`."""
    return np.array([DESCRIPTORS[name](parse_smiles(s)) for s in smiles])


def judge(asked: np.ndarray, values: np.ndarray) -> tuple[float, float]:
    """Mean absolute error, and R² of what was asked as a prediction of the values."""
    residual = ((values - asked) ** 2).sum()
    return float(np.abs(values - asked).mean()), float(1 - residual / ((values - values.mean()) ** 2).sum())


def row(vae: MoleculeGenerator, name: str, n: int) -> str:
    """One property's line of the table."""
    asked = np.repeat(TARGETS[name], n)
    plain = found(vae.sample(n, seed=99), name)
    drawn = [found(vae.sample(n, condition={name: t}, seed=i), name) for i, t in enumerate(TARGETS[name])]
    error, r2 = judge(asked, np.concatenate(drawn))
    plain_error, plain_r2 = judge(asked, np.tile(plain, len(TARGETS[name])))
    means = ", ".join(f"{t:g} → {values.mean():.3g}" for t, values in zip(TARGETS[name], drawn, strict=True))
    return f"| {name} | {means} | {error:.3g} | {r2:.2f} | {plain_error:.3g} | {plain_r2:.2f} |"


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--molecules", default=1000, show_default=True, help="Drawn for each target.")
def main(model: Path, molecules: int) -> None:
    """Print the table."""
    vae = molvae.load(model, device="cpu")
    click.echo("| property | asked → mean found | error | R² | error, not asked | R², not asked |")
    click.echo("| --- | --- | ---: | ---: | ---: | ---: |")
    for name in TARGETS:
        click.echo(row(vae, name, molecules))


if __name__ == "__main__":
    main()
