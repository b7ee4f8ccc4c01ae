# %% [markdown]
# # Train on my CSV
#
# 2,000 molecules of the shipped sample stand for yours. Any mix of CSV, SMI, SDF and Parquet will do.

# %%
import gzip
import itertools
from pathlib import Path

import pandas as pd

from molvae.training.config import sample_folder

with gzip.open(sample_folder() / "zinc_sample.csv.gz", "rt") as file:
    Path("library.csv").write_text("".join(itertools.islice(file, 2001)).replace(",train", ","))
pd.read_csv("library.csv").head(3)

# %% [markdown]
# One command prepares the molecules, accounts for every row, trains within the time given, and measures. Ten seconds are for this
# page; an hour is a good beginning.

# %%
# !molvae train library.csv -o mine --max-time 00:00:10 -q && ls mine mine/model

# %% [markdown]
# Its curves, the use of its latent, reconstructions and samples are in one page:

# %%
# !molvae report mine -o mine.html -q && ls -s mine.html

# %%
import molvae

vae = molvae.load("mine")
latent = vae.diagnostics["latent"]
print(
    f"reconstruction {latent['reconstruction']:.1f} nats, KL {latent['kl']:.1f}, {latent['active_units']} active units"
)

# %% [markdown]
# After ten seconds it hardly writes molecules yet, and says so.

# %%
try:
    picture = molvae.grid(vae.sample(6, seed=0))
except molvae.errors.MolvaeError as error:
    picture = str(error)
picture
