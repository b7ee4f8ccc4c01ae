"""Run: python scripts/bench/novelty.py zinc [--data ../shared/data] [-n 1000].

Novelty scores as an outlier test: natural products, known peptides, random peptides, macrocycles and random SELFIES
against held-out ZINC molecules, as AUROC of the negative ELBO per symbol, which the score is the percentile of. The
whole negative ELBO and the number of heavy atoms alone are printed beside it, because large molecules are less likely.
Molecules that the model cannot read are outside its vocabulary; they are counted, and the AUROC is given without them
and with them, on both sides, as the most novel. A second table compares the four kinds of novelty.
"""

from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import click
import numpy as np
import pandas as pd
import selfies
from sklearn.metrics import roc_auc_score

import molvae
from molvae.chem.parse import parse_smiles
from molvae.inference.likelihood import NOVELTY, novelty

RANDOM_PEPTIDES = 200
NATURAL_PRODUCTS = {
    "caffeine": "Cn1cnc2c1c(=O)n(C)c(=O)n2C",
    "nicotine": "CN1CCC[C@H]1c1cccnc1",
    "camphor": "CC1(C)C2CCC1(C)C(=O)C2",
    "menthol": "CC(C)C1CCC(C)CC1O",
    "limonene": "CC1=CCC(CC1)C(C)=C",
    "vanillin": "COc1cc(C=O)ccc1O",
    "capsaicin": "COc1cc(CNC(=O)CCCCC=CC(C)C)ccc1O",
    "curcumin": "COc1cc(C=CC(=O)CC(=O)C=Cc2ccc(O)c(OC)c2)ccc1O",
    "resveratrol": "Oc1ccc(C=Cc2cc(O)cc(O)c2)cc1",
    "quercetin": "O=c1c(O)c(-c2ccc(O)c(O)c2)oc2cc(O)cc(O)c12",
    "catechin": "Oc1cc(O)c2c(c1)OC(c1ccc(O)c(O)c1)C(O)C2",
    "naringenin": "O=C1CC(c2ccc(O)cc2)Oc2cc(O)cc(O)c12",
    "morphine": "CN1CCC23C4Oc5c(O)ccc(CC1C2C=CC4O)c53",
    "codeine": "COc1ccc2c3c1OC1C(O)C=CC4C(C2)N(C)CCC341",
    "quinine": "COc1ccc2nccc(C(O)C3CC4CCN3CC4C=C)c2c1",
    "cocaine": "COC(=O)C1C(OC(=O)c2ccccc2)CC2CCC1N2C",
    "atropine": "CN1C2CCC1CC(OC(=O)C(CO)c1ccccc1)C2",
    "colchicine": "COc1cc2c(c(OC)c1OC)-c1ccc(OC)c(=O)cc1C(NC(C)=O)CC2",
    "cholesterol": "CC(C)CCCC(C)C1CCC2C3CC=C4CC(O)CCC4(C)C3CCC12C",
    "testosterone": "CC12CCC3C(CCC4=CC(=O)CCC43C)C1CCC2O",
    "progesterone": "CC(=O)C1CCC2C3CCC4=CC(=O)CCC4(C)C3CCC12C",
    "estradiol": "CC12CCC3c4ccc(O)cc4CCC3C1CCC2O",
    "cortisol": "CC12CCC(=O)C=C1CCC1C2C(O)CC2(C)C1CCC2(O)C(=O)CO",
    "retinol": "CC(C=CC1=C(C)CCCC1(C)C)=CC=CC(C)=CCO",
    "beta-carotene": "CC(C=CC=C(C)C=CC1=C(C)CCCC1(C)C)=CC=CC=C(C)C=CC=C(C)C=CC1=C(C)CCCC1(C)C",
    "squalene": "CC(C)=CCCC(C)=CCCC(C)=CCCC=C(C)CCC=C(C)CCC=C(C)C",
    "artemisinin": "CC1CCC2C(C)C(=O)OC3OC4(C)CCC1C23OO4",
    "penicillin G": "CC1(C)SC2C(NC(=O)Cc3ccccc3)C(=O)N2C1C(=O)O",
    "glucose": "OCC1OC(O)C(O)C(O)C1O",
    "sucrose": "OCC1OC(OC2(CO)OC(CO)C(O)C2O)C(O)C(O)C1O",
    "adenosine": "Nc1ncnc2c1ncn2C1OC(CO)C(O)C1O",
    "palmitic acid": "CCCCCCCCCCCCCCCC(=O)O",
    "podophyllotoxin": "COc1cc(C2C3C(COC3=O)C(O)c3cc4c(cc23)OCO4)cc(OC)c1OC",
    "camptothecin": "CCC1(O)C(=O)OCc2c1cc1-c3nc4ccccc4cc3Cn1c2=O",
}
RESIDUES = {  # side chains of -NH-CH(R)-CO-
    "G": "NCC(=O)",
    "A": "NC(C)C(=O)",
    "V": "NC(C(C)C)C(=O)",
    "L": "NC(CC(C)C)C(=O)",
    "I": "NC(C(C)CC)C(=O)",
    "F": "NC(Cc1ccccc1)C(=O)",
    "Y": "NC(Cc1ccc(O)cc1)C(=O)",
    "W": "NC(Cc1c[nH]c2ccccc12)C(=O)",
    "S": "NC(CO)C(=O)",
    "T": "NC(C(C)O)C(=O)",
    "D": "NC(CC(=O)O)C(=O)",
    "E": "NC(CCC(=O)O)C(=O)",
    "N": "NC(CC(N)=O)C(=O)",
    "Q": "NC(CCC(N)=O)C(=O)",
    "K": "NC(CCCCN)C(=O)",
    "R": "NC(CCCNC(=N)N)C(=O)",
    "M": "NC(CCSC)C(=O)",
    "H": "NC(Cc1cnc[nH]1)C(=O)",
    "P": "N1CCCC1C(=O)",
}
MACROCYCLES = {
    "muscone": "CC1CCCCCCCCCCCCC(=O)C1",
    "exaltolide": "O=C1CCCCCCCCCCCCCCO1",
    "zearalenone": "CC1CCCC(=O)CCCC=Cc2cc(O)cc(O)c2C(=O)O1",
    "radicicol": "CC1CC2OC2C=CC=CC(=O)Cc2c(Cl)c(O)cc(O)c2C(=O)O1",
    "erythromycin": (
        "CCC1OC(=O)C(C)C(OC2CC(C)(OC)C(O)C(C)O2)C(C)C(OC2OC(C)CC(N(C)C)C2O)C(C)(O)CC(C)C(=O)C(C)C(O)C1(C)O"
    ),
    "epothilone A": "CC(=Cc1csc(C)n1)C1CC2OC2CCCC(C)C(O)C(C)C(=O)C(C)(C)C(O)CC(=O)O1",
    "brefeldin A": "CC1CCCC=CC2CC(O)CC2C(O)C=CC(=O)O1",
    "18-crown-6": "C1COCCOCCOCCOCCOCCO1",
    "cyclam": "C1CNCCNCCCNCCNC1",
    "lactam 15": "O=C1CCCCCCCCCCCCCCN1",
}
"""Rings of 13 and more atoms."""
RANDOM_SELFIES = 200
PEPTIDES = {
    "Met-enkephalin": "YGGFM",
    "Leu-enkephalin": "YGGFL",
    "tuftsin": "TKPR",
    "bradykinin": "RPPGFSPFR",
    "endomorphin-1 acid": "YPWF",
    "fibronectin 1493-1496": "RGDS",
    "angiotensin II": "DRVYIHPF",
    "GHK": "GHK",
    "beta-casomorphin 7": "YPFPGPI",
    "kentsin": "TPRK",
}


