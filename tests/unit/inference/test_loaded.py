"""The one encode loop, and what a loaded model says of itself."""

from pathlib import Path

import numpy as np
import pytest

from molvae.errors import CheckpointError, ConfigError
from molvae.generator import MoleculeGenerator
from molvae.inference.encoding import NOT_DECODED
from molvae.inference.loaded import LoadedModel


def test_rows_stay_in_place_whatever_the_batches(vae: MoleculeGenerator, molecules: tuple[str, ...]) -> None:
    rows = [molecules[0], "xx", *molecules[1:], None]
    tokenized = vae.tokenize(rows)
    done: list[int] = []
    widths = [
        vae.per_molecule(tokenized, lambda b: b.lengths.float().unsqueeze(1), 1, batch_size=size, advance=done.append)
        for size in (1, 3, 512)
    ]
    expected = [np.nan if m.reason else len(m.canonical_ids) + 2 for m in tokenized]
    for values in widths:
        np.testing.assert_array_equal(values[:, 0], expected)
    assert sum(done) == 3 * len(rows)


def test_no_molecules_give_no_rows(vae: MoleculeGenerator) -> None:
    assert vae.encode([]).shape == (0, vae.latent_dim)
    assert vae.per_molecule(vae.tokenize(["xx"]), vae.model.encoder, 3).shape == (1, 3)


def test_a_name_that_does_not_ship_lists_those_that_do(tmp_path: Path) -> None:
    with pytest.raises(
        CheckpointError, match=r"nosuch is not a molvae checkpoint: .*shipped models: moses, qsar, zinc"
    ):
        LoadedModel.load("nosuch")
    with pytest.raises(CheckpointError, match=r"no config\.json in it"):
        LoadedModel.load(tmp_path)


def test_a_prior_that_is_not_there_is_one_sentence(vae: MoleculeGenerator) -> None:
    with pytest.raises(ConfigError, match="the model has no prior 'learned', only: standard; fit one"):
        vae.prior("learned")


def test_what_decodes_to_nothing_has_a_reason_and_no_similarity(
    vae: MoleculeGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("molvae.inference.encoding.decode", lambda _, z, **how: ["CCO", ""][: len(z)])
    frame = vae.reconstruct(["OCC", "CCN"])
    assert frame["exact"].tolist() == [True, False]
    assert frame["reason"].tolist() == ["", NOT_DECODED]
    assert frame["tanimoto"].isna().tolist() == [False, True]


@pytest.mark.parametrize("door", ["encode", "encode_rows", "reconstruct", "properties", "negative_elbo"])
def test_one_string_is_refused_at_every_door(vae: MoleculeGenerator, door: str) -> None:
    with pytest.raises(ValueError, match="got a single str; expected a list of SMILES or RDKit molecules"):
        getattr(vae, door)("CCO")
