# %% [markdown]
# # Sample and look
#
# A model shows what it is, and six molecules drawn from it.

# %%
import molvae

vae = molvae.load("moses")
vae

# %% [markdown]
# `sample` gives canonical SMILES, exactly as many as were asked for; the same seed gives the same ones.

# %%
smiles = vae.sample(12, unique=True, novel=True, seed=1)
molvae.grid(smiles, columns=6)

# %% [markdown]
# A lower temperature of the latents gives likelier molecules with less variety.

# %%
for temperature in (0.7, 1.0, 1.3):
    drawn = vae.draw(100, latent_temperature=temperature, seed=0)
    print(
        f"temperature {temperature}: {drawn.valid:.0%} of the draws are molecules, {len(set(drawn.smiles))} of 100 differ"
    )

# %% [markdown]
# The way there and back: what the model keeps of a molecule.

# %%
molvae.load("zinc").reconstruct(["CC(=O)Nc1ccc(O)cc1", "C[C@H](N)Cc1ccccc1", "CC(=O)[O-].[Na+]"]).grid(legend=None)
