"""Run: python scripts/bench/gradient_variance.py runs/family/gumbel PREPARED [--draws 200] [--batch 64].

The gradient of the reconstruction loss with respect to the logits of a trained categorical latent, by Gumbel-softmax
(straight-through and relaxed, at several temperatures) and by REINFORCE (with and without baseline), on one batch: the
variance of an estimate (trace of its covariance); the squared norm of the mean gradient, without what the variance adds
to it ("–" where nothing is left: take more draws); and the cosine of the mean with that of REINFORCE with baseline,
which is unbiased. That one has noise of its own: beside it stands the cosine of the means of its two halves.
"""

from pathlib import Path

import click
import torch
from torch import Tensor

from molvae.checkpoint import checkpoint_path, load_checkpoint
from molvae.data.batches import MolBatch, collate
from molvae.data.prepared import PreparedData
from molvae.nn.latents.categorical import CategoricalLatent
from molvae.nn.likelihood import token_losses
from molvae.nn.vae import MolVAE

TEMPERATURES = (1.0, 0.5, 0.2)


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("prepared", type=click.Path(path_type=Path))
@click.option("--draws", default=200, show_default=True)
@click.option("--batch", "n", default=64, show_default=True)
def main(model: Path, prepared: Path, draws: int, n: int) -> None:
    """Print the table."""
    vae = load_checkpoint(checkpoint_path(model)).model
    if not isinstance(vae.latent, CategoricalLatent):
        raise click.UsageError(f"{model} has no categorical latent; train configs/family/gumbel.yaml")
    data = PreparedData.open(prepared)
    batch = collate(data, data.indices("valid" if "valid" in data.split_names else "train")[:n])
    torch.manual_seed(0)
    rows = {f"REINFORCE, {b}": reinforce(vae, batch, draws, baseline=b == "baseline") for b in ("baseline", "none")}
    for tau in TEMPERATURES:
        for hard in (True, False):
            kind = "straight-through" if hard else "relaxed"
            rows[f"Gumbel-softmax, {kind}, τ {tau}"] = gumbel(vae, batch, draws, tau=tau, hard=hard)
    truth = rows["REINFORCE, baseline"]
    halves = cosine(truth[::2].mean(0), truth[1::2].mean(0))
    print("| estimator | variance | squared norm of the mean | variance / squared norm | cosine to REINFORCE |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name, gradients in rows.items():
        mean = gradients.mean(0)
        variance = float((gradients - mean).square().sum() / (len(gradients) - 1))
        norm = float(mean.square().sum()) - variance / len(gradients)
        ratio = f"{norm:.3g} | {variance / norm:.3g}" if norm > 0 else "– | –"
        near = halves if name == "REINFORCE, baseline" else cosine(mean, truth.mean(0))
        print(f"| {name} | {variance:.3g} | {ratio} | {near:.3f}{' (halves)' if near is halves else ''} |")


def reinforce(vae: MolVAE, batch: MolBatch, draws: int, *, baseline: bool) -> Tensor:
    """Estimates of the gradient of the logits, `(draws, B · M · K)`."""
    latent, logits = with_logits(vae, batch)
    found = []
    for _ in range(draws):
        codes = latent.sample_posterior(logits)
        with torch.no_grad():
            cost = token_losses(vae.decoder(latent.codes_to_z(codes), batch.token_ids), batch.token_ids)
            others = (cost.sum() - cost) / (len(cost) - 1)
        advantage = cost - others if baseline else cost
        found.append(torch.autograd.grad((advantage * latent.log_posterior(logits, codes)).mean(), logits)[0].flatten())
    return torch.stack(found)


def gumbel(vae: MolVAE, batch: MolBatch, draws: int, *, tau: float, hard: bool) -> Tensor:
    """Estimates of the gradient of the logits, `(draws, B · M · K)`."""
    latent, logits = with_logits(vae, batch)
    latent.tau, latent.straight_through = tau, hard
    found = []
    for _ in range(draws):
        z = torch.einsum("bmk,mks->bms", latent._relaxed(latent._log_q(logits), None), latent.codes).flatten(1)
        loss = token_losses(vae.decoder(z, batch.token_ids), batch.token_ids).mean()
        found.append(torch.autograd.grad(loss, logits)[0].flatten())
    return torch.stack(found)


def with_logits(vae: MolVAE, batch: MolBatch) -> tuple[CategoricalLatent, Tensor]:
    """The latent, and the logits of a batch as a leaf."""
    assert isinstance(vae.latent, CategoricalLatent)
    return vae.latent, vae.latent.posterior(vae.encoder(batch)).detach().requires_grad_()


def cosine(a: Tensor, b: Tensor) -> Tensor:
    """Cosine of the angle between two gradients."""
    return torch.nn.functional.cosine_similarity(a, b, dim=0)


if __name__ == "__main__":
    main()
