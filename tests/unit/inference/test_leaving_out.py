"""Draws that are left out because they are among the least likely."""

import pytest
import torch

from molvae.errors import ConfigError
from molvae.generator import MoleculeGenerator
from molvae.inference import sampling


def test_the_share_asked_for_is_left_out_and_the_rest_is_unchanged(vae: MoleculeGenerator) -> None:
    whole, part = vae.draw(200, seed=3), vae.draw(200, seed=3, leave_out=0.3)
    assert whole.n_unlikely == 0
    assert part.n_unlikely / part.n_drawn == pytest.approx(0.3, abs=0.08)
    rest = iter(vae.draw(600, seed=3).smiles)
    assert all(smiles in rest for smiles in part.smiles)  # a subsequence of the same draws
    assert 0 < part.valid <= 1


def test_what_is_left_out_does_not_depend_on_the_batch_size(vae: MoleculeGenerator) -> None:
    one, other = (vae.draw(50, seed=1, leave_out=0.2, batch_size=size) for size in (16, 512))
    assert one.smiles == other.smiles


def test_likelihoods_are_those_of_the_tokens_one_by_one(vae: MoleculeGenerator) -> None:
    z = torch.randn(4, vae.latent_dim, generator=torch.Generator().manual_seed(0))
    ids = vae.model.decode(z, max_length=vae.max_length)
    whole = vae.model.decoder.log_likelihood(z, ids)
    state, tokens, total = vae.model.decoder.begin(z), torch.ones(4, dtype=torch.int64), torch.zeros(4)
    for place in range(ids.shape[1]):
        hidden, state = vae.model.decoder.step(tokens, state, place)
        logs = vae.model.decoder.to_logits(hidden).log_softmax(-1)
        tokens = ids[:, place]
        total += torch.where(tokens == 0, 0.0, logs.gather(1, tokens[:, None])[:, 0])
    torch.testing.assert_close(whole, total.detach(), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_a_share_out_of_range_is_refused(vae: MoleculeGenerator, share: float) -> None:
    with pytest.raises(ConfigError, match="leave_out"):
        vae.sample(1, leave_out=share)


def test_the_threshold_is_estimated_once_for_each_way_to_draw(vae: MoleculeGenerator) -> None:
    how = sampling.Drawing(
        greedy=False, temperature=1.0, top_p=1.0, latent_temperature=1.0, prior=None, condition=(), guidance=1.0
    )
    first = sampling._least_likely(vae, how, 0.1)
    assert sampling._least_likely(vae, how, 0.5) > first
    assert vae.least_likely[how, 0.1] == first


def test_the_last_batch_is_about_as_large_as_what_is_missing(
    vae: MoleculeGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []
    decode_tokens = sampling.decode_tokens
    monkeypatch.setattr(
        sampling, "decode_tokens", lambda vae, z, **how: sizes.append(len(z)) or decode_tokens(vae, z, **how)
    )
    drawn = vae.draw(600, seed=0, batch_size=512)
    assert sum(sizes) <= 1.1 * drawn.n_drawn + sampling.FEWEST
