"""Every latent against an oracle: torch.distributions, SciPy, vector-quantize-pytorch or enumeration."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.stats import vonmises_fisher
from torch.distributions import Categorical, kl_divergence

from molvae.nn.latents.autoencoder import AutoencoderLatent
from molvae.nn.latents.categorical import CategoricalLatent
from molvae.nn.latents.codes import rotated
from molvae.nn.latents.delta import DeltaLatent, max_logvar
from molvae.nn.latents.fsq import FSQLatent
from molvae.nn.latents.gaussian import gaussian_kl
from molvae.nn.latents.hierarchical import HierarchicalLatent
from molvae.nn.latents.mmd import squared_mmd
from molvae.nn.latents.residual_vq import ResidualVQLatent
from molvae.nn.latents.sphere import SphereLatent
from molvae.nn.latents.tcvae import TCLatent, kl_parts
from molvae.nn.latents.vq_gradient import GradientVQLatent

H = torch.randn(32, 12, generator=torch.Generator().manual_seed(1))


def number(value: torch.Tensor) -> float:
    return float(value.detach())


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def test_an_autoencoder_is_deterministic_and_its_noise_has_its_entropy() -> None:
    plain, noisy = AutoencoderLatent(12, latent_dim=4), AutoencoderLatent(12, latent_dim=4, noise=0.5)
    assert torch.equal(plain.train()(H).z, plain(H).mean)
    assert not plain.bounded
    assert number(plain(H).regularizer) == pytest.approx(number(0.5 * plain(H).mean.square().sum(1).mean()))
    drawn = noisy.train()(H)
    assert number((drawn.z - drawn.mean).std()) == pytest.approx(0.5, rel=0.2)
    expected = torch.distributions.Normal(0.0, 0.5).entropy() * 4
    torch.testing.assert_close(noisy.entropy(noisy.posterior(H)), expected.expand(32))


@pytest.mark.parametrize(("dim", "kappa"), [(3, 2.0), (8, 30.0), (32, 200.0)])
def test_the_sphere_agrees_with_scipy(dim: int, kappa: float) -> None:
    latent = SphereLatent(12, latent_dim=dim)
    direction = torch.nn.functional.normalize(torch.randn(1, dim), dim=1)
    parameters = torch.cat([direction, torch.tensor([[kappa]])], dim=1)
    oracle = vonmises_fisher(direction[0].double().numpy() / np.linalg.norm(direction[0].double().numpy()), kappa)
    z = latent.sample_posterior(parameters.expand(20_000, -1), generator=generator())
    torch.testing.assert_close(z.norm(dim=1), torch.ones(20_000), atol=1e-4, rtol=0)
    unit = (z[:100].double() / z[:100].double().norm(dim=1, keepdim=True)).numpy()
    np.testing.assert_allclose(latent.log_posterior(parameters, z[:100])[:100].numpy(), oracle.logpdf(unit), atol=0.02)
    assert number(latent.entropy(parameters)) == pytest.approx(oracle.entropy(), abs=0.01)
    ours = number((z @ direction[0]).mean())
    theirs = float((oracle.rvs(20_000, random_state=0) @ direction[0].numpy()).mean())
    assert ours == pytest.approx(theirs, abs=0.01)


def test_draws_on_a_sphere_move_with_kappa_as_their_quantiles_do() -> None:
    latent = SphereLatent(12, latent_dim=5)
    kappa = torch.tensor([[4.0]], requires_grad=True)
    place = torch.tensor([[0.37]])
    latent._angle(place, kappa).sum().backward()
    with torch.no_grad():
        moved = (latent._angle(place, kappa + 0.05) - latent._angle(place, kappa - 0.05)) / 0.1
    assert number(kappa.grad) == pytest.approx(number(moved), rel=0.02)


def test_the_parts_of_the_kl_add_up_and_see_correlation() -> None:
    n, rho = 2000, 0.8
    covariance = torch.tensor([[1.0, rho], [rho, 1.0]])
    q = torch.distributions.MultivariateNormal(torch.zeros(2), covariance)
    mean = q.sample((n,)) * math.sqrt(0.99)
    logvar = torch.full((n, 2), math.log(0.01))
    z = mean + 0.1 * torch.randn(n, 2)
    mi, tc, dims = kl_parts(z, mean, logvar, n_molecules=n)
    assert number(mi + tc + dims) == pytest.approx(number(gaussian_kl(mean, logvar).sum(1).mean()), rel=0.05)
    correlation = 0.99 * rho / (0.99 + 0.01)
    assert number(tc) == pytest.approx(-0.5 * math.log(1 - correlation**2), abs=0.1)
    assert abs(number(dims)) < 0.1
    mean = torch.randn(n, 2) * math.sqrt(0.99)
    assert abs(number(kl_parts(mean + 0.1 * torch.randn(n, 2), mean, logvar)[1])) < 0.1


def test_a_tcvae_logs_its_three_parts_and_weights_them() -> None:
    one, heavy = TCLatent(12, latent_dim=4, tc_weight=1.0), TCLatent(12, latent_dim=4, tc_weight=5.0)
    heavy.load_state_dict(one.state_dict())
    outs = [latent(H, generator=generator()) for latent in (one, heavy)]
    parts = outs[0].diagnostics
    assert number(outs[0].regularizer) == pytest.approx(number(parts["mi"] + parts["tc"] + parts["kl_dims"]), abs=1e-4)
    assert number(outs[1].regularizer - outs[0].regularizer) == pytest.approx(4 * number(parts["tc"]), abs=1e-4)
    one.count(10_000)
    assert number(one(H, generator=generator()).diagnostics["mi"]) != pytest.approx(number(parts["mi"]), abs=1e-6)


def test_mmd_is_zero_between_equal_distributions_only() -> None:
    x, y = torch.randn(500, 6), torch.randn(500, 6)
    assert abs(number(squared_mmd(x, y))) < 2e-3
    assert number(squared_mmd(x + 0.5, y)) > 0.01
    assert number(squared_mmd(0.3 * x, y)) > 0.01


@pytest.mark.parametrize("delta", [0.05, 0.5])
def test_no_dimension_of_a_delta_latent_falls_below_delta(delta: float) -> None:
    latent = DeltaLatent(12, latent_dim=5, delta=delta)
    for scale in (0.0, 1.0, 100.0):
        mean, logvar = latent.moments(scale * H)
        assert number(gaussian_kl(torch.zeros_like(mean), logvar).min()) >= delta - 1e-4
        assert number(gaussian_kl(mean, logvar).min()) >= delta - 1e-4
    assert 0.5 * (math.exp(max_logvar(delta)) - 1 - max_logvar(delta)) == pytest.approx(delta, rel=1e-6)


def test_fsq_is_that_of_the_library() -> None:
    library = pytest.importorskip("vector_quantize_pytorch")
    levels = [8, 5, 4, 3]
    ours, theirs = FSQLatent(12, n_slots=3, levels=levels), library.FSQ(levels)
    vectors = ours.to_slots(H).unflatten(1, (3, 4))
    expected, indices = theirs(vectors)
    torch.testing.assert_close(ours(H).z.unflatten(1, (3, 4)), expected, atol=1e-5, rtol=1e-5)
    assert torch.equal(ours.posterior(H), indices.long())
    torch.testing.assert_close(ours.codes_to_z(ours.posterior(H)), ours(H).z)


def test_every_code_of_a_grid_is_found_again() -> None:
    latent = FSQLatent(12, n_slots=1, levels=(4, 3, 5))
    indices = torch.arange(60).unsqueeze(1)
    rounded = latent.codebook() * (latent.levels // 2)
    assert torch.equal(latent._indices(rounded.round().unsqueeze(1)), indices)
    assert latent.codebook().unique(dim=0).shape == (60, 3)


def test_the_rotation_gives_the_code_and_turns_the_gradient() -> None:
    library = pytest.importorskip("vector_quantize_pytorch.vector_quantize_pytorch")
    vectors = torch.randn(20, 4, requires_grad=True)
    codes, slope = torch.randn(20, 4), torch.randn(20, 4)
    ours = rotated(vectors, codes)
    torch.testing.assert_close(ours, codes, atol=1e-5, rtol=1e-4)
    (mine,) = torch.autograd.grad((ours * slope).sum(), vectors)
    (theirs,) = torch.autograd.grad((library.rotate_to(vectors, codes) * slope).sum(), vectors)
    torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-4)
    assert not torch.allclose(mine, slope)


def test_codes_learned_by_gradient_come_nearer_to_the_vectors() -> None:
    latent = GradientVQLatent(12, n_slots=3, n_codes=4, code_dim=2)
    latent(H)
    optimizer, losses = torch.optim.Adam([latent.codes], lr=0.02), []
    for _ in range(60):
        loss = latent(H).regularizer
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(number(loss.detach()))
    assert losses[-1] < 0.8 * losses[0]


def test_each_residual_code_brings_the_sum_nearer() -> None:
    errors = []
    for depth in (1, 2, 4):
        torch.manual_seed(0)
        latent = ResidualVQLatent(12, n_vectors=2, depth=depth, n_codes=8, code_dim=4).train()
        for _ in range(20):
            latent(H)
        out = latent.eval()(H)
        errors.append(number((latent.to_slots(H) - out.z).square().mean()))
        indices = latent.posterior(H)
        assert indices.shape == (32, 2 * depth)
        torch.testing.assert_close(latent.codes_to_z(indices), out.z, atol=1e-5, rtol=1e-5)
    assert errors[0] > errors[1] > errors[2]


def test_the_kl_and_entropy_of_categories_are_exact() -> None:
    latent = CategoricalLatent(12, n_slots=3, n_codes=5, code_dim=2)
    q = Categorical(logits=latent.posterior(H).unflatten(1, (3, 5)))
    expected = kl_divergence(q, Categorical(torch.full((5,), 0.2))).sum(1).mean()
    torch.testing.assert_close(latent(H).regularizer, expected)
    torch.testing.assert_close(latent.entropy(latent.posterior(H)), q.entropy().sum(1))
    drawn = latent.sample_posterior(latent.posterior(H[:1]).expand(20_000, -1), generator=generator())
    shares = torch.nn.functional.one_hot(drawn, 5).float().mean(0)
    torch.testing.assert_close(shares, q.probs[0], atol=0.02, rtol=0)


def test_gumbel_draws_have_the_probabilities_of_their_categories() -> None:
    latent = CategoricalLatent(12, n_slots=3, n_codes=5, code_dim=2)
    log_q = latent._log_q(latent.posterior(H[:1])).expand(20_000, -1, -1)
    shares = latent._relaxed(log_q, generator()).mean(0)
    torch.testing.assert_close(shares, log_q[0].exp(), atol=0.02, rtol=0)


def test_the_temperature_falls_to_its_end() -> None:
    latent = CategoricalLatent(12, n_slots=3, n_codes=5, temperature=2.0, final_temperature=0.5)
    seen = []
    for progress in (0.0, 0.5, 1.0):
        latent.anneal(progress)
        seen.append(latent.tau)
    assert seen == pytest.approx([2.0, 1.0, 0.5])


def test_reinforce_is_unbiased_and_gumbel_is_not_far_off() -> None:
    """The exact gradient of E[loss] by enumeration, against the mean of many estimates."""
    weight = torch.randn(2 * 3 * 2)

    def losses(z: torch.Tensor) -> torch.Tensor:
        return (z @ weight[: z.shape[1]]).square()

    latent = CategoricalLatent(12, n_slots=2, n_codes=3, code_dim=3, estimator="reinforce").train()
    h = H[:1]
    logits = latent.posterior(h).detach().requires_grad_()
    probabilities = logits.unflatten(1, (2, 3)).softmax(-1)[0]
    total = sum(
        probabilities[0, a] * probabilities[1, b] * losses(latent.codes_to_z(torch.tensor([[a, b]]))).squeeze()
        for a, b in itertools.product(range(3), repeat=2)
    )
    (exact,) = torch.autograd.grad(total, logits)
    many = logits.detach().expand(40_000, -1).clone().requires_grad_()
    drawn = latent.sample_posterior(many, generator=generator())
    reward = losses(latent.codes_to_z(drawn)).detach()
    ((reward - reward.mean()) * latent.log_posterior(many, drawn)).sum().backward()
    torch.testing.assert_close(many.grad.mean(0), exact[0], atol=0.05, rtol=0.05)


def test_a_hierarchy_scores_its_own_samples_as_its_entropy_says() -> None:
    latent = HierarchicalLatent(12, global_dim=2, local_dim=4, hidden_dim=8, n_slots=2)
    parameters = latent.posterior(H[:1])
    targets = latent.sample_posterior(parameters.expand(20_000, -1), generator=generator())
    log_q = latent.log_posterior(parameters.expand(20_000, -1), targets)
    assert number(-log_q.mean()) == pytest.approx(number(latent.entropy(parameters)), abs=0.05)
    kl = log_q - latent.standard_prior().log_prob(targets)
    expected = [number(part.sum(1).mean()) for part in latent._kl(parameters.expand(20_000, -1), targets[:, :2])]
    assert number(kl.mean()) == pytest.approx(sum(expected), abs=0.05)


def test_a_hierarchy_reports_and_frees_each_level() -> None:
    latent = HierarchicalLatent(12, global_dim=2, local_dim=4, hidden_dim=8)
    out = latent.train()(H)
    assert number(out.diagnostics["kl"]) == pytest.approx(
        number(out.diagnostics["kl_z1"] + out.diagnostics["kl_z2"]), rel=1e-5
    )
    levels = latent.summarize(H).levels
    assert list(levels) == ["z1", "z2"]
    assert sum(kl for kl, _ in levels.values()) == pytest.approx(
        number(latent.summarize(H).kl_per_unit.sum()), rel=1e-5
    )
    free = HierarchicalLatent(12, global_dim=2, local_dim=4, hidden_dim=8, free_bits=(50.0, 70.0))
    assert number(free(H).regularizer) == pytest.approx(2 * 50 + 4 * 70)


def test_slots_of_a_hierarchy_hold_a_part_of_both_levels() -> None:
    latent = HierarchicalLatent(12, global_dim=2, local_dim=4, hidden_dim=8, n_slots=2)
    assert latent.to_z(torch.tensor([[0.0, 1, 2, 3, 4, 5]])).tolist() == [[0, 2, 3, 1, 4, 5]]
