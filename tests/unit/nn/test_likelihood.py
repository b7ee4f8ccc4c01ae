import math

import pytest
import torch
from torch.distributions import Normal

from molvae.data.batches import MolBatch
from molvae.nn.build import ModelConfig, build_model
from molvae.nn.likelihood import importance_weights, iwae_bound, token_losses
from molvae.nn.vae import MolVAE
from molvae.training.losses import reconstruction_loss

BATCH = MolBatch.of_token_ids([[4, 5, 6], [7], [5, 5]])


def tiny(latent: dict) -> MolVAE:
    torch.manual_seed(0)
    parts = {"encoder": {"hidden_dim": 8}, "latent": latent, "decoder": {"hidden_dim": 8}}
    model = build_model(ModelConfig.model_validate(parts), vocabulary_size=9)
    model.encode(BATCH)  # codebooks start from a first batch
    return model.eval()


def test_token_losses_average_to_the_reconstruction_loss() -> None:
    logits = torch.randn(3, 4, 9)
    losses = token_losses(logits, BATCH.token_ids)
    assert losses.shape == (3,)
    assert float(losses.mean()) == pytest.approx(float(reconstruction_loss(logits, BATCH.token_ids)))


def test_the_mean_weight_is_the_elbo_and_more_samples_give_a_tighter_bound() -> None:
    model = tiny({"latent_dim": 3})
    prior = model.latent.standard_prior()
    weights = importance_weights(model, prior, BATCH, k=4000, generator=torch.Generator().manual_seed(0))
    assert weights.shape == (3, 4000)
    mean, logvar = model.latent.moments(model.encoder(BATCH))
    kl = torch.distributions.kl_divergence(Normal(mean, (0.5 * logvar).exp()), Normal(0.0, 1.0)).sum(1)
    z = mean + torch.randn(4000, *mean.shape, generator=torch.Generator().manual_seed(1)) * (0.5 * logvar).exp()
    losses = torch.stack([token_losses(model.decoder(one, BATCH.token_ids), BATCH.token_ids) for one in z]).mean(0)
    torch.testing.assert_close(iwae_bound(weights, 1), -(losses + kl), atol=0.06, rtol=0)
    bounds = [float(iwae_bound(weights, k).mean()) for k in (1, 10, 100)]
    assert bounds == sorted(bounds)


def test_the_bound_of_vq_codes_is_exact_for_their_one_latent() -> None:
    model = tiny({"kind": "vq", "n_slots": 2, "n_codes": 4, "code_dim": 2})
    prior = model.latent.standard_prior()
    weights = importance_weights(model, prior, BATCH, k=2)
    torch.testing.assert_close(weights[:, 0], weights[:, 1])
    losses = token_losses(model.decoder(model.latent(model.encoder(BATCH)).z, BATCH.token_ids), BATCH.token_ids)
    torch.testing.assert_close(weights[:, 0], -losses - 2 * math.log(4))
