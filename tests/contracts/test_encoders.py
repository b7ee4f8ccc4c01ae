"""What every encoder promises. A new one joins ENCODERS and is covered."""

import pytest
import torch

from molvae.config import GRUEncoderConfig
from molvae.data.batches import MolBatch
from molvae.model import build_encoder

VOCABULARY = 20
ENCODERS = [GRUEncoderConfig(token_dim=8, hidden_dim=6), GRUEncoderConfig(token_dim=8, hidden_dim=6, n_layers=2)]
MOLECULES = [[4, 5, 6, 7], [8], [9, 10, 11], [12, 13, 14, 15, 16, 17]]


@pytest.fixture(params=ENCODERS, ids=lambda c: f"{c.kind}-{c.n_layers}")
def encoder(request: pytest.FixtureRequest) -> torch.nn.Module:
    torch.manual_seed(0)
    return build_encoder(request.param, VOCABULARY).eval()


def test_h_has_the_promised_shape_and_is_finite(encoder: torch.nn.Module) -> None:
    h = encoder(MolBatch.of_token_ids(MOLECULES))
    assert h.shape == (4, encoder.h_dim)
    assert torch.isfinite(h).all()


def test_a_gradient_reaches_every_parameter(encoder: torch.nn.Module) -> None:
    encoder(MolBatch.of_token_ids(MOLECULES)).square().sum().backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_padding_changes_nothing(encoder: torch.nn.Module) -> None:
    together = encoder(MolBatch.of_token_ids(MOLECULES))
    alone = torch.cat([encoder(MolBatch.of_token_ids([m])) for m in MOLECULES])
    torch.testing.assert_close(together, alone, atol=1e-6, rtol=1e-5)


def test_the_order_of_the_batch_changes_nothing(encoder: torch.nn.Module) -> None:
    order = [2, 0, 3, 1]
    there = encoder(MolBatch.of_token_ids(MOLECULES))
    back = encoder(MolBatch.of_token_ids([MOLECULES[i] for i in order]))
    torch.testing.assert_close(there[order], back, atol=1e-6, rtol=1e-5)


def test_different_molecules_and_different_ends_give_different_h(encoder: torch.nn.Module) -> None:
    h = encoder(MolBatch.of_token_ids([[4, 5, 6], [7, 5, 6], [4, 5, 7]]))
    assert torch.cdist(h, h)[[0, 0, 1], [1, 2, 2]].min() > 1e-4


def test_encoding_is_deterministic_in_eval_mode(encoder: torch.nn.Module) -> None:
    batch = MolBatch.of_token_ids(MOLECULES)
    assert torch.equal(encoder(batch), encoder(batch))
