"""Run: python scripts/bench/surroundings.py MODEL test.csv.gz [--split test] [-o runs/space].

What `neighbors` finds around twelve drugs, and what `interpolate` finds between random pairs of held-out molecules:
the share of steps that are new, sound molecules, how similarity falls with distance, how large the steps are. Prints
Markdown tables; with -o pictures of the surroundings of six drugs and of three paths.
"""

from itertools import pairwise
from pathlib import Path

import click
import numpy as np
import pandas as pd
from rdkit import Chem
from scipy.stats import spearmanr

import molvae
from molvae.chem.similarity import tanimoto
from molvae.chem.soundness import is_sound
from molvae.formats.readers import read_molecules
from molvae.generator import MoleculeGenerator
from molvae.report.grid import draw_grid

DRUGS = {
    "aspirin": "CC(=O)Oc1ccccc1C(=O)O",
    "ibuprofen": "CC(C)Cc1ccc(C(C)C(=O)O)cc1",
    "paracetamol": "CC(=O)Nc1ccc(O)cc1",
    "caffeine": "Cn1c(=O)c2c(ncn2C)n(C)c1=O",
    "celecoxib": "Cc1ccc(-c2cc(C(F)(F)F)nn2-c2ccc(S(N)(=O)=O)cc2)cc1",
    "diazepam": "CN1C(=O)CN=C(c2ccccc2)c2cc(Cl)ccc21",
    "sildenafil": "CCCc1nn(C)c2c(=O)[nH]c(-c3cc(S(=O)(=O)N4CCN(C)CC4)ccc3OCC)nc12",
    "gefitinib": "COc1cc2ncnc(Nc3ccc(F)c(Cl)c3)c2cc1OCCCN1CCOCC1",
    "rivaroxaban": "O=C(NCC1CN(c2ccc(N3CCOCC3=O)cc2)C(=O)O1)c1ccc(Cl)s1",
    "omeprazole": "COc1ccc2[nH]c(S(=O)Cc3ncc(C)c(OC)c3C)nc2c1",
    "fluoxetine": "CNCCC(Oc1ccc(C(F)(F)F)cc1)c1ccccc1",
    "lidocaine": "CCN(CC)CC(=O)Nc1c(C)cccc1C",
}
WALKS, STEPS = 7, 6  # 35 molecules around each drug
PAIRS, PLACES = 100, 9
PICTURES = 3  # of paths; twice as many of surroundings


@click.command()
@click.argument("model")
@click.argument("test", type=click.Path(exists=True, dir_okay=False))
@click.option("--split", help="Of the column split: which rows of TEST.")
@click.option("--pairs", default=PAIRS, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("-o", "output", type=click.Path(path_type=Path), help="Folder for the pictures.")
def main(model: str, test: str, split: str | None, pairs: int, seed: int, output: Path | None) -> None:
    """Measure a model."""
    vae = molvae.load(model)
    around_drugs(vae, seed, output)
    columns = ["split"] if split else []
    rows = read_molecules(test, extra_columns=columns)
    known = [r.smiles for r in rows if r.smiles and (not split or r.extra["split"] == split)]
    between_pairs(vae, known, pairs, seed, output)


def around_drugs(vae: MoleculeGenerator, seed: int, output: Path | None) -> None:
    """Print what the walks away from the drugs are like."""
    found = pd.concat(
        vae.neighbors(smiles, walks=WALKS, steps=STEPS, seed=seed).assign(drug=name) for name, smiles in DRUGS.items()
    )
    steps = found[found["status"] != "start"]
    new = steps[steps["status"] == "new"]
    distinct = new.drop_duplicates(["drug", "smiles"])
    sound = np.mean([is_sound(Chem.MolFromSmiles(s)) for s in new["smiles"]])
    nearest = new[np.isclose(new["distance"], new["distance"].min())]
    per_drug = [spearmanr(part["distance"], part["tanimoto_to_start"])[0] for _, part in new.groupby("drug")]
    print(f"{len(DRUGS)} drugs, {WALKS * (STEPS - 1)} molecules asked around each:\n")
    print("| of the steps | |\n| --- | ---: |")
    print(f"| new, distinct and sound | {len(distinct) / len(steps) * sound:.3f} |")
    print(f"| copies; none | {(steps['status'] == 'copy').sum()}; {(steps['status'] == 'none').sum()} |")
    print(f"| Spearman of step and similarity, all; mean of the drugs | {_fall(new):.2f}; {np.mean(per_drug):.2f} |")
    print(f"| mean Tanimoto of the nearest ring | {nearest['tanimoto_to_start'].mean():.2f} |")
    rings = ", ".join(f"{v:.2f}" for v in new.groupby("distance")["tanimoto_to_start"].mean())
    print(f"| of each ring, from the nearest | {rings} |\n")
    if output is not None:
        for name in list(DRUGS)[: 2 * PICTURES]:
            mine = found[(found["drug"] == name)].head(3 * STEPS)
            legends = [f"{d:.1f}  {t:.2f}" for d, t in zip(mine["distance"], mine["tanimoto_to_start"], strict=True)]
            draw_grid(mine["smiles"].tolist(), output / f"{name}.png", legends=legends, columns=STEPS)


def _fall(new: pd.DataFrame) -> float:
    return float(spearmanr(new["distance"], new["tanimoto_to_start"])[0])


def between_pairs(vae: MoleculeGenerator, known: list[str], pairs: int, seed: int, output: Path | None) -> None:
    """Print what the paths between pairs of held-out molecules are like."""
    order = np.random.default_rng(seed).permutation(len(known))[: 3 * pairs]
    drawn = [known[i] for i in order]
    usable = [s for s, reason in zip(drawn, vae.encode_rows(drawn).reasons, strict=True) if not reason]
    ends = list(zip(usable[:pairs], usable[pairs : 2 * pairs], strict=False))
    paths = [vae.interpolate(a, b, steps=PLACES) for a, b in ends]
    between = [s for path in paths for s in path["smiles"].iloc[1:-1]]
    mols = [Chem.MolFromSmiles(s) for s in between if s]
    near = [tanimoto(a, b) for path in paths for a, b in pairwise(s for s in path["smiles"] if s)]
    rings = [max(map(len, mol.GetRingInfo().AtomRings()), default=0) for mol in mols]
    sound = sum(is_sound(mol) for mol in mols) / len(between)
    distinct = np.mean([len(set(path["smiles"]) - {""}) for path in paths])
    print(f"{len(paths)} paths of {PLACES} molecules:\n\n| | |\n| --- | ---: |")
    print(f"| valid and sound, of the places between the ends | {sound:.3f} |")
    print(f"| distinct of {PLACES} | {distinct:.2f} |")
    print(f"| Tanimoto of neighbors | {np.mean(near):.3f} |")
    print(f"| largest ring | {max(rings, default=0)} |")
    if output is not None:
        for i, path in enumerate(paths[:PICTURES]):
            legends = [f"{v:.2f}" for v in path["fraction"]]
            draw_grid(path["smiles"].tolist(), output / f"path{i + 1}.png", legends=legends, columns=3)


if __name__ == "__main__":
    main()
