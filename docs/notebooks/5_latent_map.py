# %% [markdown]
# # A map of the latent

# %%
import gzip
import itertools

import molvae
from molvae.evaluation.geometry import latent_geometry, measure_molecules
from molvae.report.latent_map import project
from molvae.training.config import sample_folder

vae = molvae.load("zinc")
with gzip.open(sample_folder() / "zinc_sample.csv.gz", "rt") as file:
    smiles = [line.split(",")[0] for line in itertools.islice(file, 1, 301)]
measured = measure_molecules(vae, smiles, descriptor_set=("logp", "tpsa", "mw"))
points, axes = project(measured.z)

# %%
import matplotlib.pyplot as plt

plt.scatter(*points.T, c=measured.descriptors[:, 0], s=8)
plt.xlabel(axes[0])
plt.ylabel(axes[1])
plt.colorbar(label="logP")
# %% [markdown]
# How the space relates to chemistry, in numbers:

# %%
geometry = latent_geometry(vae, measured)
print(f"Spearman correlation of latent with Tanimoto distance: {geometry.tanimoto_correlation:.2f}")
geometry.probe_r2

# %% [markdown]
# A path between two molecules, and walks away from one:

# %%
vae.interpolate("CC(=O)Nc1ccc(O)cc1", "CC(=O)Oc1ccccc1C(=O)O", steps=6).grid()

# %%
vae.neighbors("CC(=O)Nc1ccc(O)cc1", walks=2, steps=5, seed=0).grid()
