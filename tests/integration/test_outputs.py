"""Where commands write: a closed or full standard output, long names, links, folders that hold more than ours."""

import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from molvae.cli import main
from molvae.data.prepare.randomize import add_randomized
from molvae.data.prepared import PREPARED, PreparedData
from molvae.files import writing

TINY = Path(__file__).parents[1] / "golden" / "tiny"
SAMPLE = ("sample", "-m", TINY, "-n", 3, "--seed", 1, "-q")


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


def shell(command: str) -> subprocess.CompletedProcess[str]:
    molvae = f"{sys.executable} -c 'from molvae.cli import main; main()'"
    return subprocess.run(command.replace("molvae", molvae, 1), shell=True, capture_output=True, text=True)


@pytest.mark.parametrize("where", [">&-", "> /dev/full"])
@pytest.mark.parametrize("command", ["molvae --version", "molvae --help", "molvae models"])
def test_a_standard_output_that_cannot_be_written_is_an_error(command: str, where: str) -> None:
    done = shell(f"{command} {where}")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("Error: ")
    assert ("closed" if where == ">&-" else "No space left") in done.stderr


@pytest.mark.parametrize("ending", [".csv", ".smi.gz", ".parquet"])
def test_a_name_of_250_characters_is_written(tmp_path: Path, ending: str) -> None:
    out = tmp_path / ("x" * (250 - len(ending)) + ending)
    assert call(*SAMPLE, "-o", out).exit_code == 0
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


def test_a_long_name_has_a_record_that_can_be_resumed(tmp_path: Path) -> None:
    how = ("optimize", "-m", TINY, "--task", "qed", "--batch", 3, "-q", "-o", tmp_path / ("x" * 246 + ".csv"))
    assert call(*how, "--calls", 3).exit_code == 0
    assert call(*how, "--calls", 6, "--resume").exit_code == 0
    assert len(pd.read_csv(tmp_path / ("x" * 246 + ".csv"))) == 6
    assert len(list(tmp_path.iterdir())) == 2


def test_output_that_has_no_place_is_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "file").touch()
    for out, why in (
        ("folder.csv", "it is a folder"),
        ("file/a.csv", "is not a folder"),
        ("x" * 300 + ".csv", "too long"),
    ):
        result = call("sample", "-m", "no-such-model", "-o", tmp_path / out)
        assert result.exit_code == 1
        assert why in result.stderr


def test_a_prepared_folder_is_overwritten_only_when_it_is_nothing_else(prepared: PreparedData, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(prepared.path, tmp_path / "p"))
    add_randomized(add_randomized(PreparedData.open(folder), 1, n_jobs=1), 2, n_jobs=1)
    assert PREPARED.others(folder) == []
    source = prepared.meta["sources"][0]["path"]
    how = ("data", "prepare", source, "-o", folder, "--overwrite", "--jobs", 1, "--fragments", 0, "-q")
    (folder / "notes.txt").write_text("mine")
    result = call(*how)
    assert result.exit_code == 1
    assert "because it holds notes.txt, which molvae did not make" in result.stderr
    (folder / "notes.txt").unlink()
    (tmp_path / "link").symlink_to("p")
    assert call(*[tmp_path / "link" if a is folder else a for a in how]).exit_code == 0
    assert (tmp_path / "link").is_symlink()
    assert PreparedData.open(folder).vocabulary.merges == ()


def test_everything_that_prepare_writes_can_be_overwritten(table: Path, tmp_path: Path) -> None:
    how = ("data", "prepare", table, "-o", tmp_path / "p", "--jobs", 1, "--graphs", "--fingerprints", "-q")
    how = (*how, "--randomized-smiles", 1, "--property", "assay")
    assert call(*how).exit_code == 0
    assert call(*how, "--overwrite").exit_code == 0


def test_a_second_training_of_a_run_is_refused_by_name(run: Path, prepared: PreparedData, tmp_path: Path) -> None:
    out = Path(shutil.copytree(run, tmp_path / "run"))
    code = "import sys\nfrom molvae.files import *\nwith writing(sys.argv[1]): print(flush=True); sys.stdin.read()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code, str(out)], **pipes) as other:
        assert other.stdout is not None
        other.stdout.readline()
        result = call("train", "--resume", "-o", out, "--device", "cpu", "-q")
        other.kill()
    assert result.exit_code == 1
    assert f"run is being written by another process ({other.pid} on" in result.stderr
    with writing(out):
        pass
