"""Run: python scripts/bench/interpolation.py MODEL MOLECULES -o FIGURE .

Paths between pairs of molecules drawn from the file MOLECULES: the share of steps that are molecules, and the ECFP4
Tanimoto similarity of neighbors on the path beside that of random pairs of molecules from the same paths and that of
the paths' two ends. The figure shows the three distributions and, step by step, the similarity to both ends.

    python scripts/bench/interpolation.py zinc zinc250k.csv.gz -o runs/interpolation.png
"""

from itertools import pairwise
from pathlib import Path

import click
import numpy as np
import pandas as pd

import molvae
from molvae.chem.similarity import tanimoto
from molvae.cli.options import progress_for
from molvae.formats.readers import read_molecules


def usable_pairs(vae: molvae.MoleculeGenerator, path: str, n: int, seed: int) -> list[tuple[str, str]]:
    """Pairs of molecules that the model can encode."""
    pool = [row.smiles for row in read_molecules(path) if row.smiles]
    drawn = np.random.default_rng(seed).choice(pool, min(4 * n, len(pool)), replace=False).tolist()
    known = [s for s, reason in zip(drawn, vae.encode_rows(drawn).reasons, strict=True) if not reason]
    return list(zip(known[:n], known[n : 2 * n], strict=False))


def neighbors(path: list[str]) -> list[float]:
    """Similarities of consecutive molecules that differ."""
    distinct = [s for i, s in enumerate(path) if i == 0 or s != path[i - 1]]
    return [tanimoto(a, b) for a, b in pairwise(distinct)]


def draw(figure: Path, near: np.ndarray, random: np.ndarray, ends: np.ndarray, paths: pd.DataFrame) -> None:
    """Distributions on the left, similarity along the path on the right."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    bins = np.linspace(0, 1, 41)
    for values, label in ((near, "neighbors on a path"), (random, "random pairs"), (ends, "ends of a path")):
        left.hist(values, bins=bins, density=True, histtype="stepfilled", alpha=0.5, label=label)
    left.set(xlabel="Tanimoto similarity (ECFP4)", ylabel="density")
    left.legend(frameon=False)
    along = paths.groupby("fraction")[["tanimoto_to_start", "tanimoto_to_end"]].mean()
    right.plot(along.index, along["tanimoto_to_start"], marker="o", label="to the start")
    right.plot(along.index, along["tanimoto_to_end"], marker="o", label="to the end")
    right.set(xlabel="fraction of the path", ylabel="mean Tanimoto similarity", ylim=(0, 1))
    right.legend(frameon=False)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    fig.savefig(figure, dpi=150)


@click.command()
@click.argument("model")
@click.argument("molecules")
@click.option("-o", "--output", "figure", required=True, type=click.Path(path_type=Path), help=".png or .svg")
@click.option("-n", "n", default=200, show_default=True, help="Paths.")
@click.option("--steps", default=9, show_default=True)
@click.option("--seed", default=0, show_default=True)
def main(model: str, molecules: str, figure: Path, n: int, steps: int, seed: int) -> None:
    """Draw the figure and print the means."""
    vae = molvae.load(model, device="cpu")
    frames = []
    with progress_for(False).stage("Interpolating", total=n, unit="paths") as stage:
        for i, (a, b) in enumerate(usable_pairs(vae, molecules, n, seed)):
            frames.append(vae.interpolate(a, b, steps=steps).assign(path=i))
            stage.advance(1)
    decoded = pd.concat(frames)
    valid = decoded[decoded["smiles"].astype(bool)]
    near = np.concatenate([neighbors(list(path)) for _, path in valid.groupby("path")["smiles"]])
    shuffled = valid["smiles"].sample(frac=1.0, random_state=seed).tolist()
    random = np.array([tanimoto(a, b) for a, b in pairwise(shuffled) if a != b])
    ends = np.array([tanimoto(f["smiles"].iloc[0], f["smiles"].iloc[-1]) for f in frames])
    draw(figure, near, random, ends, valid)
    distinct = valid.groupby("path")["smiles"].nunique()
    click.echo(
        f"{len(frames)} paths of {steps} steps: {100 * len(valid) / len(decoded):.2f} % valid, "
        f"{distinct.mean():.1f} distinct molecules per path\n"
        f"Tanimoto similarity: neighbors {near.mean():.3f} ± {near.std():.3f}, random pairs {random.mean():.3f} ± "
        f"{random.std():.3f}, ends {ends.mean():.3f} ± {ends.std():.3f}"
    )


if __name__ == "__main__":
    main()
