"""Run: python scripts/bench/gradient.py MODEL .

What gradient ascent through the property heads gains in the true (RDKit) property, beside random latent draws on the
same budget of decoded latents. Each path starts at a draw from the prior and is decoded at three latents; there are
three times as many random draws as paths. `believed` is what the heads predict for the latents where the paths end and
`true` what RDKit computes for the molecules decoded there: the gap is how far the heads overestimate. Means of three
seeds and their standard deviations.

    python scripts/bench/gradient.py runs/moses-30min -o runs/gradient.csv
"""

from pathlib import Path

import click
import numpy as np
import pandas as pd
import torch

import molvae
from molvae.chem.descriptors import DESCRIPTORS
from molvae.chem.parse import parse_smiles
from molvae.optimize.gradient import GradientAscent
from molvae.optimize.moves import Moves
from molvae.optimize.objective import Objective, parse_objective


def true_values(smiles: list[str], name: str) -> np.ndarray:
    """RDKit's property of each molecule, nan where there is none."""
    mols = [parse_smiles(s) if s else None for s in smiles]
    return np.array([np.nan if mol is None else DESCRIPTORS[name](mol) for mol in mols])


def best(values: np.ndarray, smiles: list[str], k: int = 10) -> float:
    """Mean of the `k` best among distinct molecules."""
    return float(np.sort(pd.Series(values, index=smiles).groupby(level=0).first().dropna().to_numpy())[-k:].mean())


def one_run(vae: molvae.MoleculeGenerator, name: str, n: int, seed: int) -> dict[str, float]:
    """Ascent and random draws for one property."""
    moves, rng = Moves(vae), np.random.default_rng(seed)
    objective = Objective.of_config(parse_objective({"mean": "arithmetic", "scores": [{"kind": name}]}, where="bench"))
    ascent = GradientAscent(moves, objective)
    starts = np.stack(moves.from_prior(n, rng))
    path = ascent.climb(starts)  # the ends come first
    decoded = moves.decode(path, rng)
    climbed = true_values(decoded, name)
    with torch.no_grad():
        believed = vae.model.heads.predict(torch.from_numpy(path[:n]))[:, ascent.columns[0]].numpy()
    random = moves.decode(np.stack(moves.from_prior(len(path), rng)), rng)
    found = true_values(random, name)
    began = true_values(moves.decode(starts, rng), name)
    whole = np.isfinite(climbed[:n]) & np.isfinite(began)
    return {
        "latents decoded": len(path),
        "start, true": float(began[whole].mean()),
        "end, true": float(climbed[:n][whole].mean()),
        "end, believed": float(believed[whole].mean()),
        "gap": float(believed[whole].mean() - climbed[:n][whole].mean()),
        "random, best 10": best(found, random),
        "gradient, best 10": best(climbed, decoded),
        "valid, %": 100 * float(np.isfinite(climbed).mean()),
    }


@click.command()
@click.argument("model")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="CSV of every run.")
@click.option("--properties", default="logp,qed,tpsa,fraction_csp3", show_default=True)
@click.option("-n", "n", default=300, show_default=True, help="Paths.")
@click.option("--seeds", default="0,1,2", show_default=True)
def main(model: str, output: Path | None, properties: str, n: int, seeds: str) -> None:
    """Print the table."""
    vae = molvae.load(model, device="cpu")
    runs = [
        {"property": name, "seed": seed} | one_run(vae, name, n, seed)
        for name in properties.split(",")
        for seed in map(int, seeds.split(","))
    ]
    frame = pd.DataFrame(runs)
    if output is not None:
        frame.to_csv(output, index=False)
    groups = frame.drop(columns="seed").groupby("property", sort=False)
    mean, spread = groups.mean(), groups.std(ddof=0)
    print("| property | " + " | ".join(mean.columns) + " |")
    print("| --- |" + " ---: |" * len(mean.columns))
    for name in mean.index:
        cells = [f"{mean.loc[name, c]:.3g} ± {spread.loc[name, c]:.2g}" for c in mean.columns]
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
