# %% [markdown]
# # Optimize with an objective of my own
#
# An objective is a function from a list of SMILES to numbers. Here: a logP near 2.5, and a carboxylic acid.

# %%
import numpy as np
from rdkit import Chem
from rdkit.Chem import Crippen

import molvae

ACID = Chem.MolFromSmarts("C(=O)[OH]")


def score(smiles: list[str]) -> list[float]:
    mols = [Chem.MolFromSmiles(s) for s in smiles]
    return [np.exp(-abs(Crippen.MolLogP(m) - 2.5)) * (1.0 if m.HasSubstructMatch(ACID) else 0.3) for m in mols]


vae = molvae.load("zinc")
found = vae.optimize(score, n_calls=150, method="evolution", finetune=False, start=["CC(=O)Oc1ccccc1C(=O)O"], seed=0)
found.head()

# %%
found.grid(10, legend=["score", "call"])

# %% [markdown]
# The best score so far, against the molecules that were scored:

# %%
found.sort_values("call").score.cummax().reset_index(drop=True).plot(xlabel="calls", ylabel="best score")

# %% [markdown]
# A model of yours is an objective too: fit any regressor on `LatentFeaturizer` features and return `model.predict(smiles)`. With
# `record="search.jsonl"` each call is kept as it is made, and `molvae report search.jsonl` draws the search.
