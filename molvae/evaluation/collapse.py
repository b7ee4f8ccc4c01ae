"""Whether the latent is used: what z carries, measured on held-out molecules without any chemistry."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

from molvae.data.batches import MolBatch
from molvae.data.vocabulary import PAD
from molvae.nn.likelihood import token_losses
from molvae.nn.priors.base import Prior
from molvae.nn.vae import MolVAE
from molvae.scoring.regression import r_squared

COLLAPSED_NATS = 0.1
COLLAPSED_SHARE = 0.2


@dataclass(frozen=True)
class LatentDiagnostics:
    """Use of the latent on a set of molecules; nats per molecule unless said otherwise.

    Attributes:
        n_molecules: how many were looked at.
        reconstruction: negative log-likelihood given a posterior sample, with teacher forcing.
        kl: what z carries: Σ KL(q(z|x) ‖ N(0, I)) over dimensions; of VQ codes, Σ over slots of their entropy.
        kl_per_dimension: its terms, largest first.
        active_units: dimensions with KL > 0.01 and Var E[z|x] > 0.01 (Burda et al. 2016); of VQ codes, slots with
            entropy > 0.01.
        latent_dim: number of all dimensions, or slots.
        mutual_information: estimate of I(x; z) (Hoffman and Johnson 2016), which cannot exceed `log n_molecules`.
        mutual_information_bound: log n_molecules.
        exact: share whose posterior mean decodes greedily to exactly the token ids that were encoded.
        property_r2: R² of each head, nan without labels.
        kl_learned: KL(q(z|x) ‖ learned prior), of VQ codes their negative log-likelihood; `None` without such a prior.
        levels: KL and active units of each level of a hierarchical latent, from the top.
    """

    n_molecules: int
    reconstruction: float
    kl: float
    kl_per_dimension: tuple[float, ...]
    active_units: int
    latent_dim: int
    mutual_information: float
    mutual_information_bound: float
    exact: float
    property_r2: dict[str, float]
    kl_learned: float | None = None
    levels: dict[str, tuple[float, int]] = field(default_factory=dict)

    @property
    def negative_elbo(self) -> float:
        """Reconstruction plus KL, to the learned prior if there is one."""
        return self.reconstruction + (self.kl if self.kl_learned is None else self.kl_learned)

    @property
    def quiet_dimensions(self) -> int:
        """Dimensions below 0.1 nats."""
        return sum(k < COLLAPSED_NATS for k in self.kl_per_dimension)

    @property
    def warning(self) -> str | None:
        """A sentence when more than a fifth of the dimensions are below 0.1 nats, else `None`."""
        if self.quiet_dimensions <= COLLAPSED_SHARE * self.latent_dim:
            return None
        return (
            f"posterior collapse: {self.quiet_dimensions} of {self.latent_dim} latent dimensions carry less than "
            f"{COLLAPSED_NATS} nats; lower beta, raise free_bits or min_rate, or use fewer dimensions"
        )

    def to_json(self) -> dict[str, Any]:
        """For `diagnostics.json`."""
        return asdict(self) | {"negative_elbo": self.negative_elbo, "collapse_warning": self.warning}


@torch.no_grad()
def diagnose(
    model: MolVAE,
    batches: Iterable[MolBatch],
    *,
    max_length: int,
    prior: Prior | None = None,
    n_decoded: int = 512,
    generator: torch.Generator | None = None,
) -> LatentDiagnostics:
    """Measure a model on held-out batches; it is left in the mode it was in.

    Args:
        model: on any device.
        batches: with properties, if the heads are to be evaluated.
        max_length: most tokens that greedy decoding may write.
        prior: a prior that was trained with the model.
        n_decoded: molecules decoded for `exact`, at most.
        generator: of the posterior samples, on the model's device.
    """
    was_training = model.training
    model.eval()
    device = next(model.parameters()).device
    states, predictions, labels = [], [], []
    nll, rate, n, n_exact, n_tried = 0.0, 0.0, 0, 0, 0
    for cpu_batch in batches:
        batch = cpu_batch.to(device)
        h = model.encoder(batch)
        condition = model.embed_condition(len(batch))
        mean, posterior = model.latent(h).mean, model.latent.posterior(h)
        target = model.latent.sample_posterior(posterior, generator=generator)
        logits = model.decoder(model.latent.to_z(target), batch.token_ids, condition=condition)
        nll += float(token_losses(logits, batch.token_ids).sum())
        if prior is not None:
            rate -= float((prior.log_prob(target, condition=condition) + model.latent.entropy(posterior)).sum())
        n += len(batch)
        states.append(h)
        if batch.properties is not None and model.heads.names:
            predictions.append(model.heads.predict(mean).cpu())
            labels.append(batch.properties.cpu())
        if n_tried < n_decoded:
            few = slice(0, n_decoded - n_tried)
            n_exact += int(exact_rows(model, mean[few], batch.token_ids[few], max_length=max_length).sum())
            n_tried += len(mean[few])
    summary = model.latent.summarize(torch.cat(states))
    model.train(was_training)
    kl = summary.kl_per_unit
    r2 = r_squared(torch.cat(predictions), torch.cat(labels)).tolist() if predictions else []
    return LatentDiagnostics(
        n_molecules=n,
        reconstruction=nll / n,
        kl=float(kl.sum()),
        kl_per_dimension=tuple(round(v, 5) for v in kl.sort(descending=True).values.tolist()),
        active_units=summary.active_units,
        latent_dim=len(kl),
        mutual_information=summary.mutual_information,
        mutual_information_bound=float(torch.tensor(float(n)).log()),
        exact=n_exact / max(n_tried, 1),
        property_r2=dict(zip(model.heads.names, (round(v, 5) for v in r2), strict=False)),
        kl_learned=None if prior is None else rate / n,
        levels={name: (round(rate, 5), active) for name, (rate, active) in summary.levels.items()},
    )


def exact_rows(model: MolVAE, z: Tensor, token_ids: Tensor, *, max_length: int) -> Tensor:
    """Which rows decode greedily to exactly the token ids given, `(B,)` bool."""
    decoded = model.decode(z, max_length=max_length)
    targets = token_ids[:, 1:]
    width = max(decoded.shape[1], targets.shape[1])
    decoded = torch.nn.functional.pad(decoded, (0, width - decoded.shape[1]), value=PAD)
    targets = torch.nn.functional.pad(targets, (0, width - targets.shape[1]), value=PAD)
    return (decoded == targets).all(-1)
