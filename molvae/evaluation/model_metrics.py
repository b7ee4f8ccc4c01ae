"""What a trained model is worth beside its samples: reconstruction, bounds on the likelihood, latent use, heads."""

from collections.abc import Sequence

import numpy as np
import torch

from molvae.chem.descriptors import DESCRIPTORS, descriptors
from molvae.chem.parse import parse_smiles
from molvae.generator import MoleculeGenerator
from molvae.nn.likelihood import importance_weights, iwae_bound
from molvae.progress import SILENT, Progress

SAMPLES = 100  # posterior samples of the tightest bound
BATCH = 250


def model_metrics(
    vae: MoleculeGenerator,
    smiles: Sequence[str],
    *,
    n_reconstructed: int = 5000,
    n_bounded: int = 500,
    seed: int = 0,
    progress: Progress = SILENT,
) -> dict[str, float]:
    """Figures of a model on molecules it was not trained on, by name.

    Args:
        vae: a trained model.
        smiles: held-out molecules, of which a random part is taken.
        n_reconstructed: molecules for reconstruction, latent use and heads, at most.
        n_bounded: molecules for the bounds, at most.
        seed: of that part, and of the posterior samples.
        progress: reports molecules done.

    Returns:
        `encodable`: share that the vocabulary can write; `exact`, `Tanimoto`: greedy reconstruction from the mean, of
        those; `active units`; `nelbo`, `IWAE 10` and `IWAE 100`: negative bounds with the prior that `sample` uses, in
        nats per molecule (of VQ codes `nelbo` alone, exact for the one code); `R² NAME` of every head whose property
        RDKit can compute.
    """
    chosen = np.sort(np.random.default_rng(seed).permutation(len(smiles))[:n_reconstructed])
    rebuilt = vae.reconstruct([smiles[i] for i in chosen], progress=progress)
    usable = rebuilt[rebuilt["reason"] == ""]
    values = {"encodable": len(usable) / max(len(rebuilt), 1)}
    if not len(usable):
        return values
    values |= {"exact": float(usable["exact"].mean()), "Tanimoto": float(usable["tanimoto"].mean())}
    spelled = vae.tokenizer.tokenize_many(usable["standardized"].tolist())
    batches = [vae.batch(spelled[first : first + BATCH]) for first in range(0, len(spelled), BATCH)]
    with torch.no_grad():
        h = torch.cat([vae.model.encoder(batch) for batch in batches])
    values["active units"] = float(vae.model.latent.summarize(h).active_units)
    values |= _bounds(vae, spelled[:n_bounded], seed=seed, progress=progress)
    with torch.no_grad():
        predicted = vae.model.heads.predict(vae.model.latent(h).mean).cpu().numpy()
    values |= _head_r2(vae.model.heads.names, predicted, usable["standardized"].tolist())
    return values


def _bounds(vae: MoleculeGenerator, spelled: Sequence, *, seed: int, progress: Progress) -> dict[str, float]:
    prior = vae.default_prior
    k = 1 if vae.model.latent.discrete else SAMPLES
    generator = torch.Generator(device=vae.device).manual_seed(seed)
    weights = []
    with progress.stage("Bounds", total=len(spelled)) as stage:
        for first in range(0, len(spelled), BATCH):
            batch = vae.batch(spelled[first : first + BATCH])
            weights.append(importance_weights(vae.model, prior, batch, k=k, generator=generator))
            stage.advance(len(batch))
    joined = torch.cat(weights)
    names = {1: "nelbo", 10: "IWAE 10", 100: "IWAE 100"}
    return {name: -float(iwae_bound(joined, n).mean()) for n, name in names.items() if n <= k}


def _head_r2(heads: Sequence[str], predicted: np.ndarray, smiles: Sequence[str]) -> dict[str, float]:
    names = [name for name in heads if name in DESCRIPTORS]
    if not names:
        return {}
    predicted = predicted[:, [heads.index(name) for name in names]]
    mols = [parse_smiles(text) for text in smiles]
    true = np.stack([descriptors(mol, names) for mol in mols if mol is not None])
    residual, total = ((true - predicted) ** 2).sum(0), ((true - true.mean(0)) ** 2).sum(0)
    return {
        f"R² {name}": float(1 - r / t) if t else float("nan") for name, r, t in zip(names, residual, total, strict=True)
    }
