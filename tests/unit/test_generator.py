from pathlib import Path

import numpy as np
import pytest
import torch
from rdkit import Chem

import molvae
import molvae.chem.standardize
from molvae.checkpoint import save_checkpoint
from molvae.chem.parse import parse_smiles, random_orders
from molvae.data.prepared import PreparedData
from molvae.data.vocabulary import Vocabulary
from molvae.errors import InputError
from molvae.generator import MoleculeGenerator
from molvae.nn.build import ModelConfig, build_model


@pytest.fixture
def graph_reader(prepared: PreparedData, tiny_model: ModelConfig, tmp_path: Path) -> MoleculeGenerator:
    """An untrained model whose encoder reads graphs."""
    encoder = {"kind": "gnn", "hidden_dim": 8, "n_layers": 1, "h_dim": 8}
    config = ModelConfig.model_validate(tiny_model.model_dump() | {"encoder": encoder})
    model = build_model(config, vocabulary_size=len(prepared.vocabulary))
    save_checkpoint(tmp_path / "model", model, config=config, vocabulary=prepared.vocabulary, max_length=20)
    return molvae.load(str(tmp_path / "model"), device="cpu")


def test_a_standardized_smiles_that_does_not_parse_is_a_reason_and_no_crash(
    graph_reader: MoleculeGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(smiles: str) -> Chem.Mol | None:
        return None if smiles == "CCN" else parse_smiles(smiles)

    monkeypatch.setattr(molvae.chem.standardize, "parse_smiles", broken)
    encoded = graph_reader.encode_rows(["OCC", "NCC.Cl", "CCN.O", "xx"])  # without a salt it is not parsed again
    assert encoded.valid.tolist() == [True, False, False, False]
    assert encoded.smiles == ["CCO", None, None, None]
    invalid = "invalid_largest_fragment"
    assert encoded.reasons == [None, invalid, invalid, "unparsable"]
    np.testing.assert_allclose(encoded.z[0], graph_reader.encode(["CCO"])[0], atol=1e-6)


def test_unknown_symbols_are_named_and_looked_for_once(
    graph_reader: MoleculeGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_for = []
    original = Vocabulary.unknown_symbols

    def counted(vocabulary: Vocabulary, molecules: list) -> object:
        looked_for.append(molecules)
        return original(vocabulary, molecules)

    monkeypatch.setattr(Vocabulary, "unknown_symbols", counted)
    assert graph_reader.encode_rows(["CCO", "CP[Se]C"]).reasons == [None, "unknown_symbol [P] [Se]"]
    assert len(looked_for) == 2


def test_latents_that_spell_no_molecule_are_drawn_again(
    vae: MoleculeGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def decode(_: MoleculeGenerator, z: torch.Tensor, *, greedy: bool, **how: object) -> list[str]:
        calls.append((len(z), greedy))
        return ["" if i % 2 and len(calls) < 3 else "C" * len(calls) for i in range(len(z))]

    monkeypatch.setattr("molvae.inference.sampling.decode_batch", decode)
    z = np.zeros((4, vae.latent_dim), dtype=np.float32)
    assert vae.decode(z, retries=5) == ["C", "CC", "C", "CCC"]
    assert calls == [(4, True), (2, False), (1, False)]
    calls.clear()
    assert vae.decode(z) == ["C", "", "C", ""]


def test_what_is_to_be_novel_may_be_any_list_of_molecules(vae: MoleculeGenerator) -> None:
    first = vae.sample(3, seed=0)
    written = [*(next(iter(random_orders(smiles, 1))) for smiles in first), None]
    assert not set(vae.sample(3, seed=0, novel_against=written)) & set(first)
    for odd in ("CCO", None, 5):
        with pytest.raises(InputError, match="expected a list of SMILES"):
            vae.sample(3, novel_against=odd)
