"""How likely a model finds molecules: the negative ELBO of each one, which tells unusual molecules from usual ones."""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

from molvae.data.batches import MolBatch
from molvae.data.vocabulary import PAD
from molvae.latents.gaussian import GaussianLatent
from molvae.model import MolVAE
from molvae.priors.base import Prior

N_QUANTILES = 101


@torch.no_grad()
def negative_elbo(model: MolVAE, prior: Prior, batch: MolBatch, *, seed: int = 0) -> Tensor:
    """Reconstruction of each molecule's own tokens (teacher-forced) plus KL to the prior, nats, `(B,)`.

    Both are estimated from one posterior sample (Kingma and Welling 2014). Its noise is the same for every molecule, so
    a molecule's value does not depend on what stands beside it.

    Args:
        model: in eval mode.
        prior: of its latents.
        batch: on the model's device.
        seed: of the posterior sample.
    """
    h = model.encoder(batch)
    if isinstance(model.latent, GaussianLatent):
        mean, logvar = model.latent.posterior(h)
        noise = torch.randn(mean.shape[1], generator=torch.Generator().manual_seed(seed)).to(mean.device)
        z = target = mean + noise * torch.exp(0.5 * logvar)
    else:  # the posterior is a point
        z, target = model.latent.draw(h), model.latent.prior_target(h)
    kl = -model.latent.entropy(h) - prior.log_prob(target).to(h.device)
    logits = model.decoder(z, batch.token_ids)
    nll = F.cross_entropy(
        logits.transpose(1, 2).float(), batch.token_ids[:, 1:], ignore_index=PAD, reduction="none"
    ).sum(1)
    return nll + kl


def negative_elbo_quantiles(model: MolVAE, prior: Prior, batches: Iterable[MolBatch]) -> list[float]:
    """Quantiles 0, 0.01 … 1 of molecules' negative ELBO, nats; the model is left in the mode it was in."""
    was_training = model.training
    model.eval()
    device = next(model.parameters()).device
    values = torch.cat([negative_elbo(model, prior, batch.to(device)).cpu() for batch in batches])
    model.train(was_training)
    return quantiles(values)


def quantiles(values: Tensor) -> list[float]:
    """Quantiles 0, 0.01 … 1 of `(n,)` numbers."""
    return [round(q, 4) for q in values.double().quantile(torch.linspace(0, 1, N_QUANTILES).double()).tolist()]
