"""Metrics of a trained model apart from its samples: reconstruction, likelihood bounds, use of the latent, heads."""

from collections.abc import Sequence

import numpy as np
import torch

from molvae.chem.descriptors import DESCRIPTORS, descriptors
from molvae.chem.parse import parse_smiles
from molvae.data.tokenizer import TokenizedMolecule
from molvae.inference.encoding import ENCODED, reconstruct
from molvae.inference.loaded import LoadedModel
from molvae.nn.likelihood import importance_weights, iwae_bound
from molvae.progress import SILENT, Progress
from molvae.scoring.regression import r_squared

SAMPLES = 100  # posterior samples of the tightest bound
BATCH = 250


def model_metrics(
    vae: LoadedModel,
    smiles: Sequence[str],
    *,
    n_reconstructed: int = 5000,
    n_bounded: int = 500,
    seed: int = 0,
    progress: Progress = SILENT,
) -> dict[str, float]:
    """Metrics of a model on molecules it was not trained on, by name.

    Args:
        vae: a trained model.
        smiles: held-out molecules, of which a random part is taken.
        n_reconstructed: molecules for reconstruction, latent use and heads, at most.
        n_bounded: molecules for the bounds, at most.
        seed: of the random part and the posterior samples.
        progress: reports molecules done.

    Returns:
        `encodable`: share that the model can read; `exact`, `Tanimoto`: greedy reconstruction of the standard form from
        the mean, of those (0 where it decodes to nothing); `active units`; `nelbo`, `IWAE 10` and `IWAE 100`: negative
        bounds on the log-likelihood with the prior that `sample` uses, in nats per molecule (Burda et al. 2016; for VQ
        codes only `nelbo`, the exact negative log-likelihood of molecule and codes; without a posterior that has an
        entropy none); `R² NAME` of every head whose
        property RDKit can compute.
    """
    chosen = np.sort(np.random.default_rng(seed).permutation(len(smiles))[:n_reconstructed])
    rebuilt = reconstruct(vae, [smiles[i] for i in chosen], progress=progress)
    usable = rebuilt[rebuilt["reason"].isin(ENCODED)]
    values = {"encodable": len(usable) / max(len(rebuilt), 1)}
    if not len(usable):
        return values
    standard = usable["standardized"].tolist()
    values |= {
        "exact": float((usable["reconstruction"] == usable["standardized"]).mean()),
        "Tanimoto": float(usable["tanimoto"].fillna(0.0).mean()),
    }
    tokenized, latent = vae.tokenize(standard), vae.model.latent
    h = torch.from_numpy(vae.per_molecule(tokenized, vae.model.encoder, vae.model.encoder.h_dim)).to(vae.device)
    values["active units"] = float(latent.summarize(h).active_units)
    if latent.bounded:
        values |= _bounds(vae, tokenized[:n_bounded], seed=seed, progress=progress)
    with torch.no_grad():
        predicted = vae.model.heads.predict(latent(h).mean).cpu().numpy()
    return values | _head_r2(vae.model.heads.names, predicted, standard)


def _bounds(
    vae: LoadedModel, tokenized: Sequence[TokenizedMolecule], *, seed: int, progress: Progress
) -> dict[str, float]:
    prior, generator = vae.default_prior, vae.generator(seed)
    k = 1 if vae.model.latent.discrete else SAMPLES
    with progress.stage("Bounds", total=len(tokenized)) as stage:
        weights = vae.per_molecule(
            tokenized,
            lambda batch: importance_weights(vae.model, prior, batch, k=k, generator=generator),
            k,
            batch_size=BATCH,
            advance=stage.advance,
        )
    names = {1: "nelbo", 10: "IWAE 10", 100: "IWAE 100"}
    return {name: -float(iwae_bound(torch.from_numpy(weights), n).mean()) for n, name in names.items() if n <= k}


def _head_r2(heads: Sequence[str], predicted: np.ndarray, smiles: Sequence[str]) -> dict[str, float]:
    names = [name for name in heads if name in DESCRIPTORS]
    if not names:
        return {}
    predicted = predicted[:, [heads.index(name) for name in names]]
    mols = [parse_smiles(text) for text in smiles]
    true = np.stack([descriptors(mol, names) for mol in mols if mol is not None])
    return {f"R² {name}": float(r2) for name, r2 in zip(names, r_squared(predicted, true), strict=True)}