def peptide(letters: str) -> str:
    """SMILES of a linear peptide without stereochemistry."""
    return "".join(RESIDUES[letter] for letter in letters) + "O"


def random_peptides(n: int, rng: np.random.Generator) -> list[str]:
    """SMILES of peptides of three to eight residues."""
    letters = list(RESIDUES)
    return [peptide("".join(rng.choice(letters, size=rng.integers(3, 9)))) for _ in range(n)]


def random_selfies(n: int, rng: np.random.Generator) -> list[str]:
    """SMILES of random strings of 15 to 40 SELFIES symbols, which hardly any chemist would draw."""
    symbols = sorted(selfies.get_semantic_robust_alphabet())
    texts = ["".join(rng.choice(symbols, size=rng.integers(15, 41))) for _ in range(20 * n)]
    smiles = [selfies.decoder(text) for text in texts]
    return [s for s in smiles if parse_smiles(s).GetNumHeavyAtoms() >= 10][:n]


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path), default="../shared/data", show_default=True)
@click.option("-n", "n", default=1000, show_default=True, help="Held-out molecules.")
@click.option("--device", default="cpu", show_default=True)
def main(model: Path, data: Path, n: int, device: str) -> None:
    """Print the table."""
    file = data / "zinc250k.csv.gz"
    if not file.is_file():
        click.echo(f"{file} is not there: nothing to do; name its folder with --data", err=True)
        return
    frame = pd.read_csv(file)
    zinc = frame.loc[frame["split"] == "test", "smiles"].sample(2 * n, random_state=0).tolist()
    reference, held_out = zinc[:n], zinc[n:]
    vae = molvae.load(model, device=device)
    sets = {
        "held-out ZINC": held_out,
        "natural products": list(NATURAL_PRODUCTS.values()),
        "peptides": [peptide(letters) for letters in PEPTIDES.values()],
        "random peptides": random_peptides(RANDOM_PEPTIDES, np.random.default_rng(0)),
        "macrocycles": list(MACROCYCLES.values()),
        "random SELFIES": random_selfies(RANDOM_SELFIES, np.random.default_rng(0)),
    }
    scored = Scored.of(vae, list(chain.from_iterable(sets.values())), reference)
    ends = np.cumsum([len(smiles) for smiles in sets.values()])
    usual = scored[: ends[0]]
    print("| outliers | molecules | unreadable | median percentile | AUROC | with unreadable | whole | size alone |")
    print("| --- |" + " ---: |" * 7)
    for name, first, end in zip(sets, (0, *ends), ends, strict=False):
        print(row(name, scored[first:end], usual))
    print()
    print("| AUROC | " + " | ".join(NOVELTY) + " |")
    print("| --- |" + " ---: |" * len(NOVELTY))
    by_kind = {
        kind: {name: novelty(vae, smiles, kind=kind, reference=reference) for name, smiles in sets.items()}
        for kind in NOVELTY
    }
    for name in list(sets)[1:]:
        numbers = (auroc(values[name], values["held-out ZINC"]) for values in by_kind.values())
        print(f"| {name} | " + " | ".join(f"{number:.3f}" for number in numbers) + " |")


