"""Whether a molecule was trained on, from the hashes that a checkpoint keeps."""

from pathlib import Path

import pytest
from click.testing import CliRunner

import molvae
from molvae.cli import main
from molvae.data.known import FILE, KnownMolecules
from molvae.data.prepared import PreparedData
from molvae.errors import CheckpointError, ConfigError
from molvae.generator import MoleculeGenerator


@pytest.mark.parametrize("n", [0, 1, 2, 1000])
def test_all_members_are_known(tmp_path: Path, n: int) -> None:
    members = [f"C{i}" for i in range(n)]
    KnownMolecules.of(members).save(tmp_path)
    known = KnownMolecules.load(tmp_path)
    assert known is not None
    assert len(known) == n
    assert all(smiles in known for smiles in members)
    assert "N" not in known


def test_others_are_not_and_a_file_has_two_bytes_a_molecule(tmp_path: Path) -> None:
    known = KnownMolecules.of(f"C{i}" for i in range(100_000))
    assert sum(f"N{i}" in known for i in range(100_000)) <= 20  # 2.3 are expected
    known.save(tmp_path)
    assert (tmp_path / FILE).stat().st_size < 2.3 * len(known)


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    KnownMolecules.of(["CCO", "CCN"]).save(tmp_path)
    whole = (tmp_path / FILE).read_bytes()
    for damaged in (whole[:-3], b"garbage", b""):
        (tmp_path / FILE).write_bytes(damaged)
        with pytest.raises(CheckpointError, match=FILE):
            KnownMolecules.load(tmp_path)


def test_novel_samples_are_not_in_the_training_set(vae: MoleculeGenerator, prepared: PreparedData) -> None:
    trained = set(prepared.smiles(prepared.indices("train")))
    assert all(smiles in vae.known for smiles in trained)
    assert not any(smiles in vae.known for smiles in set(prepared.smiles()) - trained)
    vae.known, kept = KnownMolecules.of(vae.sample(40, seed=0)), vae.known
    try:
        drawn = vae.draw(20, novel=True, seed=0)
        assert drawn.n_known > 0
        assert not any(smiles in vae.known for smiles in drawn.smiles)
    finally:
        vae.known = kept


def test_a_checkpoint_without_its_training_set_says_so(checkpoint: Path) -> None:
    with pytest.raises(ConfigError, match="does not know its training set"):
        molvae.load(checkpoint, device="cpu").sample(1, novel=True)
    result = CliRunner().invoke(main, ["sample", "-m", str(checkpoint), "-n", "1", "--novel", "-o", "-"])
    assert result.exit_code
    assert "does not know its training set" in result.output
