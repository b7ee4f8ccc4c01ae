import shutil
from pathlib import Path

import numpy as np
import pytest

import molvae.data.batches
from molvae.data.batches import TokenBatches, collate
from molvae.data.prepare.config import PrepareConfig
from molvae.data.prepare.run import prepare
from molvae.data.prepare.shards import prepare_shards
from molvae.data.prepared import PreparedData
from molvae.data.selection import Selection
from molvae.data.shards import ShardedData, iter_smiles, open_prepared
from molvae.errors import ConfigError, InputFileError, PreparedDataError
from molvae.training import fit
from molvae.training.config import TrainingConfig

CONFIG = PrepareConfig(
    fragments=40, split="column", graphs=True, fingerprints=True, randomized_smiles=2, descriptors=("logp",), n_jobs=1
)


@pytest.fixture(scope="module")
def sharded(table: Path, tmp_path_factory: pytest.TempPathFactory) -> ShardedData:
    data = prepare_shards([table], tmp_path_factory.mktemp("sharded") / "shards", config=CONFIG, shard_rows=15)
    assert isinstance(data, ShardedData)
    return data.with_graphs().with_randomized().with_fingerprints()


@pytest.fixture(scope="module")
def whole(table: Path, tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    data = prepare([table], tmp_path_factory.mktemp("whole") / "folder", config=CONFIG)
    return data.with_graphs().with_randomized().with_fingerprints()


def test_shards_have_one_vocabulary_and_hold_what_one_folder_holds(sharded: ShardedData, whole: PreparedData) -> None:
    assert sharded.n_shards > 1
    assert all(sharded.shard(i).vocabulary == sharded.vocabulary for i in range(sharded.n_shards))
    assert sharded.smiles() == whole.smiles()
    assert sharded.vocabulary == whole.vocabulary
    assert np.array_equal(np.asarray(sharded.tokens), whole.tokens)
    assert np.array_equal(np.asarray(sharded.offsets), whole.offsets)
    np.testing.assert_array_equal(np.asarray(sharded.properties), whole.properties)
    for split in whole.split_names:
        assert sharded.indices(split).tolist() == whole.indices(split).tolist()
        assert list(iter_smiles(sharded, split)) == whole.smiles(whole.indices(split))
    for name in ("read", "kept"):
        assert sharded.meta["rows"][name] == whole.meta["rows"][name]
    np.testing.assert_allclose(sharded.statistics.mean, whole.statistics.mean, rtol=1e-5)
    np.testing.assert_allclose(sharded.statistics.std, whole.statistics.std, rtol=1e-4)


def test_a_batch_of_shards_is_that_of_one_folder(sharded: ShardedData, whole: PreparedData) -> None:
    indices = np.random.default_rng(0).permutation(len(whole))[:20]
    one, other = (collate(data, indices, property_index=np.array([0])) for data in (whole, sharded))
    assert one.token_ids.equal(other.token_ids)
    assert one.properties is not None
    assert other.properties is not None
    assert one.properties.equal(other.properties)
    assert one.fingerprints is not None
    assert other.fingerprints is not None
    assert one.fingerprints.equal(other.fingerprints)
    assert one.graph is not None
    assert other.graph is not None
    for name in ("atoms", "edge_index", "bond_codes", "graph_index"):
        assert getattr(one.graph, name).equal(getattr(other.graph, name))


def test_an_epoch_visits_each_molecule_of_each_shard_once_in_an_order_of_the_seed(
    sharded: ShardedData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(molvae.data.batches, "POOL", 12)  # of one or two shards
    selection = Selection.of_split(sharded, "train")
    stream = TokenBatches(sharded, selection, batch_size=3, seed=1)
    epochs = [np.concatenate(list(stream.order(epoch))) for epoch in (0, 1)]
    assert len(list(stream.order(0))) == stream.batches_per_epoch
    for epoch in epochs:
        assert np.sort(epoch).tolist() == sharded.indices("train").tolist()
    assert epochs[0].tolist() != epochs[1].tolist()
    again = TokenBatches(sharded, selection, batch_size=3, seed=1, share=(1, 2))
    assert np.concatenate(list(again.order(0))).tolist() == epochs[0].tolist()
    resumed = iter(TokenBatches(sharded, selection, batch_size=3, seed=1, start=4))
    straight = iter(stream)
    for _ in range(4):
        next(straight)
    assert next(resumed).token_ids.equal(next(straight).token_ids)


def test_the_shares_of_all_processes_are_the_batch(whole: PreparedData) -> None:
    indices = whole.indices("train")
    alone = iter(TokenBatches(whole, indices, batch_size=7, seed=1, randomized_smiles=True))
    shares = [
        iter(TokenBatches(whole, indices, batch_size=7, seed=1, randomized_smiles=True, share=(r, 3))) for r in range(3)
    ]
    for _ in range(2 * (-(-len(indices) // 7))):
        batch, parts = next(alone), [next(share) for share in shares]
        n = max(len(batch), 3)  # filled up if there are fewer molecules than processes
        assert [part.whole for part in parts] == [n] * 3
        assert sum(map(len, parts)) == n
        lines = {tuple(row[row > 0].tolist()) for part in parts for row in part.source[0]}
        assert lines == {tuple(row[row > 0].tolist()) for row in batch.source[0]}


def test_a_draw_from_shards_is_a_choice_of_their_molecules(
    sharded: ShardedData, whole: PreparedData, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = [Selection.of_split(d, "train").draw(10, np.random.default_rng(3)) for d in (sharded, whole)]
    assert drawn[0].tolist() == drawn[1].tolist()
    monkeypatch.setattr("molvae.data.selection.PERMUTED", 5)  # as of a billion
    few = Selection.of_split(sharded, "train").draw(10, np.random.default_rng(3))
    assert len(set(few.tolist())) == 10
    assert set(few.tolist()) <= set(sharded.indices("train").tolist())


def test_shards_with_long_molecules_leave_these_out(sharded: ShardedData, whole: PreparedData) -> None:
    limit = int(np.median(np.diff(whole.offsets)))
    short = Selection.of_split(sharded, "train", max_tokens=limit)
    chosen = np.concatenate([short.shard(i) for i in range(sharded.n_shards)])
    train = whole.indices("train")
    assert chosen.tolist() == train[np.diff(whole.offsets)[train] <= limit].tolist()


def test_folders_that_differ_are_refused_with_what_they_differ_in(
    prepared: PreparedData, table: Path, tmp_path: Path
) -> None:
    other = prepare([table], tmp_path / "other", config=PrepareConfig(fragments=0, split="column", n_jobs=1))
    with pytest.raises(PreparedDataError, match=r"cannot be read as one, because they differ in: vocabulary"):
        open_prepared(prepared.path, other.path)


def test_a_run_that_was_interrupted_goes_on_with_what_is_missing(sharded: ShardedData, table: Path) -> None:
    folder = sharded.paths[0].parent
    kept, gone = sharded.paths[0] / "tokens.npy", sharded.paths[1]
    before, smiles, vocabulary = kept.stat().st_mtime_ns, sharded.smiles(), sharded.vocabulary
    shutil.rmtree(gone)
    again = prepare_shards([table], folder, config=CONFIG, shard_rows=15)
    assert again.smiles() == smiles
    assert again.vocabulary == vocabulary
    assert kept.stat().st_mtime_ns == before
    with pytest.raises(InputFileError, match=r"parts of other work \(other options\)"):
        prepare_shards([table], folder, config=CONFIG.model_copy(update={"max_atoms": 10}), shard_rows=15)


def test_a_training_set_that_is_too_large_is_not_kept(
    whole: PreparedData, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    settings = TrainingConfig(max_steps=1)
    known = fit._trained_on(settings, whole)
    assert known is not None
    assert all(smiles in known for smiles in whole.smiles(whole.indices("train")))
    monkeypatch.setattr(fit, "MOST", 3)
    assert fit._trained_on(settings, whole) is None
    assert "at most 3 are kept" in caplog.text


def test_a_split_by_files_is_not_cut(table: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="leave --shard-rows out"):
        prepare_shards([table], tmp_path / "x", config=CONFIG.model_copy(update={"split": "files"}), shard_rows=15)
