"""What every decoder promises. A new one joins DECODERS and is covered."""

import pytest
import torch
from throwaway import WindowDecoderConfig

from molvae.data.batches import MolBatch
from molvae.data.vocabulary import BOS, EOS, MASK, PAD
from molvae.nn.decoders.gru import GRUDecoderConfig
from molvae.nn.decoders.transformer import TransformerDecoderConfig
from molvae.nn.draws import draw_token
from molvae.nn.registry import DecoderConfig

VOCABULARY, Z = 14, 6
DECODERS = [
    GRUDecoderConfig(token_dim=8, hidden_dim=16, token_dropout=0.3),
    GRUDecoderConfig(token_dim=8, hidden_dim=16, n_layers=2),
    GRUDecoderConfig(token_dim=8, hidden_dim=16, n_slots=3, token_dropout=0.3),
    GRUDecoderConfig(token_dim=8, hidden_dim=16, skip=True),
    TransformerDecoderConfig(hidden_dim=16, n_layers=2, n_heads=2, token_dropout=0.3),
    TransformerDecoderConfig(hidden_dim=16, n_layers=2, n_heads=2, n_slots=3, checkpointing=True),
    WindowDecoderConfig(),
]
IDS = [
    "gru",
    "gru, two layers",
    "gru with slots",
    "gru with skip",
    "transformer",
    "transformer with slots",
    "throw-away",
]
BATCH = MolBatch.of_token_ids([[4, 5, 6, 7], [8], [9, 10, 11]])


@pytest.fixture(params=DECODERS, ids=IDS)
def decoder(request: pytest.FixtureRequest) -> torch.nn.Module:
    torch.manual_seed(0)
    return request.param.build(VOCABULARY, Z).eval()


@pytest.fixture
def z() -> torch.Tensor:
    return torch.randn(3, Z, generator=torch.Generator().manual_seed(1))


def test_logits_have_one_row_a_token_after_bos(decoder: torch.nn.Module, z: torch.Tensor) -> None:
    logits = decoder(z, BATCH.token_ids)
    assert logits.shape == (3, BATCH.token_ids.shape[1] - 1, VOCABULARY)
    assert torch.isfinite(logits).all()


def test_a_gradient_reaches_every_parameter_and_z(decoder: torch.nn.Module, z: torch.Tensor) -> None:
    z.requires_grad_()
    decoder.train()(z, BATCH.token_ids).square().sum().backward()
    for name, parameter in decoder.named_parameters():
        assert parameter.grad is not None, name
    assert z.grad is not None
    assert (z.grad.abs().sum(1) > 0).all()


def test_padding_and_the_other_rows_change_nothing(decoder: torch.nn.Module, z: torch.Tensor) -> None:
    together = decoder(z, BATCH.token_ids)
    for i in range(3):
        n = int(BATCH.lengths[i])
        alone = decoder(z[i : i + 1], BATCH.token_ids[i : i + 1, :n])
        torch.testing.assert_close(together[i : i + 1, : n - 1], alone, atol=1e-6, rtol=1e-5)


def test_logits_do_not_see_the_tokens_to_come(decoder: torch.nn.Module, z: torch.Tensor) -> None:
    other = BATCH.token_ids.clone()
    other[:, 3:] = 12
    torch.testing.assert_close(decoder(z, BATCH.token_ids)[:, :3], decoder(z, other)[:, :3])


def test_greedy_generation_takes_the_likeliest_token_of_the_logits(decoder: torch.nn.Module, z: torch.Tensor) -> None:
    generated = decoder.generate(z, max_length=7)
    for row, ids in enumerate(generated.tolist()):
        seen = [BOS]
        for token in ids:
            logits = decoder(z[row : row + 1], torch.tensor([[*seen, PAD]]))[0, -1]
            logits[[PAD, BOS, MASK]] = -torch.inf
            assert token == int(logits.argmax())
            if token == EOS:
                break
            seen.append(token)


def test_logits_at_one_place_are_those_of_the_whole_row(decoder: torch.nn.Module, z: torch.Tensor) -> None:
    places = torch.tensor([2, 1, 0])
    here = decoder.logits_at(z, BATCH.token_ids, places)
    torch.testing.assert_close(here, decoder(z, BATCH.token_ids)[torch.arange(3), places])


def test_greedy_may_be_said_row_by_row(decoder: torch.nn.Module, z: torch.Tensor) -> None:
    z = z.repeat(20, 1)
    greedy = torch.arange(60) < 30
    ids = decoder.generate(z, max_length=7, greedy=greedy, generator=torch.Generator().manual_seed(0))
    likeliest = decoder.generate(z, max_length=7)
    assert torch.equal(ids[greedy], likeliest[greedy])
    assert not torch.equal(ids[~greedy], likeliest[~greedy])


def test_generation_ends_at_the_cap_and_pads_after_eos(decoder: torch.nn.Module) -> None:
    z = torch.randn(64, Z, generator=torch.Generator().manual_seed(5)) * 3
    ids = decoder.generate(z, max_length=5, greedy=False, generator=torch.Generator().manual_seed(0))
    assert ids.shape == (64, 5)
    ended = (ids == EOS).cumsum(1) - (ids == EOS).long() > 0
    assert (ids[ended] == PAD).all()
    assert not torch.isin(ids[~ended], torch.tensor([PAD, BOS, MASK])).any()


def test_the_same_generator_gives_the_same_draws(decoder: torch.nn.Module, z: torch.Tensor) -> None:
    draws = [
        decoder.generate(z, max_length=9, greedy=False, generator=torch.Generator().manual_seed(7)) for _ in range(2)
    ]
    assert torch.equal(*draws)


def test_token_dropout_acts_in_training_only(z: torch.Tensor) -> None:
    decoder = DECODERS[0].build(VOCABULARY, Z)
    decoder.train()
    assert not torch.equal(decoder(z, BATCH.token_ids), decoder(z, BATCH.token_ids))
    decoder.eval()
    assert torch.equal(decoder(z, BATCH.token_ids), decoder(z, BATCH.token_ids))


def test_top_p_draws_only_from_the_nucleus() -> None:
    logits = torch.tensor([[0.5, 0.3, 0.15, 0.05]]).log().expand(2000, 4)
    generator = torch.Generator().manual_seed(0)
    assert set(draw_token(logits, 0.6, generator).tolist()) == {0, 1}
    counts = torch.bincount(draw_token(logits, 1.0, generator), minlength=4) / 2000
    torch.testing.assert_close(counts, torch.tensor([0.5, 0.3, 0.15, 0.05]), atol=0.04, rtol=0)


@pytest.mark.parametrize("config", [DECODERS[0], DECODERS[4]], ids=["gru", "transformer"])
def test_a_decoder_listens_to_its_condition(config: DecoderConfig) -> None:
    torch.manual_seed(0)
    decoder = config.build(VOCABULARY, Z, condition_dim=3).eval()
    z = torch.randn(3, Z)
    one, other = torch.randn(3, 3), torch.randn(3, 3)
    logits = [decoder(z, BATCH.token_ids, condition=c) for c in (one, one, other)]
    assert torch.equal(logits[0], logits[1])
    assert not torch.allclose(logits[0], logits[2])
    first = decoder.generate(z, max_length=1, condition=one)[:, 0]
    allowed = logits[0][:, 0].index_fill(1, torch.tensor([PAD, BOS, MASK]), -torch.inf)
    assert torch.equal(first, allowed.argmax(-1))
