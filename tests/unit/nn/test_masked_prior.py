"""Filling in codes: kept ones stay, the others follow the distribution that `log_prob` states."""

import itertools

import pytest
import torch

from molvae.nn.priors.flow_matching import FlowMatchingPrior
from molvae.nn.priors.masked import MaskedPrior


@pytest.fixture
def prior() -> MaskedPrior:
    torch.manual_seed(0)
    prior = MaskedPrior(3, 4, hidden_dim=16, n_layers=1, n_heads=2)
    with torch.no_grad():
        prior.to_logits.weight.mul_(8.0)  # so that codes depend on each other
    return prior.eval()


def test_kept_codes_stay_and_the_rest_is_filled(prior: MaskedPrior) -> None:
    target = torch.tensor([[1, 2, 3], [3, 0, 1], [2, 2, 2], [0, 1, 0]])
    kept = torch.tensor([[True, False, True], [False, False, False], [True, True, True], [False, True, False]])
    filled = prior.fill(target, kept, generator=torch.Generator().manual_seed(0))
    assert torch.equal(filled[kept], target[kept])
    assert filled.min() >= 0
    assert filled.max() < 4
    assert torch.equal(prior.fill(target, torch.ones_like(kept)), target)


def test_first_codes_are_completed_and_have_their_probability(prior: MaskedPrior) -> None:
    begin = torch.tensor([[1, 2], [3, 0]])
    whole = prior.complete_target(begin, generator=torch.Generator().manual_seed(0))
    assert whole.shape == (2, 3)
    assert torch.equal(whole[:, :2], begin)
    pairs = torch.tensor(list(itertools.product(range(4), repeat=2)))
    assert float(prior.begin_log_prob(pairs).exp().sum()) == pytest.approx(1.0, abs=1e-4)
    prior.orders = torch.tensor([[0, 1, 2]])
    codes = torch.tensor(list(itertools.product(range(4), repeat=3)))
    with torch.no_grad():
        torch.testing.assert_close(prior.begin_log_prob(codes), prior.log_prob(codes), atol=1e-4, rtol=1e-4)


def test_samples_follow_the_probabilities(prior: MaskedPrior) -> None:
    codes = torch.tensor(list(itertools.product(range(4), repeat=3)))
    with torch.no_grad():
        wanted = prior.log_prob(codes).exp()
    drawn = prior.sample_target(20_000, generator=torch.Generator().manual_seed(0))
    shares = torch.bincount(drawn @ torch.tensor([16, 4, 1]), minlength=64) / 20_000
    assert float((shares - wanted).abs().sum()) < 0.06
    assert float(wanted.max()) > 2 / 64


def test_the_training_loss_bounds_the_likelihood(prior: MaskedPrior) -> None:
    """By Jensen, the mean over orders of −log P(c|order) is at least −log of the mean."""
    target = prior.sample_target(50, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        losses = torch.stack([prior.loss(target) for _ in range(400)]).mean(0)
        exact = []
        for order in itertools.permutations(range(3)):
            prior.orders = torch.tensor([order])
            exact.append(prior.log_prob(target))
        orders = torch.stack(exact)
    assert float((losses + orders.mean(0)).abs().mean()) < 0.25
    assert float(losses.mean()) >= -float(torch.logsumexp(orders, 0).sub(torch.tensor(6.0).log()).mean()) - 0.05


def test_guidance_goes_beyond_the_condition() -> None:
    torch.manual_seed(0)
    means = []
    for guidance in (1.0, 3.0):
        torch.manual_seed(0)
        prior = FlowMatchingPrior(1, hidden_dim=32, n_layers=1, condition_dim=1, guidance=guidance)
        optimizer = torch.optim.Adam(prior.parameters(), lr=5e-3)
        for _ in range(300):
            c = torch.randint(0, 2, (256, 1)).float()
            loss = prior.loss(2 * c + 0.3 * torch.randn(256, 1), condition=c).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        drawn = prior.sample_target(2000, condition=torch.ones(2000, 1), generator=torch.Generator().manual_seed(0))
        means.append(float(drawn.mean()))
    assert means[0] == pytest.approx(2.0, abs=0.3)
    assert means[1] > means[0] + 0.3
