"""What every latent promises. A new one joins LATENTS and is covered."""

import math

import pytest
import torch
from throwaway import PointLatentConfig
from torch.distributions import Normal, kl_divergence

from molvae.nn.latents.autoencoder import AutoencoderLatentConfig
from molvae.nn.latents.categorical import CategoricalLatentConfig
from molvae.nn.latents.codes import code_entropy
from molvae.nn.latents.delta import DeltaLatentConfig
from molvae.nn.latents.fsq import FSQLatentConfig
from molvae.nn.latents.gaussian import GaussianLatent, GaussianLatentConfig, gaussian_kl, reparametrize
from molvae.nn.latents.grouped import GroupedLatentConfig
from molvae.nn.latents.hierarchical import HierarchicalLatentConfig
from molvae.nn.latents.mmd import MMDLatentConfig
from molvae.nn.latents.residual_vq import ResidualVQLatentConfig
from molvae.nn.latents.sphere import SphereLatentConfig
from molvae.nn.latents.tcvae import TCLatentConfig
from molvae.nn.latents.vq import VQLatent, VQLatentConfig
from molvae.nn.latents.vq_gradient import GradientVQLatentConfig

GAUSSIANS = [
    GaussianLatentConfig(latent_dim=5),
    GaussianLatentConfig(latent_dim=5, free_bits=0.5),
    GaussianLatentConfig(latent_dim=5, min_rate=3.0),
]
CODES = VQLatentConfig(n_slots=3, n_codes=8, code_dim=2)
GRADIENT_CODES = GradientVQLatentConfig(n_slots=3, n_codes=8, code_dim=2)
RESIDUAL_CODES = ResidualVQLatentConfig(n_vectors=3, depth=2, n_codes=8, code_dim=2)
GRID = FSQLatentConfig(n_slots=3, levels=(4, 3))
CATEGORIES = CategoricalLatentConfig(n_slots=3, n_codes=8, code_dim=2)
DRAWN = [
    *GAUSSIANS,
    AutoencoderLatentConfig(latent_dim=5, noise=0.3),
    TCLatentConfig(latent_dim=5),
    MMDLatentConfig(latent_dim=5, kl_weight=0.1),
    DeltaLatentConfig(latent_dim=5),
    GroupedLatentConfig(latent_dim=6, n_groups=3, free_nats=0.1),
    SphereLatentConfig(latent_dim=6),
    SphereLatentConfig(latent_dim=6, n_spheres=2),
    HierarchicalLatentConfig(global_dim=2, local_dim=4, hidden_dim=8),
    CATEGORIES,
    CATEGORIES.model_copy(update={"straight_through": False}),
    CATEGORIES.model_copy(update={"estimator": "reinforce"}),
]
"""Latents whose z is drawn in training."""
POINTS = [
    CODES,
    CODES.model_copy(update={"shared": True}),
    GRADIENT_CODES,
    GRADIENT_CODES.model_copy(update={"shared": True, "gradient": "rotation"}),
    RESIDUAL_CODES,
    GRID,
    AutoencoderLatentConfig(latent_dim=5),
    PointLatentConfig(),
]
LATENTS = [*DRAWN, *POINTS]
H = torch.randn(16, 12, generator=torch.Generator().manual_seed(1)) * 3


@pytest.fixture(params=LATENTS, ids=str)
def latent(request: pytest.FixtureRequest) -> torch.nn.Module:
    torch.manual_seed(0)
    return request.param.build(12)


def test_output_has_the_promised_shapes_and_is_finite(latent: torch.nn.Module) -> None:
    out = latent(H)
    assert out.z.shape == out.mean.shape == (16, latent.latent_dim)
    assert out.regularizer.shape == ()
    assert all(value.shape == () for value in out.diagnostics.values())
    assert torch.isfinite(out.z).all()
    assert torch.isfinite(out.regularizer)


