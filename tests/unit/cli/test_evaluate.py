import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from molvae.cli.evaluate import evaluate
from molvae.errors import InputFileError

SMILES = ["CCO", "OCC", "c1ccccc1C(=O)NCC", "nonsense", "CCN1CCOCC1"]


@pytest.fixture
def files(tmp_path):
    paths = {name: tmp_path / f"{name}.smi" for name in ("a", "b", "test", "train")}
    for path in paths.values():
        path.write_text("\n".join(SMILES) + "\n")
    return {name: str(path) for name, path in paths.items()}


def run(*arguments):
    result = CliRunner().invoke(evaluate, [*arguments, "--jobs", "1", "--no-cache", "--no-fcd"])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_a_table_of_several_files_goes_to_stdout(files):
    result = run(files["a"], files["b"], "--test", files["test"], "--train", files["train"])
    assert result.exit_code == 0
    for word in ("a.smi", "b.smi", "mean", "SNN/Test", "Novelty", "0.8000"):
        assert word in result.stdout


def test_json_and_csv_hold_the_numbers(files, tmp_path):
    given = json.loads(run(files["a"], "--test", files["test"], "-o", "-", "--quiet").stdout)
    assert given["a.smi"]["metrics"]["valid"] == 0.8
    assert given["a.smi"]["sizes"] == {"given": 5, "valid": 4, "Test": 4}
    run(files["a"], "--test", files["test"], "-o", str(tmp_path / "out.csv"))
    assert (tmp_path / "out.csv").read_text().startswith("metric,a.smi\nvalid,0.8\n")


def test_the_plot_is_drawn(files, tmp_path):
    pytest.importorskip("matplotlib")
    run(files["a"], "--test", files["test"], "--plot", str(tmp_path / "plot.png"))
    assert (tmp_path / "plot.png").exists()


def test_a_missing_reference_folder_says_what_to_run(files, tmp_path):
    with pytest.raises(InputFileError, match="run `molvae data download moses`"):
        run(files["a"], "--references", str(tmp_path / "nowhere"))


def test_an_unknown_ending_is_refused_before_the_work(files):
    with pytest.raises(InputFileError, match=r"expected an ending of \.json or \.csv"):
        run(files["a"], "--test", files["test"], "-o", "out.docx")
    assert run("a.smi", "a.smi", "--test", files["test"]).exit_code == 2


def test_a_model_draws_its_molecules_once_a_seed(files):
    tiny = str(Path(__file__).parents[2] / "golden" / "tiny")
    result = run(tiny, "-n", "20", "--seeds", "0,1", "--test", files["test"], "-o", "-", "--quiet")
    tables = json.loads(result.stdout)
    assert list(tables) == ["tiny seed 0", "tiny seed 1"]
    assert tables["tiny seed 0"]["sizes"]["given"] == 20
    assert run(tiny, "--seeds", "a", "--test", files["test"]).exit_code == 2


def test_a_cache_that_cannot_be_written_is_a_warning(files, tmp_path, caplog):
    (tmp_path / "file").touch()
    result = CliRunner().invoke(
        evaluate,
        [files["a"], "--test", files["test"], "--cache", str(tmp_path / "file" / "c"), "--no-fcd", "--jobs", "1"],
    )
    assert result.exit_code == 0
    assert "SNN/Test" in result.stdout
    assert "nothing is cached: cannot write" in caplog.text
    assert "damaged" not in caplog.text


@pytest.mark.parametrize("name", ["blank.smi", "blank.csv"])
def test_a_blank_line_is_an_invalid_molecule(name, files, tmp_path):
    path = tmp_path / name
    path.write_text("smiles\nCCO\n\nc1ccccc1O\n\nCCN\n")
    (values,) = json.loads(run(str(path), "--test", files["test"], "-o", "-", "-q").stdout).values()
    assert values["sizes"]["given"] == 5
    assert values["metrics"]["valid"] == pytest.approx(0.6)
