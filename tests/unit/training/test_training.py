import math
from datetime import timedelta

import numpy as np
import pytest
import torch
from sklearn.metrics import r2_score

from molvae.data.batches import MolBatch
from molvae.evaluation.collapse import LatentDiagnostics, diagnose, r_squared
from molvae.nn.build import ModelConfig, build_model
from molvae.nn.latents.gaussian import mutual_information
from molvae.training.clock import TrainingClock
from molvae.training.config import TrainingConfig
from molvae.training.losses import property_loss, reconstruction_loss
from molvae.training.schedules import (
    ConstantBetaConfig,
    ConstrainedBetaConfig,
    CyclicalBetaConfig,
    LinearBetaConfig,
)


def test_constant_beta_is_constant() -> None:
    assert {ConstantBetaConfig(beta=0.3).at(p) for p in (0.0, 0.4, 1.0)} == {0.3}


def test_linear_beta_rises_and_stays() -> None:
    config = LinearBetaConfig(beta=1.0, start=0.2, warmup=0.5)
    assert [config.at(p) for p in (0.0, 0.25, 0.5, 0.9)] == pytest.approx([0.2, 0.6, 1.0, 1.0])


def test_cyclical_beta_returns_to_its_start_at_every_cycle_and_ends_at_the_top() -> None:
    config = CyclicalBetaConfig(beta=1.0, n_cycles=4, ramp=0.5)
    assert [config.at(p) for p in (0.0, 0.25, 0.5, 0.75)] == [0.0] * 4
    assert [config.at(p) for p in (0.0625, 0.125, 0.2, 1.0)] == pytest.approx([0.5, 1.0, 1.0, 1.0])
    assert CyclicalBetaConfig(beta=0.3, start=0.1).at(1 / 16) == pytest.approx(0.2)


def test_a_constrained_beta_falls_above_the_target_rises_below_it_and_stays_in_its_bounds() -> None:
    config = ConstrainedBetaConfig(reconstruction=2.0, start=0.1, lowest=0.05, highest=0.2, speed=0.1)
    assert config.at(0.7) == 0.1
    assert config.next(0.1, 0.5, reconstruction=3.0) == pytest.approx(0.1 * math.exp(-0.05))
    assert config.next(0.1, 0.5, reconstruction=90.0) == pytest.approx(0.1 * math.exp(-0.1))
    assert config.next(0.1, 0.5, reconstruction=1.0) == pytest.approx(0.1 * math.exp(0.05))
    assert config.next(0.05, 0.5, reconstruction=9.0) == 0.05
    assert config.next(0.2, 0.5, reconstruction=0.0) == 0.2


def test_learning_rate_warms_up_and_follows_a_cosine() -> None:
    config = TrainingConfig(max_steps=100, learning_rate=1.0, warmup_steps=10, final_learning_rate=0.1)
    assert config.learning_rate_at(0.0, 4) == pytest.approx(0.5)
    assert config.learning_rate_at(0.5, 50) == pytest.approx(0.55)
    assert config.learning_rate_at(1.0, 100) == pytest.approx(0.1)