def test_a_gradient_reaches_every_parameter(latent: torch.nn.Module) -> None:
    out = latent(H)
    of_draw = 0.0 if out.log_drawn is None else (out.log_drawn * out.z.detach().sum(1)).sum()
    (out.regularizer + out.z.square().sum() + of_draw).backward()
    for name, parameter in latent.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_the_code_is_deterministic_in_eval_mode_and_summarized(latent: torch.nn.Module) -> None:
    latent.train()(H)
    latent.eval()
    assert torch.equal(latent(H).z, latent(H).mean)
    summary = latent.summarize(H)
    assert 0 <= summary.active_units <= len(summary.kl_per_unit)
    assert (summary.kl_per_unit >= 0).all()
    assert 0 <= summary.mutual_information <= math.log(len(H)) + 1e-6


def test_saving_and_loading_gives_the_same_codes(latent: torch.nn.Module, request: pytest.FixtureRequest) -> None:
    latent.train()(H)
    latent.eval()
    other = request.node.callspec.params["latent"].build(12).eval()
    other.load_state_dict(latent.state_dict())
    assert torch.equal(other(H).mean, latent(H).mean)


@pytest.mark.parametrize("config", DRAWN, ids=str)
def test_z_is_drawn_in_training_and_deterministic_in_eval_mode(config: GaussianLatentConfig) -> None:
    latent = config.build(12)
    assert not torch.equal(latent(H).z, latent(H).z)
    draws = [latent(H, generator=torch.Generator().manual_seed(3)).z for _ in range(2)]
    assert torch.equal(*draws)
    latent.eval()
    assert torch.equal(latent(H).z, latent(H).mean)


