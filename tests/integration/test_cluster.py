"""Work in parts, here and on a Dask cluster of two workers, one of which is killed."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from molvae.cli import main
from molvae.data.prepare.config import PrepareConfig
from molvae.data.prepare.shards import prepare_shards
from molvae.errors import InputFileError
from molvae.formats.readers import read_molecules
from molvae.inference.parts import encode_parts
from molvae.scoring.molecules import describe_molecules

TINY = str(Path(__file__).parents[1] / "golden" / "tiny")


@pytest.fixture
def files(molecules: tuple[str, ...], tmp_path: Path) -> Path:
    """A folder of two files, with a molecule that does not parse."""
    folder = tmp_path / "input"
    folder.mkdir()
    for name, part in (("a", molecules[:12]), ("b", ("C(", *molecules[12:]))):
        (folder / f"{name}.smi").write_text("\n".join(part) + "\n", encoding="utf-8")
    return folder


def run(*arguments: str) -> Any:
    return CliRunner().invoke(main, list(arguments))


def test_parts_hold_what_one_file_holds_and_are_done_once(files: Path, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole.parquet", tmp_path / "parts"
    joined = tmp_path / "joined.smi"
    joined.write_text("".join((files / f"{n}.smi").read_text(encoding="utf-8") for n in "ab"), encoding="utf-8")
    assert run("encode", str(joined), "-m", TINY, "-o", str(whole), "-q").exit_code == 0
    result = run("encode", str(files), "-m", TINY, "-o", str(parts), "--shard-rows", "5", "--device", "cpu")
    assert result.exit_code == 0, result.output
    assert "unparsable: 1" in result.output
    one, several = pd.read_parquet(whole), pd.read_parquet(parts)
    assert len(list(parts.glob("part-*.parquet"))) > 3
    assert several["smiles"].tolist() == one["smiles"].tolist()
    np.testing.assert_allclose(several.filter(like="z").to_numpy(), one.filter(like="z").to_numpy(), atol=1e-5)
    gone, kept = parts / "part-00001.parquet", parts / "part-00000.parquet"
    before, content = kept.stat().st_mtime_ns, gone.read_bytes()
    gone.unlink()
    again = run("encode", str(files), "-m", TINY, "-o", str(parts), "--shard-rows", "5", "--device", "cpu")
    assert again.output.splitlines()[-2:] == result.output.splitlines()[-2:]
    assert gone.read_bytes() == content
    assert kept.stat().st_mtime_ns == before
    assert [row.smiles for row in read_molecules(parts)] == one["smiles"].tolist()


def test_parts_of_other_work_are_refused(files: Path, tmp_path: Path) -> None:
    encode_parts(TINY, [files], tmp_path / "parts", device="cpu")
    with pytest.raises(InputFileError, match=r"parts of other work \(other parts, shard_rows\); choose another -o"):
        encode_parts(TINY, [files], tmp_path / "parts", shard_rows=7, device="cpu")
    with pytest.raises(InputFileError, match="holds other files already"):
        encode_parts(TINY, [files], files, device="cpu")


def test_samples_in_parts_depend_on_the_seed_alone(tmp_path: Path) -> None:
    for name in ("one", "two"):
        how = ["--shard-rows", "4", "--seed", "3", "--device", "cpu", "-q"]
        result = run("sample", "-m", TINY, "-n", "10", "-o", str(tmp_path / name), *how)
        assert result.exit_code == 0, result.output
    one, two = (pd.read_parquet(tmp_path / name) for name in ("one", "two"))
    assert one["smiles"].tolist() == two["smiles"].tolist()
    assert len(one) == 10
    assert set(one.columns) >= {"smiles", "qed", "logp", "sa"}
    assert "leave unique out" in run("sample", "-m", TINY, "-o", str(tmp_path / "x"), "--unique", *how).output


def test_a_scheduler_that_is_not_there_is_one_sentence(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("molvae.cluster.CONNECT", 1)
    result = run("encode", str(files), "-m", TINY, "-o", str(tmp_path / "x"), "--cluster", "tcp://127.0.0.1:9")
    assert result.exit_code == 1
    assert "no Dask scheduler answers at tcp://127.0.0.1:9" in result.output


@pytest.fixture
def cluster() -> Iterator[Any]:
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as local:
        yield local


def killing(cluster: Any, done: Callable[[], bool]) -> threading.Thread:
    """Kill one worker as soon as `done`."""

    def kill() -> None:
        end = time.monotonic() + 300
        while not done() and time.monotonic() < end:
            time.sleep(0.01)
        os.kill(next(iter(cluster.workers.values())).pid, signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    return thread


@pytest.mark.slow
def test_the_result_is_whole_and_the_same_when_a_worker_is_killed(files: Path, tmp_path: Path, cluster: Any) -> None:
    address, here, there = cluster.scheduler_address, tmp_path / "here", tmp_path / "there"
    encode_parts(TINY, [files], here, shard_rows=4, device="cpu")
    killer = killing(cluster, lambda: len(list(there.glob("part-*.parquet"))) >= 1)
    n_rows, reasons = encode_parts(TINY, [files], there, shard_rows=4, cluster=address, device="cpu")
    killer.join()
    parts = sorted(path.name for path in here.glob("*.parquet"))
    assert sorted(path.name for path in there.glob("*.parquet")) == parts
    for name in parts:
        pd.testing.assert_frame_equal(pd.read_parquet(there / name), pd.read_parquet(here / name))
    assert (n_rows, dict(reasons)) == (len(pd.read_parquet(here)), {"unparsable": 1})

    config = PrepareConfig(fragments=40, n_jobs=1)
    local = prepare_shards([files], tmp_path / "prepared", config=config, shard_rows=10)
    killer = killing(cluster, lambda: len(list((tmp_path / "elsewhere").glob("part-*"))) >= 1)
    far = prepare_shards([files], tmp_path / "elsewhere", config=config, shard_rows=10, cluster=address)
    killer.join()
    assert far.smiles() == local.smiles()
    assert np.array_equal(np.asarray(far.tokens), np.asarray(local.tokens))

    evaluated = run(
        *("evaluate", str(there), "--test", str(files / "a.smi"), "--no-fcd", "--no-cache", "-o", "-"),
        *("--cluster", address, "-q"),
    )
    assert evaluated.exit_code == 0, evaluated.output
    valid = len(describe_molecules([row.smiles for row in read_molecules(there)], n_jobs=1))
    assert f'"valid": {valid}' in evaluated.output
