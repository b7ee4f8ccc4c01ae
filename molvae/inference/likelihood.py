"""How unlikely a model finds molecules, and from that, how unlike its training set they are."""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from molvae.data.batches import MolBatch
from molvae.data.tokenizer import TokenizedMolecule
from molvae.errors import ConfigError, InputError
from molvae.inference.loaded import BATCH, LoadedModel
from molvae.nn import likelihood
from molvae.nn.likelihood import QUANTILES, quantiles

NoveltyKind = Literal["elbo", "reconstruction", "prior", "distance"]
NOVELTY = get_args(NoveltyKind)


def negative_elbo(vae: LoadedModel, molecules: Any, *, prior: str | None = None, batch_size: int = BATCH) -> np.ndarray:
    """Negative ELBO of each molecule, nats `(n,)`; see `MoleculeGenerator.negative_elbo`."""
    return _of_tokenized(vae, vae.tokenize(molecules), prior, batch_size)


def novelty_score(
    vae: LoadedModel,
    molecules: Any,
    *,
    kind: NoveltyKind = "elbo",
    reference: Any = None,
    prior: str | None = None,
    batch_size: int = BATCH,
) -> np.ndarray:
    """How novel each molecule is, as a percentile among known ones, `(n,)`; see `MoleculeGenerator.novelty_score`."""
    if kind not in NOVELTY:
        raise ConfigError(f"unknown kind of novelty {kind!r}; expected one of: {', '.join(NOVELTY)}")
    if reference is None and kind != "elbo":
        raise InputError(f"novelty by {kind} needs molecules of the training set as reference")
    if reference is None:
        known: Sequence[float] = _known_surprise(vae, prior)
        return _percentiles(_surprise(vae, molecules, prior, batch_size), known)
    if kind == "distance":
        references = _latents(vae, reference, batch_size)
        values = _distances(references, references, skip_itself=True)
        new = _distances(_latents(vae, molecules, batch_size), references)
    else:
        values, new = (novelty(vae, m, kind=kind, prior=prior, batch_size=batch_size) for m in (reference, molecules))
    if np.isnan(values).all():
        raise InputError(f"none of {len(values)} reference molecules can be encoded")
    return _percentiles(new, quantiles(torch.from_numpy(values[np.isfinite(values)])))


def novelty(
    vae: LoadedModel,
    molecules: Any,
    *,
    kind: NoveltyKind = "elbo",
    reference: Any = None,
    prior: str | None = None,
    batch_size: int = BATCH,
) -> np.ndarray:
    """The number that `novelty_score` compares, larger for more unusual molecules, `(n,)`; nan if one cannot be used.

    Args:
        vae: the model.
        molecules: in any form that `encode` takes.
        kind: "elbo", the negative ELBO per symbol; "reconstruction", its reconstruction loss per symbol; "prior",
            −log p of the posterior mean (of codes, of the codes) under the prior; "distance", the distance of the
            posterior mean to the nearest one of the reference, in standard deviations of its dimensions.
        reference: molecules of the training set, for "distance".
        prior: as in `negative_elbo`.
        batch_size: molecules per batch.
    """
    if kind == "elbo":
        return _surprise(vae, molecules, prior, batch_size)
    if kind == "distance":
        return _distances(*(_latents(vae, m, batch_size) for m in (molecules, reference)))
    tokenized, source = vae.tokenize(molecules), vae.prior(prior)

    def of_batch(batch: MolBatch) -> Tensor:
        model, condition = vae.model, vae.condition_rows(len(batch))
        h = model.encoder(batch)
        if kind == "prior":
            return -source.log_prob(model.latent.central_target(h), condition=condition).unsqueeze(1)
        logits = model.decoder(model.latent(h).mean, batch.token_ids, condition=condition)
        return likelihood.token_losses(logits, batch.token_ids).unsqueeze(1)

    values = vae.per_molecule(tokenized, of_batch, 1, batch_size=batch_size)[:, 0].astype(np.float64)
    return values / _symbols(vae, tokenized) if kind == "reconstruction" else values


def _percentiles(values: np.ndarray, known: Sequence[float]) -> np.ndarray:
    return np.interp(values, known, np.linspace(0.0, 100.0, len(known)))


def _latents(vae: LoadedModel, molecules: Any, batch_size: int) -> np.ndarray:
    tokenized = vae.tokenize(molecules)
    return vae.per_molecule(
        tokenized, lambda batch: vae.model.encode(batch).mean, vae.latent_dim, batch_size=batch_size
    )


def _distances(z: np.ndarray, references: np.ndarray, *, skip_itself: bool = False) -> np.ndarray:
    """Distance of each z `(n, Z)` to the nearest reference, in units of the references' spread, `(n,)`."""
    from sklearn.neighbors import NearestNeighbors  # slow to import

    known = references[np.isfinite(references).all(1)]
    found = np.full(len(z), np.nan)
    usable = np.isfinite(z).all(1)
    if len(known) <= skip_itself or not usable.any():
        return found
    spread = known.std(0)
    spread = np.where(spread > 0, spread, 1.0)
    tree = NearestNeighbors(n_neighbors=1 + skip_itself).fit(known / spread)
    found[usable] = tree.kneighbors(z[usable] / spread)[0][:, -1]
    return found


def _symbols(vae: LoadedModel, tokenized: Sequence[TokenizedMolecule]) -> np.ndarray:
    """Number of symbols of each molecule, at least 1, `(n,)`."""
    counts = vae.vocabulary.symbol_counts
    return np.array([max(1, sum(counts[token] for token in molecule.canonical_ids)) for molecule in tokenized])


def _of_tokenized(
    vae: LoadedModel, tokenized: Sequence[TokenizedMolecule], prior: str | None, batch_size: int
) -> np.ndarray:
    source = vae.prior(prior)
    values = vae.per_molecule(
        tokenized,
        lambda batch: likelihood.negative_elbo(vae.model, source, batch).unsqueeze(1),
        1,
        batch_size=batch_size,
    )
    return values[:, 0].astype(np.float64)


def _surprise(vae: LoadedModel, molecules: Any, prior: str | None, batch_size: int) -> np.ndarray:
    """Negative ELBO per symbol, nats `(n,)`."""
    tokenized = vae.tokenize(molecules)
    return _of_tokenized(vae, tokenized, prior, batch_size) / _symbols(vae, tokenized)


def _known_surprise(vae: LoadedModel, prior: str | None) -> list[float]:
    """Quantiles of the held-out molecules' negative ELBO per symbol under a prior, read from the checkpoint."""
    learned = vae.prior(prior) is vae.priors.get("learned")
    written = vae.diagnostics.get("prior", {}) if learned else vae.diagnostics
    if QUANTILES not in written:
        raise InputError(
            "the checkpoint has no quantiles of known molecules; give molecules of the training set as reference"
        )
    return written[QUANTILES]