def test_the_order_of_the_batch_changes_nothing(latent: torch.nn.Module) -> None:
    latent.eval()
    order = torch.randperm(16, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(latent(H).mean[order], latent(H[order]).mean)


def test_quantized_vectors_are_codes_and_indices_find_them_again() -> None:
    torch.manual_seed(0)
    latent = VQLatent(12, n_slots=3, n_codes=8, code_dim=2)
    latent(H)
    latent.eval()
    indices = latent.posterior(H)
    assert indices.shape == (16, 3)
    torch.testing.assert_close(latent.codes_to_z(indices), latent(H).z)
    vectors = latent.to_slots(H).view(16, 3, 2)
    codes = latent.codes_to_z(torch.arange(8)[:, None].expand(8, 3)).view(8, 3, 2)
    nearest = torch.cdist(vectors.transpose(0, 1), codes.transpose(0, 1)).argmin(-1).T
    assert torch.equal(indices, nearest)


def test_codes_and_their_moving_averages_are_those_of_the_library() -> None:
    vector_quantize_pytorch = pytest.importorskip("vector_quantize_pytorch")
    torch.manual_seed(0)
    for shared in (False, True):
        ours = VQLatent(12, n_slots=3, n_codes=8, code_dim=4, decay=0.9, dead_below=0.0, shared=shared).train()
        theirs = vector_quantize_pytorch.VectorQuantize(
            dim=12,
            heads=3,
            separate_codebook_per_head=not shared,
            codebook_dim=4,
            codebook_size=8,
            commitment_weight=0.25,
            decay=0.9,
            threshold_ema_dead_code=0,
            rotation_trick=False,
        ).train()
        book = theirs._codebook
        start = torch.randn(book.embed.shape)
        for table in (ours.codebooks.codes, ours.codebooks.sums, book.embed, book.embed_avg):
            table.copy_(start)
        ours.codebooks.counts.fill_(1.0)
        ours.codebooks.started.fill_(True)
        book.cluster_size.fill_(1.0)
        for step in range(5):
            h = torch.randn(64, 12, generator=torch.Generator().manual_seed(step))
            vectors = ours.to_slots(h).detach()
            expected, _, commitment = theirs(vectors.unsqueeze(1))
            out = ours(h)
            torch.testing.assert_close(out.z, expected.squeeze(1))
            torch.testing.assert_close(out.regularizer, commitment.sum(), atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(ours.codebooks.codes, book.embed, atol=1e-5, rtol=1e-4)


def test_gradients_pass_straight_through_in_eval_mode_too() -> None:
    latent = VQLatent(12, n_slots=3, n_codes=8, code_dim=2)
    latent(H)
    codes = latent.eval().codebooks.codes.clone()
    latent(H).z.sum().backward()
    assert latent.to_slots.weight.grad.abs().sum() > 0
    assert torch.equal(latent.codebooks.codes, codes)


def test_unused_codes_are_revived() -> None:
    torch.manual_seed(0)
    latent = VQLatent(12, n_slots=2, n_codes=8, code_dim=4, dead_below=0.5).train()
    many = torch.randn(256, 12)
    for _ in range(30):
        latent(many)
    assert latent.eval().summarize(many).kl_per_unit.exp().min() > 4


def test_code_entropy_of_even_use_is_log_k_and_of_one_code_zero() -> None:
    indices = torch.stack([torch.arange(8), torch.zeros(8, dtype=torch.int64)], dim=1)
    torch.testing.assert_close(code_entropy(indices, 8), torch.tensor([math.log(8), 0.0]))


def test_kl_agrees_with_torch_distributions() -> None:
    mean, logvar = torch.randn(6, 3), torch.randn(6, 3)
    expected = kl_divergence(Normal(mean, (0.5 * logvar).exp()), Normal(0.0, 1.0))
    torch.testing.assert_close(gaussian_kl(mean, logvar), expected)


def test_posterior_samples_have_the_posterior_s_moments() -> None:
    mean, logvar = torch.tensor([[2.0, -1.0]]), torch.tensor([[0.0, -2.0]])
    z = reparametrize(mean.expand(20_000, 2), logvar.expand(20_000, 2), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(z.mean(0), mean[0], atol=0.03, rtol=0)
    torch.testing.assert_close(z.std(0), (0.5 * logvar[0]).exp(), atol=0.03, rtol=0)


def test_free_bits_are_a_floor_a_dimension_and_min_rate_one_for_the_vector() -> None:
    quiet = torch.zeros(4, 12)
    plain = GaussianLatent(12, latent_dim=5)
    torch.nn.init.zeros_(plain.to_mean.bias)
    torch.nn.init.zeros_(plain.to_logvar.bias)
    assert float(plain(quiet).regularizer.detach()) == pytest.approx(0.0, abs=1e-6)
    for kind, floor in (({"free_bits": 0.5}, 2.5), ({"min_rate": 3.0}, 3.0)):
        latent = GaussianLatent(12, latent_dim=5, **kind)
        latent.load_state_dict(plain.state_dict())
        regularizer = latent(quiet).regularizer
        assert float(regularizer.detach()) == pytest.approx(floor)
        regularizer.backward()
        assert float(latent.to_mean.bias.grad.abs().sum()) == 0.0


def test_slots_of_h_give_their_own_part_of_z_by_the_same_map() -> None:
    torch.manual_seed(0)
    for config in (GaussianLatentConfig(latent_dim=6), VQLatentConfig(n_slots=3, n_codes=8, code_dim=2)):
        latent = config.build(12, h_slots=3)
        latent(H)  # the codebooks start from a first batch
        latent.eval()
        changed = H.clone()
        changed[:, 4:8] += 1.0
        same = torch.isclose(latent(H).mean, latent(changed).mean).all(0)
        assert same[[0, 1, 4, 5]].all()
        assert not same[[2, 3]].all()


def test_the_regularizer_against_a_prior_is_the_kl_to_it() -> None:
    torch.manual_seed(0)
    latent = GaussianLatent(12, latent_dim=5, min_rate=100.0)
    prior = Normal(1.0, 2.0)
    out = [float(latent(H, log_prior=lambda z: prior.log_prob(z).sum(1)).regularizer.detach()) for _ in range(2000)]
    mean, logvar = latent.moments(H)
    expected = kl_divergence(Normal(mean, (0.5 * logvar).exp()), prior).sum(1).mean()
    assert sum(out) / len(out) == pytest.approx(float(expected.detach()), rel=0.01)


def test_a_prior_of_codes_learns_without_touching_the_encoder() -> None:
    torch.manual_seed(0)
    latent = VQLatent(12, n_slots=3, n_codes=8, code_dim=2)
    weight = torch.zeros((), requires_grad=True)
    out = latent(H, log_prior=lambda codes: weight.expand(len(codes)) - math.log(8) * 3)
    assert float(out.auxiliary.detach()) == pytest.approx(math.log(8) * 3)
    out.auxiliary.backward()
    assert float(weight.grad) == -1.0
    assert latent.to_slots.weight.grad is None
