"""How unlikely a model finds molecules, and from that, how unlike its training set they are."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from molvae.data.tokenizer import TokenizedMolecule
from molvae.errors import InputError
from molvae.inference.loaded import BATCH, LoadedModel
from molvae.nn import likelihood
from molvae.nn.likelihood import QUANTILES, quantiles


def negative_elbo(vae: LoadedModel, molecules: Any, *, prior: str | None = None, batch_size: int = BATCH) -> np.ndarray:
    """Negative ELBO of each molecule, nats `(n,)`; see `MoleculeGenerator.negative_elbo`."""
    return _of_tokenized(vae, vae.tokenize(molecules), prior, batch_size)


def novelty_score(
    vae: LoadedModel,
    molecules: Any,
    *,
    reference: Any = None,
    prior: str | None = None,
    batch_size: int = BATCH,
) -> np.ndarray:
    """How novel each molecule is, as a percentile among known ones, `(n,)`; see `MoleculeGenerator.novelty_score`."""
    if reference is None:
        known: Sequence[float] = _known_surprise(vae, prior)
    else:
        values = _surprise(vae, reference, prior, batch_size)
        if np.isnan(values).all():
            raise InputError(f"none of {len(values)} reference molecules can be encoded")
        known = quantiles(torch.from_numpy(values[np.isfinite(values)]))
    return np.interp(_surprise(vae, molecules, prior, batch_size), known, np.linspace(0.0, 100.0, len(known)))


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
    counts = vae.vocabulary.symbol_counts
    symbols = [sum(counts[token] for token in molecule.canonical_ids) for molecule in tokenized]
    return _of_tokenized(vae, tokenized, prior, batch_size) / np.maximum(symbols, 1)


def _known_surprise(vae: LoadedModel, prior: str | None) -> list[float]:
    """Quantiles of the held-out molecules' negative ELBO per symbol under a prior, read from the checkpoint."""
    learned = vae.prior(prior) is vae.priors.get("learned")
    written = vae.diagnostics.get("prior", {}) if learned else vae.diagnostics
    if QUANTILES not in written:
        raise InputError(
            "the checkpoint has no quantiles of known molecules; give molecules of the training set as reference"
        )
    return written[QUANTILES]
