"""What every prior promises. A new one joins PRIORS and is covered."""

import itertools

import pytest
import torch
from torch.distributions import Independent, Normal

from molvae.nn.latents.gaussian import GaussianLatent, GaussianLatentConfig
from molvae.nn.latents.hierarchical import HierarchicalLatentConfig
from molvae.nn.latents.sphere import SphereLatentConfig
from molvae.nn.latents.vq import VQLatent, VQLatentConfig
from molvae.nn.priors.autoregressive import AutoregressivePriorConfig
from molvae.nn.priors.base import Prior
from molvae.nn.priors.exemplar import ExemplarPriorConfig
from molvae.nn.priors.flow import FlowPriorConfig
from molvae.nn.priors.flow_matching import FlowMatchingPriorConfig
from molvae.nn.priors.gmm import GaussianMixturePriorConfig
from molvae.nn.priors.masked import MaskedPriorConfig
from molvae.nn.priors.settings import PriorSettings
from molvae.nn.priors.spline import SplinePriorConfig
from molvae.nn.priors.standard import StandardPrior, UniformCodePrior
from molvae.nn.priors.vamp import VampPriorConfig
from molvae.nn.registry import PriorConfig

torch.manual_seed(0)
Z = 6
GAUSSIAN = GaussianLatent(4, latent_dim=Z)
CODES = VQLatent(4, n_slots=3, n_codes=8, code_dim=2)
CODES(torch.randn(64, 4))  # the codebooks start from a first batch
CODES.eval()
SHARED_CODES = VQLatent(4, n_slots=3, n_codes=8, code_dim=2, shared=True)
SHARED_CODES(torch.randn(64, 4))
SHARED_CODES.eval()
MATCHING = FlowMatchingPriorConfig(hidden_dim=32, n_layers=2, n_steps=8)
FLOW = FlowPriorConfig(n_transforms=2, hidden_dims=(16,))
AUTOREGRESSIVE = AutoregressivePriorConfig(hidden_dim=16, n_layers=1, slot_dim=2, n_components=3)
SHARED = AutoregressivePriorConfig(hidden_dim=16, n_layers=1, slot_dim=2, n_components=12, shared=True)
SPLINE = SplinePriorConfig(n_transforms=2, hidden_dims=(16,), bins=4)
GMM = GaussianMixturePriorConfig(n_components=5)
EXEMPLARS = ExemplarPriorConfig(n_components=40)
VAMP = VampPriorConfig(n_components=6)
MASKED = MaskedPriorConfig(hidden_dim=16, n_layers=1, n_heads=2)
LEARNED = {
    "spline flow": (SPLINE.build(GAUSSIAN), GAUSSIAN),
    "Gaussian mixture": (GMM.build(GAUSSIAN), GAUSSIAN),
    "exemplars": (EXEMPLARS.build(GAUSSIAN), GAUSSIAN),
    "vamp": (VAMP.build(GAUSSIAN), GAUSSIAN),
    "masked codes": (MASKED.build(CODES), CODES),
    "masked shared codes": (MASKED.build(SHARED_CODES), SHARED_CODES),
    "flow": (FLOW.build(GAUSSIAN), GAUSSIAN),
    "flow matching": (MATCHING.build(GAUSSIAN), GAUSSIAN),
    "autoregressive shared mixture": (SHARED.build(GAUSSIAN), GAUSSIAN),
    "autoregressive mixtures": (AUTOREGRESSIVE.build(GAUSSIAN), GAUSSIAN),
    "autoregressive codes": (AUTOREGRESSIVE.build(CODES), CODES),
    "autoregressive shared codes": (AUTOREGRESSIVE.build(SHARED_CODES), SHARED_CODES),
}
HIERARCHY = HierarchicalLatentConfig(global_dim=2, local_dim=4, hidden_dim=8).build(4)
SPHERE = SphereLatentConfig(latent_dim=Z, n_spheres=2).build(4)
PRIORS = {
    "standard": (StandardPrior(Z), GAUSSIAN),
    "uniform codes": (UniformCodePrior(3, 8), CODES),
    "hierarchy": (HIERARCHY.standard_prior(), HIERARCHY),
    "uniform sphere": (SPHERE.standard_prior(), SPHERE),
    **LEARNED,
}
H = torch.randn(32, 4)


@pytest.fixture(params=PRIORS.values(), ids=PRIORS.keys())
def pair(request: pytest.FixtureRequest) -> tuple[Prior, torch.nn.Module]:
    return request.param


