"""The committed sample: what it holds, and that the script makes it again."""

import csv
import gzip
import hashlib
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SAMPLE = ROOT / "data" / "zinc_sample.csv.gz"


def test_the_sample_has_the_stated_splits_and_no_molecule_twice() -> None:
    with gzip.open(SAMPLE, "rt", encoding="ascii", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["smiles", "split"]
    assert Counter(split for _, split in rows) == {"train": 50_000, "valid": 5_000, "test": 5_000}
    assert len({smiles for smiles, _ in rows}) == 60_000


def test_the_readme_states_the_samples_sha256() -> None:
    digest = hashlib.sha256(SAMPLE.read_bytes()).hexdigest()
    assert digest in (ROOT / "data" / "README.md").read_text(encoding="utf-8")


def test_the_sample_is_made_again_byte_for_byte(tmp_path: Path) -> None:
    moses = os.environ.get("MOLVAE_MOSES_DIR")
    if not moses:
        pytest.skip("needs the downloaded MOSES files; name their folder with MOLVAE_MOSES_DIR")
    script = ROOT / "scripts" / "make_zinc_sample.py"
    subprocess.run([sys.executable, str(script), moses, str(tmp_path / "z.csv.gz")], check=True)
    assert (tmp_path / "z.csv.gz").read_bytes() == SAMPLE.read_bytes()
