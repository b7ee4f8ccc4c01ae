"""What every prior promises. A new one joins PRIORS and is covered."""

import pytest
import torch
from torch.distributions import Independent, Normal

from molvae.latents.vq import VQLatent
from molvae.priors.standard import StandardPrior, UniformCodePrior

torch.manual_seed(0)
LATENT = VQLatent(4, n_slots=3, n_codes=8, code_dim=2)
LATENT(torch.randn(32, 4))  # the codebooks start from a first batch
LATENT.eval()
PRIORS = [StandardPrior(6), UniformCodePrior(LATENT)]
Z = 6


@pytest.fixture(params=PRIORS, ids=lambda p: type(p).__name__)
def prior(request: pytest.FixtureRequest) -> StandardPrior:
    return request.param


def test_samples_have_the_promised_shape_and_follow_the_generator(prior: StandardPrior) -> None:
    draws = [prior.sample(7, generator=torch.Generator().manual_seed(1)) for _ in range(2)]
    assert draws[0].shape == (7, Z)
    assert torch.equal(*draws)
    assert not torch.equal(draws[0], prior.sample(7, generator=torch.Generator().manual_seed(2)))


def test_log_prob_is_finite_and_one_number_a_row(prior: StandardPrior) -> None:
    z = prior.sample(7, generator=torch.Generator().manual_seed(1))
    assert prior.log_prob(z).shape == (7,)
    assert torch.isfinite(prior.log_prob(z)).all()


def test_the_standard_prior_agrees_with_torch_distributions() -> None:
    z = torch.randn(6, 4)
    expected = Independent(Normal(torch.zeros(4), torch.ones(4)), 1).log_prob(z)
    torch.testing.assert_close(StandardPrior(4).log_prob(z), expected)
