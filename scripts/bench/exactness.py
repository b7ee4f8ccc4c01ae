"""Run: python scripts/bench/exactness.py MODEL test.csv.gz [-n 5000].

How many molecules of each kind and size a model can read, and how many come back exactly, their stereo counted: from z
alone, greedily, and from z with its anchor (`molvae.nn.decoders.base.Anchors`). Prints a table for a card.
"""

from collections.abc import Callable

import click
import numpy as np
from rdkit import Chem

import molvae
from molvae.chem.parse import parse_smiles
from molvae.formats.readers import read_molecules
from molvae.inference.sampling import anchors_of, decode

KINDS: dict[str, Callable[[Chem.Mol], bool]] = {
    "all": lambda mol: True,
    "stereo": lambda mol: any(mark in Chem.MolToSmiles(mol) for mark in "@/\\"),
    "charged atoms": lambda mol: any(atom.GetFormalCharge() for atom in mol.GetAtoms()),
    "several parts": lambda mol: len(Chem.GetMolFrags(mol)) > 1,
    "no ring": lambda mol: mol.GetRingInfo().NumRings() == 0,
    "five rings or more": lambda mol: mol.GetRingInfo().NumRings() >= 5,
    "up to 10 heavy atoms": lambda mol: mol.GetNumHeavyAtoms() <= 10,
    "11 to 20": lambda mol: 11 <= mol.GetNumHeavyAtoms() <= 20,
    "21 to 30": lambda mol: 21 <= mol.GetNumHeavyAtoms() <= 30,
    "31 to 50": lambda mol: 31 <= mol.GetNumHeavyAtoms() <= 50,
    "51 and more": lambda mol: mol.GetNumHeavyAtoms() > 50,
}


@click.command()
@click.argument("model")
@click.argument("test", type=click.Path(exists=True, dir_okay=False))
@click.option("--split", help="Of the column split: which rows of TEST.")
@click.option("-n", "n", default=5000, show_default=True, help="Molecules, drawn at random.")
@click.option("--seed", default=0, show_default=True)
def main(model: str, test: str, split: str | None, n: int, seed: int) -> None:
    """Measure a model."""
    columns = ["split"] if split else []
    rows = [
        r.smiles or "" for r in read_molecules(test, extra_columns=columns) if not split or r.extra["split"] == split
    ]
    chosen = [rows[i] for i in np.random.default_rng(seed).permutation(len(rows))[:n]]
    mols = [parse_smiles(smiles) for smiles in chosen]
    vae = molvae.load(model)
    frame = vae.reconstruct(chosen)
    read = frame["standardized"].ne("") & frame["reason"].isin(["", "not_decoded"])
    anchored = np.zeros(len(frame), dtype=bool)
    usable = np.flatnonzero(read)
    smiles = frame["standardized"].to_numpy()[usable].tolist()
    z = vae.encode(smiles)
    back = decode(vae, z, anchors=anchors_of(vae, smiles, z))
    kept = frame["lost"].eq("").to_numpy()[usable]
    anchored[usable] = [a == b for a, b in zip(back, smiles, strict=True)] & kept
    print("| molecules | n | read | exact from z | Tanimoto | exact with the anchor |\n| --- |" + " ---: |" * 5)
    for kind, belongs in KINDS.items():
        mine = np.array([mol is not None and belongs(mol) for mol in mols])
        if not mine.any():
            continue
        part = frame[mine]
        shares = [read[mine].mean(), part["exact"].mean(), part["tanimoto"].mean(), anchored[mine].mean()]
        print(f"| {kind} | {mine.sum():,} | " + " | ".join(f"{share:.3f}" for share in shares) + " |")


if __name__ == "__main__":
    main()
