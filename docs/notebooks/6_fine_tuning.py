# %% [markdown]
# # Fine-tuning
#
# 200 anilides stand for a series of yours. The shipped model goes on training on them.

# %%
import csv
import gzip
from pathlib import Path

from rdkit import Chem

from molvae.training.config import sample_folder

ANILIDE = Chem.MolFromSmarts("c[NH]C(=O)C")
with gzip.open(sample_folder() / "zinc_sample.csv.gz", "rt") as file:
    rows = (row["smiles"] for row in csv.DictReader(file))
    series = []
    while len(series) < 200:
        if (mol := Chem.MolFromSmiles(next(rows))).HasSubstructMatch(ANILIDE):
            series.append(Chem.MolToSmiles(mol))
Path("series.smi").write_text("\n".join(series) + "\n")
# %%
# !molvae finetune zinc series.smi -o tuned --max-time 00:00:20 -q

# %%
import molvae


def share(model: str) -> float:
    drawn = molvae.load(model).sample(200, seed=0)
    return sum(Chem.MolFromSmiles(s).HasSubstructMatch(ANILIDE) for s in drawn) / len(drawn)


print(f"anilides among 200 samples: {share('zinc'):.0%} before, {share('tuned'):.0%} after")

# %%
molvae.grid(molvae.load("tuned").sample(10, seed=0))
