"""What a model minimizes: the negative ELBO, or a bound with several samples. The module adds the other losses."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from molvae.config import Section, a
from molvae.data.batches import MolBatch
from molvae.nn.latents.base import LatentSettings
from molvae.nn.latents.gaussian import GaussianLatent
from molvae.nn.likelihood import token_losses
from molvae.nn.priors.base import Prior
from molvae.nn.vae import MolVAE
from molvae.training.losses import reconstruction_loss


@dataclass(frozen=True)
class Outcome:
    """What an objective gives for a batch.

    Attributes:
        loss: scalar, what is minimized.
        reconstruction: scalar, nats per molecule.
        z: `(B, Z)`, what the decoder got.
        mean: `(B, Z)`, the deterministic latents.
        logits: `(B, T - 1, V)`, what the decoder said given z.
        values: scalars to show during training.
        codes: `(B, M)`, the code indices that z consists of; `None` for a continuous latent.
    """

    loss: Tensor
    reconstruction: Tensor
    z: Tensor
    mean: Tensor
    logits: Tensor
    values: Mapping[str, Tensor]
    codes: Tensor | None = None


class ELBOConfig(Section):
    """The negative evidence lower bound, reconstruction + beta · regularizer (Kingma and Welling 2014)."""

    kind: Literal["elbo"] = "elbo"

    def check(self, latent: LatentSettings) -> None:
        """Every latent has an ELBO, or something in its place."""

    def of(self, model: MolVAE, batch: MolBatch, *, beta: float, prior: Prior | None = None) -> Outcome:
        """Compute the objective of a batch; `prior` is a jointly trained one.

        Where no gradient passes through the draw of z, that of E_q[R], R the reconstruction loss, is
        E_q[(R − b) ∇ log q] (REINFORCE, Williams 1992), with the mean R of the other molecules as baseline b.
        """
        condition = model.embed_condition(len(batch), batch.properties)
        log_prior = None if prior is None else partial(prior.log_prob, condition=condition)
        latent = model.encode(batch, log_prior=log_prior)
        logits = model.decoder(latent.z, batch.token_ids, condition=condition)
        reconstruction = reconstruction_loss(logits, batch.token_ids)
        loss = reconstruction + beta * latent.regularizer + latent.auxiliary
        if latent.log_drawn is not None:
            cost = token_losses(logits, batch.token_ids).detach()
            others = len(cost) / max(len(cost) - 1, 1)  # cost − the mean of all others, without which it is biased
            loss = loss + ((cost - cost.mean()) * others * latent.log_drawn).mean()
        return Outcome(loss, reconstruction, latent.z, latent.mean, logits, latent.diagnostics, latent.codes)


class IWAEConfig(Section):
    """The importance-weighted bound with k samples, −log 1/k Σ_i w_i (Burda et al. 2016).

    log w_i = log p(x|z_i) + beta · (log p(z_i) − log q(z_i|x)); with a beta of 1 it is the bound, and tighter than the
    ELBO for k above 1.
    """

    kind: Literal["iwae"] = "iwae"
    k: Annotated[int, Field(ge=2, le=1000)] = 8
    """Samples of the posterior per molecule; time and memory grow with it."""
    doubly_reparametrized: bool = False
    """Whether the encoder gets the gradient Σ_i w̄_i² ∂ log w_i / ∂z_i · ∂z_i / ∂φ with the normalized weights w̄, which
    does not fade as k grows (Tucker et al. 2019)."""

    def check(self, latent: LatentSettings) -> None:
        """Raise `ValueError` unless the latent is regularized by nothing but the KL of a reparametrized posterior."""
        if not latent.has_plain_kl:
            raise ValueError(
                f"an iwae objective weights samples that gradients pass through, by their densities alone; "
                f"{a(latent.kind)} latent as configured has none, or another regularizer; leave out training.objective"
            )
        if self.doubly_reparametrized and not issubclass(latent.member, GaussianLatent):
            raise ValueError(f"doubly_reparametrized needs a Gaussian posterior, which {a(latent.kind)} latent has not")

    def of(self, model: MolVAE, batch: MolBatch, *, beta: float, prior: Prior | None = None) -> Outcome:
        """Compute the objective of a batch; `prior` is a jointly trained one."""
        latent, source = model.latent, prior or model.latent.standard_prior()
        condition = model.embed_condition(len(batch), batch.properties)
        h = model.encoder(batch)
        posterior = latent.posterior(h)
        densities_of = posterior.detach() if self.doubly_reparametrized else posterior
        samples, nll, rate = [], [], []
        for _ in range(self.k):
            target = latent.sample_posterior(posterior)
            samples.append(target)
            logits = model.decoder(latent.to_z(target), batch.token_ids, condition=condition)
            nll.append(token_losses(logits, batch.token_ids))
            rate.append(latent.log_posterior(densities_of, target) - source.log_prob(target, condition=condition))
        losses, rates = torch.stack(nll, dim=1), torch.stack(rate, dim=1)
        log_weights = -losses - beta * rates
        shares = log_weights.detach().softmax(1)
        if self.doubly_reparametrized:
            for i, target in enumerate(samples):
                if target.requires_grad:
                    target.register_hook(partial(torch.mul, shares[:, i : i + 1]))
            loss = -(shares * log_weights).sum(1).mean()
        else:
            loss = (math.log(self.k) - torch.logsumexp(log_weights, dim=1)).mean()
        bound = (math.log(self.k) - torch.logsumexp(log_weights.detach(), dim=1)).mean()
        values = {"kl": rates.detach().mean(), "iwae": bound}
        z = latent.to_z(samples[-1])
        return Outcome(loss, losses.mean(), z, latent(h).mean, logits, values)


ObjectiveConfig = Annotated[ELBOConfig | IWAEConfig, Field(discriminator="kind")]