def test_samples_have_the_promised_shape_and_follow_the_generator(pair: tuple) -> None:
    prior, latent = pair
    draws = [prior.sample_target(7, generator=torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    z = latent.to_z(draws[0])
    assert z.shape == (7, Z)
    assert torch.isfinite(z).all()
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_a_prior_scores_its_own_samples(pair: tuple) -> None:
    prior, _ = pair
    log_prob = prior.log_prob(prior.sample_target(5, generator=torch.Generator().manual_seed(0)))
    assert log_prob.shape == (5,)
    assert torch.isfinite(log_prob).all()


def test_log_prob_is_finite_and_one_number_a_row(pair: tuple) -> None:
    prior, latent = pair
    log_prob = prior.log_prob(latent.sample_posterior(latent.posterior(H)))
    assert log_prob.shape == (32,)
    assert torch.isfinite(log_prob).all()


@pytest.mark.parametrize(("prior", "latent"), LEARNED.values(), ids=LEARNED.keys())
def test_learning_raises_the_likelihood_and_reaches_every_weight(prior: Prior, latent: torch.nn.Module) -> None:
    target = latent.sample_posterior(latent.posterior(H), generator=torch.Generator().manual_seed(0)).detach()
    prior.fit_scale(target)
    optimizer = torch.optim.Adam(prior.parameters(), lr=0.01)
    losses = []
    for _ in range(40):
        loss = prior.loss(target, generator=torch.Generator().manual_seed(0)).mean()
        optimizer.zero_grad()
        loss.backward()
        assert all(p.grad is not None for p in prior.parameters())
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] - 0.3


DENSITIES = {
    "flow": FLOW,
    "own mixtures": AUTOREGRESSIVE,
    "shared mixture": SHARED,
    "spline": SPLINE,
    "Gaussian mixture": GMM,
    "exemplars": EXEMPLARS,
    "vamp": VAMP,
}


@pytest.mark.parametrize("config", DENSITIES.values(), ids=DENSITIES.keys())
def test_densities_of_a_continuous_prior_integrate_to_one(config: PriorConfig) -> None:
    torch.manual_seed(1)
    prior = config.build(GaussianLatent(4, latent_dim=2))
    prior.fit_scale(torch.randn(100, 2) * torch.tensor([0.5, 2.0]) + 1)
    axis = torch.linspace(-16, 16, 641)
    with torch.no_grad():
        density = prior.log_prob(torch.cartesian_prod(axis, axis)).exp()
    assert float(density.sum() * (axis[1] - axis[0]) ** 2) == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("name", ["autoregressive codes", "masked codes"])
def test_probabilities_of_all_codes_sum_to_one(name: str) -> None:
    prior = LEARNED[name][0]
    codes = torch.tensor(list(itertools.product(range(8), repeat=3)))
    assert float(prior.log_prob(codes).exp().sum().detach()) == pytest.approx(1.0, abs=1e-4)


def test_samples_of_a_mixture_prior_have_the_likelihood_it_claims() -> None:
    """E[-log p] over its own samples is the entropy; a wrong sampler would not be consistent with log_prob."""
    torch.manual_seed(0)
    prior = AUTOREGRESSIVE.build(GaussianLatent(4, latent_dim=2))
    axis = torch.linspace(-12, 12, 481)
    grid = torch.cartesian_prod(axis, axis)
    with torch.no_grad():
        log_density = prior.log_prob(grid)
        entropy = -(log_density.exp() * log_density).sum() * (axis[1] - axis[0]) ** 2
        z = prior.sample_target(20_000, generator=torch.Generator().manual_seed(0))
        assert float(-prior.log_prob(z).mean()) == pytest.approx(float(entropy), abs=0.05)


def test_the_standard_prior_agrees_with_torch_distributions() -> None:
    z = torch.randn(6, 4)
    expected = Independent(Normal(torch.zeros(4), torch.ones(4)), 1).log_prob(z)
    torch.testing.assert_close(StandardPrior(4).log_prob(z), expected)


def test_a_latent_gets_the_standard_prior_of_its_kind() -> None:
    assert isinstance(GAUSSIAN.standard_prior(), StandardPrior)
    assert isinstance(CODES.standard_prior(), UniformCodePrior)


def test_priors_and_latents_that_do_not_fit_are_refused_with_what_to_do() -> None:
    with pytest.raises(ValueError, match="for VQ codes choose kind: autoregressive or masked"):
        FLOW.check(VQLatentConfig())
    with pytest.raises(ValueError, match="for VQ codes choose kind: autoregressive or masked"):
        MATCHING.check(VQLatentConfig())
    with pytest.raises(ValueError, match="slot_dim 4 does not divide the 6 latent dimensions"):
        AUTOREGRESSIVE.model_copy(update={"slot_dim": 4}).check(GaussianLatentConfig(latent_dim=6))


@pytest.mark.parametrize(
    ("config", "latent"),
    [(c, GAUSSIAN) for c in (FLOW, MATCHING, AUTOREGRESSIVE, SHARED, SPLINE, GMM, EXEMPLARS, VAMP)]
    + [(AUTOREGRESSIVE, CODES), (MASKED, CODES)],
    ids=lambda part: part.kind if isinstance(part, PriorSettings) else "",
)
def test_a_learned_prior_listens_to_its_condition(config: PriorConfig, latent: torch.nn.Module) -> None:
    torch.manual_seed(0)
    prior = config.build(latent, condition_dim=5)
    with torch.no_grad():
        for parameter in prior.parameters():  # some start at zero
            parameter.add_(0.1 * torch.randn_like(parameter))
    target = latent.sample_posterior(latent.posterior(H))
    one, other = (torch.randn(1, 5).expand(32, 5) for _ in range(2))
    assert not torch.allclose(prior.log_prob(target, condition=one), prior.log_prob(target, condition=other))
    draws = [
        prior.sample_target(32, condition=c, generator=torch.Generator().manual_seed(0)) for c in (one, one, other)
    ]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


@pytest.mark.parametrize("prior", [prior for prior, _ in LEARNED.values()], ids=LEARNED.keys())
def test_a_low_temperature_favors_likely_latents(prior: Prior) -> None:
    means = []
    for temperature in (1.0, 0.3):
        target = prior.sample_target(2000, temperature=temperature, generator=torch.Generator().manual_seed(0))
        means.append(float(prior.log_prob(target).mean().detach()))
    assert means[1] > means[0]
