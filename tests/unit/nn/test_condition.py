import pytest
import torch

from molvae.nn.condition import PropertyCondition


@pytest.fixture
def condition() -> PropertyCondition:
    torch.manual_seed(0)
    return PropertyCondition(["logp", "qed"], mean=[2.0, 0.7], std=[1.0, 0.1], dim=6, dropout=0.5)


def test_values_their_absence_and_each_property_give_different_conditions(condition: PropertyCondition) -> None:
    values = torch.tensor([[2.0, 0.7], [3.0, 0.7], [2.0, 0.8], [torch.nan, 0.7], [torch.nan, torch.nan]])
    c = condition.eval()(values)
    assert c.shape == (5, 6)
    assert torch.isfinite(c).all()
    assert torch.pdist(c).min() > 1e-3
    torch.testing.assert_close(c[4:], condition(condition.nothing_known(1)))


def test_labels_are_hidden_at_random_in_training_only(condition: PropertyCondition) -> None:
    values = torch.tensor([[2.5, 0.9]]).expand(4000, 2)
    known, unknown = condition.eval()(values[:1]), condition(condition.nothing_known(1))
    c = condition.train()(values, generator=torch.Generator().manual_seed(0))
    share = {
        name: float(torch.isclose(c, target, atol=1e-6).all(1).float().mean())
        for name, target in {"known": known, "unknown": unknown}.items()
    }
    assert share["known"] == pytest.approx(0.75 * 0.25, abs=0.03)
    assert share["unknown"] == pytest.approx(0.25 + 0.75 * 0.25, abs=0.03)


def test_missing_labels_give_a_gradient_to_their_own_embedding_only(condition: PropertyCondition) -> None:
    condition.eval()(torch.tensor([[torch.nan, 0.8]])).sum().backward()
    assert condition.unknown.grad is not None
    assert condition.unknown.grad[0].abs().sum() > 0
    assert condition.unknown.grad[1].abs().sum() == 0
    assert condition.first.grad is not None
    assert torch.isfinite(condition.first.grad).all()