@dataclass(frozen=True)
class Scored:
    """Molecules' novelty, negative ELBO, negative ELBO per symbol and heavy atoms, each `(n,)`."""

    novelty: np.ndarray
    elbo: np.ndarray
    per_symbol: np.ndarray
    atoms: np.ndarray

    @classmethod
    def of(cls, vae: molvae.MoleculeGenerator, smiles: list[str], reference: list[str]) -> "Scored":
        """Score molecules."""
        standard = [molecule.smiles or "" for molecule in map(vae.standardizer.apply, smiles)]
        symbols = np.array([max(len(vae.notation.to_symbols(s)), 1) for s in standard])
        elbo = vae.negative_elbo(smiles)
        atoms = np.array([float(parse_smiles(s).GetNumHeavyAtoms()) for s in smiles])
        return cls(vae.novelty_score(smiles, reference=reference), elbo, elbo / symbols, atoms)

    def __getitem__(self, rows: slice) -> "Scored":
        """Some of the molecules."""
        return Scored(self.novelty[rows], self.elbo[rows], self.per_symbol[rows], self.atoms[rows])


def row(name: str, outliers: Scored, usual: Scored) -> str:
    """One line of the table."""
    values, known = outliers.per_symbol, usual.per_symbol
    largest = max(np.nanmax(values), np.nanmax(known)) + 1
    columns = [
        auroc(values, known),
        auroc(np.nan_to_num(values, nan=largest), np.nan_to_num(known, nan=largest)),
        auroc(outliers.elbo, usual.elbo),
        auroc(outliers.atoms, usual.atoms),
    ]
    numbers = " | ".join(f"{c:.3f}" for c in columns)
    unread = int(np.isnan(values).sum())
    return f"| {name} | {len(values)} | {unread} | {np.nanmedian(outliers.novelty):.0f} | {numbers} |"


def auroc(outliers: np.ndarray, usual: np.ndarray) -> float:
    """How often an outlier has the larger value; molecules without a value are left out."""
    values = np.concatenate([outliers, usual])
    labels = np.repeat([1, 0], [len(outliers), len(usual)])
    known = np.isfinite(values)
    return roc_auc_score(labels[known], values[known])


if __name__ == "__main__":
    main()