def test_progress_is_whichever_of_steps_and_time_is_further(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    clock = TrainingClock(max_steps=10, max_time=timedelta(seconds=100))
    clock.start()
    now[0] = 120.0
    assert clock.progress(5) == pytest.approx(0.5)
    assert clock.progress(1) == pytest.approx(0.2)
    assert clock.progress(99) == 1.0


def test_time_that_is_not_a_step_ahead_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    clock = TrainingClock(max_steps=10, max_time=timedelta(seconds=100))
    clock.start()
    now[0] = 9.0
    assert clock.progress(0) == 0.0
    now[0] = 11.0
    assert clock.progress(0) == pytest.approx(0.11)


def test_a_stopped_clock_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    clock = TrainingClock(max_time=timedelta(seconds=100))
    clock.start()
    now[0] = 30.0
    clock.stop()
    now[0] = 90.0
    assert clock.seconds == 30.0


def test_a_resumed_clock_goes_on_from_the_time_already_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.monotonic", lambda: 0.0)
    clock = TrainingClock(max_time=timedelta(seconds=100))
    clock.load_state_dict({"seconds": 40.0})
    clock.start()
    assert clock.progress(0) == pytest.approx(0.4)


def test_reconstruction_is_summed_over_tokens_and_averaged_over_molecules_without_padding() -> None:
    batch = MolBatch.of_token_ids([[4, 5, 6], [7]])
    logits = torch.zeros(2, 4, 8)  # uniform over 8 tokens: log 8 nats per token; 4 and 2 tokens with eos
    assert float(reconstruction_loss(logits, batch.token_ids)) == pytest.approx((4 + 2) * math.log(8) / 2)


def test_missing_labels_change_neither_loss_nor_gradient() -> None:
    predicted = torch.tensor([[1.0, 5.0], [2.0, 0.0]], requires_grad=True)
    labels = torch.tensor([[0.0, torch.nan], [torch.nan, 2.0]])
    loss = property_loss(predicted, labels)
    loss.backward()
    assert float(loss.detach()) == pytest.approx((1 + 4) / 2)
    assert predicted.grad is not None
    assert predicted.grad[0, 1] == 0
    assert predicted.grad[1, 0] == 0
    assert float(property_loss(predicted, torch.full((2, 2), torch.nan)).detach()) == 0.0


def test_mutual_information_of_separate_posteriors_is_log_n_and_of_equal_ones_zero() -> None:
    apart = torch.arange(50.0)[:, None] * 100
    assert mutual_information(apart, torch.zeros(50, 1)) == pytest.approx(math.log(50), abs=1e-3)
    assert mutual_information(torch.zeros(50, 3), torch.zeros(50, 3)) == pytest.approx(0.0, abs=1e-4)


def test_mutual_information_agrees_with_torch_distributions() -> None:
    generator = torch.Generator().manual_seed(1)
    mean, logvar = (torch.randn(40, 3, generator=generator) for _ in range(2))
    noise = torch.randn(mean.shape, generator=torch.Generator().manual_seed(0))
    z = mean + noise * (0.5 * logvar).exp()  # the very draw that the estimate makes
    q = torch.distributions.Normal(mean, (0.5 * logvar).exp())
    log_q = q.log_prob(z[:, None]).sum(-1)
    expected = (log_q.diagonal() - log_q.logsumexp(1) + math.log(40)).mean()
    assert mutual_information(mean, logvar, block=7) == pytest.approx(float(expected), abs=1e-4)


def test_r_squared_agrees_with_sklearn_on_the_labeled_rows() -> None:
    rng = np.random.default_rng(0)
    labels = rng.normal(size=(30, 2)).astype(np.float32)
    predicted = labels + rng.normal(size=(30, 2)).astype(np.float32)
    labels[:5, 1] = np.nan
    ours = r_squared(torch.from_numpy(predicted), torch.from_numpy(labels)).tolist()
    expected = [r2_score(labels[:, 0], predicted[:, 0]), r2_score(labels[5:, 1], predicted[5:, 1])]
    assert ours == pytest.approx(expected, abs=1e-5)


def diagnostics_with(kl: list[float]) -> LatentDiagnostics:
    return LatentDiagnostics(
        n_molecules=10,
        reconstruction=1.0,
        kl=sum(kl),
        kl_per_dimension=tuple(kl),
        active_units=len(kl),
        latent_dim=len(kl),
        mutual_information=0.0,
        mutual_information_bound=2.3,
        exact=0.0,
        property_r2={},
    )


def test_the_warning_comes_when_more_than_a_fifth_of_the_dimensions_say_nothing() -> None:
    assert diagnostics_with([1.0] * 8 + [0.05] * 2).warning is None
    warning = diagnostics_with([1.0] * 7 + [0.05] * 3).warning
    assert warning is not None
    assert "3 of 10" in warning


def test_diagnosing_leaves_the_mode_and_gives_the_same_numbers_whatever_the_batches() -> None:
    torch.manual_seed(0)
    model = build_model(ModelConfig(), vocabulary_size=12).train()
    molecules = [[4, 5, 6], [7, 8], [9], [10, 11, 4, 5]]
    whole = diagnose(model, [MolBatch.of_token_ids(molecules)], max_length=8)
    parts = diagnose(model, [MolBatch.of_token_ids([m]) for m in molecules], max_length=8)
    assert model.training
    assert whole.n_molecules == parts.n_molecules == 4
    assert whole.kl == pytest.approx(parts.kl, rel=1e-5)
    assert whole.exact == parts.exact
