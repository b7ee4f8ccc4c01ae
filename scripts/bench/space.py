"""Run: python scripts/bench/space.py runs/quickstart zinc_sample.csv.gz --split test [-n 10000] [-o runs/space].

What a model's samples and its latent space are like, beside held-out molecules: the share of draws that are
molecules, FCD, filters, rings, descriptors; exact reconstruction; straight lines between molecules; steps of growing
length around them. Prints Markdown tables; with -o the first 24 samples, drawn.
"""

import itertools
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
from rdkit import Chem

import molvae
from molvae.chem.parse import canonical_smiles
from molvae.chem.similarity import tanimoto
from molvae.chem.soundness import is_sound
from molvae.formats.readers import read_molecules
from molvae.generator import MoleculeGenerator
from molvae.report.grid import draw_grid
from molvae.scoring.distribution import wasserstein
from molvae.scoring.fcd import chemnet_activations, chemnet_statistics, frechet_distance
from molvae.scoring.geometry import distance_correlation
from molvae.scoring.molecules import PROPERTIES, describe_molecules

PAIRS, STEPS = 100, 9
NOISE = (0.1, 0.3, 0.5)  # of the latents' spread


@click.command()
@click.argument("model")
@click.argument("test", type=click.Path(exists=True, dir_okay=False))
@click.option("--split", help="Of the column split: which rows of TEST.")
@click.option("-n", "n", default=10_000, show_default=True, help="Samples.")
@click.option("--temperature", type=float, help="Of the tokens.  [default: the model's own]")
@click.option("--prior", type=click.Choice(["learned", "standard"]))
@click.option("--seed", default=0, show_default=True)
@click.option("-o", "output", type=click.Path(), help="Folder for the picture.")
def main(
    model: str,
    test: str,
    split: str | None,
    n: int,
    temperature: float | None,
    prior: str | None,
    seed: int,
    output: str | None,
) -> None:
    """Measure a model."""
    columns = ["split"] if split else []
    rows = [r for r in read_molecules(test, extra_columns=columns) if not split or r.extra["split"] == split]
    known = [s for s in (canonical_smiles(r.smiles) for r in rows if r.smiles) if s]
    vae = molvae.load(model)
    how = {} if temperature is None else {"temperature": temperature}
    drawn = vae.draw(n, seed=seed, prior=prior, **how)
    samples(drawn.smiles, drawn.valid, known)
    reconstruction(vae, known)
    if not vae.model.latent.discrete:
        lines(vae, known)
        surroundings(vae, known)
    if output:
        draw_grid(drawn.smiles[:24], Path(output) / "samples.png", columns=6)


def samples(smiles: Sequence[str], valid: float, known: Sequence[str]) -> None:
    """Print what the samples are like beside the held-out molecules."""
    mine, theirs = describe_molecules(smiles, n_jobs=-1), describe_molecules(known, n_jobs=-1)
    reference = chemnet_statistics(chemnet_activations(known))
    fcd = frechet_distance(chemnet_statistics(chemnet_activations(smiles)), reference)
    table = [
        ("draws that are molecules", f"{valid:.3f}", ""),
        (f"unique, of {len(smiles):,}", f"{len(set(smiles)) / len(smiles):.4f}", ""),
        (f"FCD to {len(known):,} held-out molecules", f"{fcd:.3f}", ""),
        ("pass the filters", f"{mine.passes.mean():.4f}", f"{theirs.passes.mean():.4f}"),
        ("a ring above 8 atoms", f"{above_8(smiles):.4f}", f"{above_8(known):.4f}"),
        ("sound", f"{sound(smiles):.4f}", f"{sound(known):.4f}"),
    ]
    for i, name in enumerate(PROPERTIES):
        distance = wasserstein(theirs.properties[:, i], mine.properties[:, i])
        ours, given = (f"{x[:, i].mean():.3f} ± {x[:, i].std():.3f}" for x in (mine.properties, theirs.properties))
        table.append((f"{name} (Wasserstein distance {distance:.3f})", ours, given))
    show(("samples", "model", "held out"), table)


def reconstruction(vae: MoleculeGenerator, known: Sequence[str]) -> None:
    """Print how much comes back, greedily from the posterior mean."""
    frame = vae.reconstruct(known)
    table = [
        ("exact, of all rows", f"{frame['exact'].mean():.3f}"),
        ("mean Tanimoto similarity, of those that decode", f"{frame['tanimoto'].mean():.3f}"),
        ("rows with a reason", f"{(frame['reason'] != '').mean():.3f}"),
    ]
    show((f"reconstruction of {len(known):,}", ""), table)


def lines(vae: MoleculeGenerator, known: Sequence[str]) -> None:
    """Print what lies on straight lines between random pairs, decoded greedily."""
    rng = np.random.default_rng(0)
    pairs = rng.choice(len(known), (PAIRS, 2), replace=False)
    starts, ends = (vae.encode([known[i] for i in side]) for side in pairs.T)
    fractions = np.linspace(0, 1, STEPS)[None, :, None]
    points = starts[:, None] + fractions * (ends - starts)[:, None]
    decoded = np.array(vae.decode(points.reshape(PAIRS * STEPS, -1)), dtype=object).reshape(PAIRS, STEPS)
    near = [tanimoto(a, b) for path in decoded for a, b in itertools.pairwise(path) if a and b]
    distinct = [len(set(path) - {""}) for path in decoded]
    mols = [Chem.MolFromSmiles(s) for s in known[:1000]]
    table = [
        ("points that decode", f"{(decoded != '').mean():.3f}"),
        (f"distinct of {STEPS}", f"{np.mean(distinct):.2f}"),
        ("Tanimoto of neighbors", f"{np.mean(near):.3f}"),
        ("Spearman, latent with Tanimoto distance", f"{distance_correlation(vae.encode(known[:1000]), mols):.3f}"),
    ]
    show((f"straight lines between {PAIRS} pairs", ""), table)


def surroundings(vae: MoleculeGenerator, known: Sequence[str]) -> None:
    """Print what noise of a growing share of the latents' spread makes of molecules, decoded greedily."""
    starts = list(known[:500])
    z = vae.encode(starts)
    spread, rng = np.nanstd(z, axis=0), np.random.default_rng(1)
    table = []
    for share in NOISE:
        near = vae.decode((z + share * spread * rng.standard_normal(z.shape)).astype(np.float32))
        alike = [tanimoto(a, b) for a, b in zip(near, starts, strict=True) if a]
        same = np.mean([a == b for a, b in zip(near, starts, strict=True)])
        table.append((f"{share}", f"{np.mean([bool(a) for a in near]):.3f}", f"{np.mean(alike):.3f}", f"{same:.3f}"))
    show(("noise", "decode", "Tanimoto to the start", "the start itself"), table)


def above_8(smiles: Sequence[str]) -> float:
    """Share of molecules with a ring of more than 8 atoms."""
    mols = [Chem.MolFromSmiles(s) for s in smiles]  # kept: a ring info does not outlive its molecule
    largest = [max(map(len, mol.GetRingInfo().AtomRings()), default=0) for mol in mols]
    return float(np.mean(np.array(largest) > 8))


def sound(smiles: Sequence[str]) -> float:
    """Share of sound molecules."""
    return float(np.mean([is_sound(Chem.MolFromSmiles(s)) for s in smiles]))


def show(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a Markdown table."""
    print("| " + " | ".join(header) + " |")
    print("| --- |" + " ---: |" * (len(header) - 1))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print()


if __name__ == "__main__":
    main()
