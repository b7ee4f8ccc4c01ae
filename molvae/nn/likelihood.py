"""Likelihoods of molecules under a model: losses per molecule and bounds on the log-likelihood, in nats."""

import math
from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from molvae.data.batches import MolBatch
from molvae.data.vocabulary import PAD
from molvae.nn.priors.base import Prior
from molvae.nn.vae import MolVAE

N_QUANTILES = 101
QUANTILES = "negative_elbo_per_symbol_quantiles"
"""Key in the diagnostics of a checkpoint for the `per_symbol_quantiles` of held-out molecules."""


def token_losses(logits: Tensor, token_ids: Tensor) -> Tensor:
    """Negative log-likelihood of each molecule's tokens after bos, `(B,)`.

    Args:
        logits: `(B, T - 1, V)`.
        token_ids: `(B, T)`.
    """
    losses = F.cross_entropy(logits.float().transpose(1, 2), token_ids[:, 1:], ignore_index=PAD, reduction="none")
    return losses.sum(1)


@torch.no_grad()
def importance_weights(
    model: MolVAE, prior: Prior, batch: MolBatch, *, k: int = 1, generator: torch.Generator | None = None
) -> Tensor:
    """Log importance weights log p(x|z) + log p(z) − log q(z|x) of k posterior samples per molecule, `(B, k)`.

    Their mean estimates the ELBO; see `iwae_bound`. A VQ posterior is a point mass, so its k samples are all the same.

    Args:
        model: the model, in eval mode.
        prior: a prior over its targets.
        batch: the molecules, on the model's device.
        k: number of posterior samples per molecule.
        generator: random numbers for the samples, on the model's device.
    """
    posterior = model.latent.posterior(model.encoder(batch))
    condition = model.embed_condition(len(batch))
    weights = []
    for _ in range(k):
        target = model.latent.sample_posterior(posterior, generator=generator)
        logits = model.decoder(model.latent.to_z(target), batch.token_ids, condition=condition)
        log_prior = prior.log_prob(target, condition=condition)
        weights.append(
            log_prior - token_losses(logits, batch.token_ids) - model.latent.log_posterior(posterior, target)
        )
    return torch.stack(weights, dim=1)


def iwae_bound(log_weights: Tensor, k: int) -> Tensor:
    """The importance-weighted bound on log p(x) with k samples (Burda et al. 2016), `(B,)`; k = 1 gives the ELBO.

    Args:
        log_weights: `(B, n)`, where n is a multiple of k; the bound is averaged over n / k groups of samples.
        k: number of samples per bound.

    >>> iwae_bound(torch.tensor([[0.0, 2.0]]), 1)
    tensor([1.])
    """
    groups = log_weights.unflatten(1, (-1, k))
    return (torch.logsumexp(groups, dim=2) - math.log(k)).mean(1)


@torch.no_grad()
def negative_elbo(model: MolVAE, prior: Prior, batch: MolBatch, *, seed: int = 0) -> Tensor:
    """Negative ELBO per molecule: teacher-forced reconstruction loss plus KL to the prior, nats, `(B,)`.

    Both are estimated from one posterior sample (Kingma and Welling 2014). Its noise is the same for every molecule, so
    a molecule's value does not depend on the rest of the batch.

    Args:
        model: the model, in eval mode.
        prior: a prior over its targets.
        batch: the molecules, on the model's device.
        seed: seed of the posterior sample.
    """
    posterior = model.latent.posterior(model.encoder(batch))
    generator = torch.Generator().manual_seed(seed)  # on the CPU, so that every device gets the same noise
    target = model.latent.sample_posterior(posterior, generator=generator, same_noise=True)
    condition = model.embed_condition(len(batch))
    kl = -model.latent.entropy(posterior) - prior.log_prob(target, condition=condition)
    logits = model.decoder(model.latent.to_z(target), batch.token_ids, condition=condition)
    return token_losses(logits, batch.token_ids) + kl


def per_symbol_quantiles(
    model: MolVAE, prior: Prior, batches: Iterable[MolBatch], symbol_counts: Sequence[int]
) -> list[float]:
    """Quantiles 0, 0.01 … 1 of the negative ELBO per symbol of molecules, in nats.

    Args:
        model: the model; it may be in training or eval mode, which does not change.
        prior: a prior over its targets.
        batches: the molecules.
        symbol_counts: number of symbols that each token id spells.
    """
    was_training = model.training
    model.eval()
    device = next(model.parameters()).device
    counts = torch.tensor(symbol_counts, device=device)
    values = []
    for batch in batches:
        there = batch.to(device)
        values.append((negative_elbo(model, prior, there) / counts[there.token_ids].sum(1).clamp(min=1)).cpu())
    model.train(was_training)
    return quantiles(torch.cat(values))


def quantiles(values: Tensor) -> list[float]:
    """Quantiles 0, 0.01 … 1 of `(n,)` numbers."""
    return [round(q, 4) for q in values.double().quantile(torch.linspace(0, 1, N_QUANTILES).double()).tolist()]
