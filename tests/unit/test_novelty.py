"""The negative ELBO of single molecules against numbers computed by other means, and the novelty score made of it."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from molvae.data.batches import MolBatch, ordered_batches
from molvae.data.prepared import PreparedData
from molvae.errors import ConfigError, InputError
from molvae.evaluation.collapse import diagnose
from molvae.generator import MoleculeGenerator
from molvae.inference.likelihood import NOVELTY, NoveltyKind, novelty
from molvae.nn.decoders.gru import GRUDecoder
from molvae.nn.encoders.gru import GRUEncoder
from molvae.nn.heads import PropertyHeads
from molvae.nn.latents.vq import VQLatent
from molvae.nn.likelihood import QUANTILES, negative_elbo, per_symbol_quantiles
from molvae.nn.vae import MolVAE
from molvae.training.config import PriorFitConfig
from molvae.training.prior import fit_prior_of


def test_it_averages_to_the_diagnostics_of_training(vae: MoleculeGenerator, prepared: PreparedData) -> None:
    indices = np.arange(len(prepared))
    batches = list(ordered_batches(prepared, indices, batch_size=8))
    values = [
        torch.cat([negative_elbo(vae.model, vae.priors["standard"], b, seed=seed) for b in batches]).mean()
        for seed in range(200)
    ]
    of_training = diagnose(vae.model, batches, max_length=5)
    assert float(torch.stack(values).mean()) == pytest.approx(of_training.negative_elbo, rel=0.02)


@pytest.mark.parametrize("kind", NOVELTY)
def test_every_kind_of_novelty_is_a_percentile_and_finds_what_is_far(
    kind: NoveltyKind, vae: MoleculeGenerator, molecules: tuple[str, ...]
) -> None:
    values = novelty(vae, [*molecules, "xx"], kind=kind, reference=molecules)
    assert np.isfinite(values[:-1]).all()
    assert np.isnan(values[-1])
    scores = vae.novelty_score([*molecules, "xx"], kind=kind, reference=molecules)
    assert ((scores[:-1] >= 0) & (scores[:-1] <= 100)).all()
    if kind == "distance":
        assert values[: len(molecules)].max() < 1e-2  # each is its own nearest reference
    else:
        assert scores[:-1].max() == pytest.approx(100.0, abs=0.1)


def test_novelty_says_what_it_needs(vae: MoleculeGenerator) -> None:
    with pytest.raises(InputError, match="novelty by distance needs molecules of the training set as reference"):
        vae.novelty_score(["CCO"], kind="distance")
    with pytest.raises(ConfigError, match="unknown kind of novelty 'far'; expected one of: elbo"):
        vae.novelty_score(["CCO"], kind="far")


def test_codes_cost_their_number_of_bits() -> None:
    torch.manual_seed(0)
    latent = VQLatent(8, n_slots=3, n_codes=16, code_dim=2)
    model = MolVAE(
        GRUEncoder(12, token_dim=4, hidden_dim=4),
        latent,
        GRUDecoder(12, 6, token_dim=4, hidden_dim=4),
        PropertyHeads(6, [], mean=[], std=[]),
    ).eval()
    torch.nn.init.zeros_(model.decoder.to_logits.weight)
    torch.nn.init.zeros_(model.decoder.to_logits.bias)
    values = negative_elbo(model, latent.standard_prior(), MolBatch.of_token_ids([[4, 5, 6], [7]]))
    expected = [3 * math.log(16) + n_targets * math.log(12) for n_targets in (4, 2)]
    np.testing.assert_allclose(values, expected, rtol=1e-5)


def test_a_molecule_has_the_same_value_whatever_stands_beside_it(
    vae: MoleculeGenerator, molecules: tuple[str, ...]
) -> None:
    whole = vae.negative_elbo(molecules)
    alone = [vae.negative_elbo([m])[0] for m in molecules[:5]]
    np.testing.assert_allclose(whole[:5], alone, rtol=1e-4)
    np.testing.assert_allclose(vae.negative_elbo(molecules, batch_size=3), whole, rtol=1e-4)


def test_novelty_is_the_percentile_among_the_held_out_molecules(
    run: Path, vae: MoleculeGenerator, molecules: tuple[str, ...]
) -> None:
    known = json.loads((run / "model" / "diagnostics.json").read_text())[QUANTILES]
    assert len(known) == 101
    assert known == sorted(known)
    scores = vae.novelty_score([*molecules, "xx", None])
    assert np.isnan(scores[-2:]).all()
    assert ((scores[:-2] >= 0) & (scores[:-2] <= 100)).all()
    values = per_symbol(vae, molecules)
    np.testing.assert_allclose(scores[:-2], [100 * np.interp(v, known, np.linspace(0, 1, 101)) for v in values])


def per_symbol(vae: MoleculeGenerator, molecules: tuple[str, ...]) -> np.ndarray:
    return vae.negative_elbo(molecules) / [len(vae.notation.to_symbols(m)) for m in molecules]


def test_novelty_against_given_molecules(vae: MoleculeGenerator, molecules: tuple[str, ...]) -> None:
    elbo = per_symbol(vae, molecules)
    scores = vae.novelty_score(molecules, reference=molecules)
    assert scores[elbo.argmin()] == pytest.approx(0, abs=0.01)  # quantiles are stored with four digits
    assert scores[elbo.argmax()] == pytest.approx(100, abs=0.01)  # quantiles are rounded
    assert list(np.argsort(scores, kind="stable")) == list(np.argsort(elbo, kind="stable"))
    with pytest.raises(InputError, match="none of 2 reference molecules can be encoded"):
        vae.novelty_score(molecules, reference=["xx", None])


def test_a_checkpoint_without_quantiles_asks_for_a_reference(checkpoint: Path) -> None:
    untold = MoleculeGenerator.load(checkpoint, device="cpu")
    with pytest.raises(InputError, match="no quantiles of known molecules"):
        untold.novelty_score(["CCO"])
    assert np.isfinite(untold.novelty_score(["CCO"], reference=["CCC", "CCO"])).all()


def test_a_learned_prior_brings_its_own_quantiles(
    run: Path, prepared: PreparedData, tmp_path: Path, molecules: tuple[str, ...]
) -> None:
    import shutil

    shutil.copytree(run / "model", tmp_path / "model")
    config = PriorFitConfig.model_validate({"model": {"kind": "flow"}, "max_epochs": 1})
    fit_prior_of(tmp_path / "model", prepared, config, device="cpu")
    vae = MoleculeGenerator.load(tmp_path / "model", device="cpu")
    learned, standard = (vae.novelty_score(molecules, prior=prior) for prior in ("learned", "standard"))
    np.testing.assert_allclose(vae.novelty_score(molecules), learned)
    assert not np.allclose(learned, standard)


def test_the_model_is_left_in_its_mode(vae: MoleculeGenerator, prepared: PreparedData) -> None:
    vae.model.train()
    batches = ordered_batches(prepared, np.arange(4), batch_size=2)
    counts = vae.vocabulary.symbol_counts
    assert len(per_symbol_quantiles(vae.model, vae.priors["standard"], batches, counts)) == 101
    assert vae.model.training
    vae.model.eval()
