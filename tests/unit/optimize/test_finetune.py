"""Fine-tuning inside a search: encoder and decoder of a model of codes learn, its codebooks do not."""

import copy

import numpy as np
import pytest
import torch

from molvae.checkpoint import Checkpoint
from molvae.data.prepared import PreparedData
from molvae.generator import MoleculeGenerator
from molvae.nn.build import ModelConfig, build_model
from molvae.nn.priors.autoregressive import AutoregressivePriorConfig
from molvae.optimize.finetune import Finetuning
from molvae.optimize.objective import Objective
from molvae.optimize.oracle import Candidate, Oracle


@pytest.fixture
def coded(prepared: PreparedData) -> MoleculeGenerator:
    config = ModelConfig.model_validate(
        {
            "encoder": {"token_dim": 8, "hidden_dim": 8, "n_slots": 16},
            "latent": {"kind": "vq", "n_slots": 16, "n_codes": 6, "code_dim": 2, "shared": True},
            "decoder": {"token_dim": 8, "hidden_dim": 8, "n_slots": 16},
        }
    )
    torch.manual_seed(0)
    model = build_model(config, vocabulary_size=len(prepared.vocabulary))
    model.latent.codebooks.codes.normal_()
    prior = AutoregressivePriorConfig(hidden_dim=8, n_layers=1).build(model.latent, condition_dim=0)
    checkpoint = Checkpoint(
        model=model, config=config, vocabulary=prepared.vocabulary, max_length=20, prior=prior.eval()
    )
    return MoleculeGenerator(checkpoint, device="cpu")


def test_encoder_decoder_and_prior_learn_and_the_codebooks_stay(
    coded: MoleculeGenerator, molecules: tuple[str, ...]
) -> None:
    own = copy.copy(coded)
    tuning = Finetuning(own, every=1, steps=3)
    oracle = Oracle(Objective.of_callable(lambda smiles: list(range(len(smiles)))), 50)
    oracle([Candidate(s, "start") for s in molecules])
    assert tuning.tune(oracle, np.random.default_rng(0))
    before, after = coded.model.state_dict(), own.model.state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert any(name.startswith("encoder.") for name in moved)
    assert any(name.startswith("decoder.") for name in moved)
    assert any(name.startswith("latent.to_slots") for name in moved)
    assert not any("codebooks" in name for name in moved)
    assert not own.model.training
    assert own.priors["learned"] is not coded.priors["learned"]
