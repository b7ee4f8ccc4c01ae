"""The same seed and input give the same bytes, for any number of threads, processes and molecules in a batch."""

import csv
import gzip
import hashlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

import molvae.data.prepare.run
from molvae.cli import main
from molvae.generator import MoleculeGenerator
from molvae.optimize.methods import METHODS

TINY = Path(__file__).parents[1] / "golden" / "tiny"
ZINC_SAMPLE = Path(__file__).parents[2] / "data" / "zinc_sample.csv.gz"
N_ROWS = 100


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Molecules with duplicates, a blank row and one that does not parse."""
    path = tmp_path_factory.mktemp("library") / "library.csv"
    with gzip.open(ZINC_SAMPLE, "rt", encoding="utf-8") as file:
        smiles = [row["smiles"] for row in islice(csv.DictReader(file), N_ROWS)]
    path.write_text("\n".join(["smiles", *smiles, smiles[0], "xx", '""']) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def threads() -> Iterator[None]:
    """Restores the number of threads after the test."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def call(*arguments: object) -> None:
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output


def contents(path: Path) -> dict[str, str]:
    """The hash of every file of a folder, or of one file."""
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    return {str(p.relative_to(path)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def same_with_threads(out: Path, *arguments: object) -> None:
    made = []
    for n in (1, 2):
        torch.set_num_threads(n)
        out.with_name(f"{out.name}.calls.jsonl").unlink(missing_ok=True)
        call(*arguments, "-o", out, "-q")
        made.append(contents(out))
    assert made[0] == made[1]


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("ending", ["csv.gz", "parquet"])
def test_sample_does_not_depend_on_threads(tmp_path: Path, ending: str) -> None:
    same_with_threads(tmp_path / f"s.{ending}", "sample", "-m", TINY, "-n", 20, "--seed", 3)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("features", ["mean", "mean+logvar+hidden+heads"])
def test_encode_does_not_depend_on_threads(tmp_path: Path, library: Path, features: str) -> None:
    same_with_threads(tmp_path / "z.csv", "encode", library, "-m", TINY, "--jobs", 1, "--features", features)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("method", [name for name in METHODS if name != "gradient"])
def test_optimize_does_not_depend_on_threads(tmp_path: Path, method: str) -> None:
    if method in ("cmaes", "bo"):
        pytest.importorskip({"cmaes": "cma", "bo": "botorch"}[method])
    how = ("--task", "perindopril", "--method", method, "--calls", 40, "--batch", 20, "--seed", 3)
    same_with_threads(tmp_path / "b.csv", "optimize", "-m", TINY, *how)


@pytest.mark.parametrize("batch_size", [30, 1000])
def test_sample_does_not_depend_on_the_batch_size(batch_size: int) -> None:
    vae = MoleculeGenerator.load(TINY, device="cpu")
    how: dict[str, Any] = {"seed": 5, "novel_against": {"C"}}
    one, other = vae.draw(530, **how), vae.draw(530, batch_size=batch_size, **how)
    assert one == other  # with the counts of what was left out


def test_draws_of_decode_do_not_depend_on_the_batch_size() -> None:
    vae = MoleculeGenerator.load(TINY, device="cpu")
    z = np.random.default_rng(0).normal(size=(60, vae.latent_dim)).astype(np.float32)
    one, other = (vae.decode(z, greedy=False, seed=5, retries=2, batch_size=size) for size in (512, 9))
    assert one == other


def test_prepare_and_encode_do_not_depend_on_the_number_of_processes(
    tmp_path: Path, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(molvae.data.prepare.run, "CHUNK_ROWS", 30)
    options = ("--graphs", "--fingerprints", "--randomized-smiles", 2, "--fragments", 100, "--descriptors", "basic")
    for jobs in (1, 2):
        call("data", "prepare", library, "-o", tmp_path / f"{jobs}", "-q", "--jobs", jobs, *options)
        call("encode", library, "-m", TINY, "-o", tmp_path / f"{jobs}.csv", "-q", "--jobs", jobs)
    assert contents(tmp_path / "1") == contents(tmp_path / "2")
    assert (tmp_path / "1.csv").read_bytes() == (tmp_path / "2.csv").read_bytes()
