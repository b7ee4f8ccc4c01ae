import math

import pytest
import torch

from molvae.nn.priors.flow_matching import FlowMatchingPrior


def test_an_untrained_flow_is_a_gaussian_with_the_scale_it_was_given() -> None:
    prior = FlowMatchingPrior(3, hidden_dim=8, n_steps=4)
    prior.fit_scale(torch.randn(500, 3) * torch.tensor([0.5, 1.0, 2.0]) + 1)
    z = torch.randn(6, 3)
    expected = torch.distributions.Normal(prior.mean, prior.std).log_prob(z).sum(1)
    torch.testing.assert_close(prior.log_prob(z), expected, atol=1e-5, rtol=1e-5)


def test_the_density_follows_a_linear_velocity_by_hand() -> None:
    """Velocity a · x scales space by exp(a): x = exp(a) · noise has log density log N(exp(-a) x) - Z · a."""
    prior = FlowMatchingPrior(2, hidden_dim=8, n_steps=50)
    a = 0.7

    class Linear(torch.nn.Module):
        def forward(self, x: torch.Tensor, time: torch.Tensor, condition: torch.Tensor | None = None) -> torch.Tensor:
            return a * x

    prior.velocity = Linear()
    z = torch.randn(5, 2)
    back = z * math.exp(-a)
    expected = -0.5 * (back.square().sum(1) + 2 * math.log(2 * math.pi)) - 2 * a
    torch.testing.assert_close(prior.log_prob(z), expected, atol=1e-3, rtol=1e-3)
    drawn = prior.sample_target(20_000, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(drawn.std(0), torch.full((2,), math.exp(a)), atol=0.05, rtol=0)


def test_after_fitting_samples_come_from_both_ends_of_a_mixture_and_are_likelier_than_the_middle() -> None:
    torch.manual_seed(0)
    target = torch.cat([torch.randn(2000, 2) * 0.2 + 2, torch.randn(2000, 2) * 0.2 - 2])
    prior = FlowMatchingPrior(2, hidden_dim=64, n_layers=2, n_steps=20)
    prior.fit_scale(target)
    optimizer = torch.optim.Adam(prior.parameters(), lr=3e-3)
    generator = torch.Generator().manual_seed(1)
    for _ in range(600):
        rows = target[torch.randint(len(target), (256,), generator=generator)]
        loss = prior.loss(rows, generator=generator).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    drawn = prior.sample_target(4000, generator=torch.Generator().manual_seed(2))
    high = (drawn > 0).all(1).float().mean()
    assert float(high) == pytest.approx(0.5, abs=0.06)
    assert float(drawn[(drawn > 0).all(1)].mean()) == pytest.approx(2.0, abs=0.1)
    with torch.no_grad():
        density = prior.log_prob(torch.tensor([[2.0, 2.0], [-2.0, -2.0], [0.0, 0.0]]))
    assert density[:2].min() > density[2] + 2
