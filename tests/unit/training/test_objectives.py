"""The importance-weighted bound, REINFORCE and critics, against numbers computed by other means."""

import math

import pytest
import torch

from molvae.data.batches import MolBatch
from molvae.nn.build import ModelConfig, build_model
from molvae.nn.critics.adversarial import AdversarialCritic
from molvae.nn.critics.base import Critic, Seen
from molvae.nn.critics.total_correlation import TotalCorrelationCritic, shuffled
from molvae.nn.critics.vae_gan import DecodedCritic
from molvae.nn.likelihood import importance_weights, iwae_bound, token_losses
from molvae.nn.vae import MolVAE
from molvae.training.losses import property_nll
from molvae.training.objectives import ELBOConfig, IWAEConfig

BATCH = MolBatch.of_token_ids([[4, 5, 6, 7], [8, 4], [9, 10, 11], [5]])


def model_with(latent: dict) -> MolVAE:
    torch.manual_seed(0)
    settings = {
        "encoder": {"token_dim": 6, "hidden_dim": 6},
        "latent": latent,
        "decoder": {"token_dim": 6, "hidden_dim": 8, "token_dropout": 0.0},
    }
    return build_model(ModelConfig.model_validate(settings), vocabulary_size=14).train()


MANY = MolBatch.of_token_ids([[4, 5, 6, 7]] * 4000)


def test_the_bound_is_that_of_the_evaluation() -> None:
    model, values = model_with({"latent_dim": 3}), []
    for _ in range(100):
        with torch.no_grad():
            values.append(float(IWAEConfig(k=4).of(model, BATCH, beta=1.0).loss))
    weights = importance_weights(
        model.eval(), model.latent.standard_prior(), BATCH, k=400, generator=torch.Generator().manual_seed(0)
    )
    assert sum(values) / len(values) == pytest.approx(-float(iwae_bound(weights, 4).mean()), abs=0.1)


def test_the_doubly_reparametrized_gradient_has_the_same_mean() -> None:
    model = model_with({"latent_dim": 3})
    gradients = []
    for doubly in (False, True):
        model.zero_grad()
        IWAEConfig(k=3, doubly_reparametrized=doubly).of(model, MANY, beta=1.0).loss.backward()
        gradients.append(model.latent.to_mean.weight.grad.clone())
    assert float((gradients[0] - gradients[1]).norm() / gradients[0].norm()) < 0.2
    assert not torch.equal(*gradients)


def test_the_gradient_of_the_elbo_by_reinforce_is_that_of_all_values() -> None:
    model = model_with({"kind": "categorical", "n_slots": 1, "n_codes": 3, "code_dim": 2, "estimator": "reinforce"})
    with torch.no_grad():
        model.latent.codes *= 20  # so that the values matter
    one = MolBatch.of_token_ids([[4, 5, 6, 7]] * 3)
    log_q = model.latent._log_q(model.latent.posterior(model.encoder(one)))[0, 0]
    z = model.latent.codes_to_z(torch.arange(3).unsqueeze(1))
    costs = token_losses(model.decoder(z, one.token_ids), one.token_ids).detach()
    (wanted,) = torch.autograd.grad((log_q.exp() * costs).sum(), model.latent.to_logits.weight)
    model.zero_grad()
    ELBOConfig().of(model, MANY, beta=0.0).loss.backward()
    found = model.latent.to_logits.weight.grad
    assert float((found - wanted).norm() / wanted.norm()) < 0.2


CRITICS = {
    "total correlation": TotalCorrelationCritic(3, hidden_dim=16),
    "adversarial": AdversarialCritic(3, hidden_dim=16),
    "decoded": DecodedCritic(14, hidden_dim=16),
}


@pytest.mark.parametrize("critic", CRITICS.values(), ids=CRITICS.keys())
def test_a_critic_and_the_model_do_not_train_each_other(critic: Critic) -> None:
    z = torch.randn(4, 3, requires_grad=True)
    logits = torch.randn(4, BATCH.token_ids.shape[1] - 1, 14, requires_grad=True)
    seen = Seen(z, logits, BATCH.token_ids)
    critic.penalty(seen).backward()
    assert all(p.grad is None for p in critic.parameters())
    judged = logits if isinstance(critic, DecodedCritic) else z
    assert judged.grad.abs().sum() > 0
    judged.grad = None
    critic.loss(seen.detached()).backward()
    assert judged.grad is None
    assert all(p.grad is not None for p in critic.parameters())


def test_shuffling_keeps_every_dimension_and_no_row() -> None:
    z = torch.arange(60.0).view(20, 3)
    other = shuffled(z)
    assert torch.equal(other.sort(0).values, z)
    assert not torch.equal(other, z)


def test_a_trained_critic_estimates_the_total_correlation() -> None:
    torch.manual_seed(0)
    critic, rho = TotalCorrelationCritic(2, hidden_dim=32), 0.9
    optimizer = torch.optim.Adam(critic.parameters(), lr=5e-3)
    normal = torch.distributions.MultivariateNormal(torch.zeros(2), torch.tensor([[1.0, rho], [rho, 1.0]]))
    empty = torch.zeros(0)
    for _ in range(300):
        loss = critic.loss(Seen(normal.sample((512,)), empty, empty))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    estimate = float(critic.penalty(Seen(normal.sample((4000,)), empty, empty)).detach())
    assert estimate == pytest.approx(-0.5 * math.log(1 - rho**2), abs=0.2)


def test_the_loss_of_a_gaussian_head_is_the_likelihood_of_the_known_labels() -> None:
    mean, logvar = torch.randn(3, 2), torch.randn(3, 2)
    labels = torch.tensor([[1.0, torch.nan], [0.5, -1.0], [torch.nan, torch.nan]])
    normal = torch.distributions.Normal(mean, torch.exp(0.5 * logvar))
    each = -normal.log_prob(labels.nan_to_num())
    expected = (each[0, 0] + each[1].sum()) / 3
    torch.testing.assert_close(property_nll(mean, logvar, labels), expected)
