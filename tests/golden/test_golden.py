"""A committed checkpoint gives today what it gave when it was made (`scripts/make/golden.py`)."""

import json
from pathlib import Path

import numpy as np
import pytest

import molvae
from molvae.generator import MoleculeGenerator

TINY = Path(__file__).parent / "tiny"


@pytest.fixture(scope="module")
def vae() -> MoleculeGenerator:
    return molvae.load(str(TINY), device="cpu")


@pytest.fixture(scope="module")
def recorded() -> dict:
    return json.loads((TINY / "recorded.json").read_text())


def test_latents_have_the_recorded_norms(vae: MoleculeGenerator, recorded: dict) -> None:
    np.testing.assert_allclose(np.linalg.norm(vae.encode(recorded["smiles"]), axis=1), recorded["z_norms"], atol=1e-3)


def test_greedy_decoding_gives_the_recorded_molecules(vae: MoleculeGenerator, recorded: dict) -> None:
    assert vae.decode(vae.encode(recorded["smiles"])) == recorded["reconstruction"]


def test_heads_predict_the_recorded_properties(vae: MoleculeGenerator, recorded: dict) -> None:
    frame = vae.properties(recorded["smiles"])
    for name, values in recorded["properties"].items():
        np.testing.assert_allclose(frame[name], values, atol=0.05)


def test_sampling_with_a_seed_gives_the_recorded_molecules(vae: MoleculeGenerator, recorded: dict) -> None:
    assert vae.sample(5, seed=0) == recorded["sample_seed_0"]
