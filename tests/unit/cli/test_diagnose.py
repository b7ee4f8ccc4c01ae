"""`molvae diagnose` on a tiny model."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from molvae.cli import main
from molvae.data.prepared import PreparedData

TINY = Path(__file__).parents[2] / "golden" / "tiny"


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


def test_a_table_json_a_picture_and_a_page(table: Path, tmp_path: Path) -> None:
    result = call(
        "diagnose", TINY, table, "--jobs", 1, "--descriptors", "basic", "-o", tmp_path / "g.json",
        "--map", tmp_path / "map.png", "--page", tmp_path / "map.html", "--color", "kappa1",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    assert "Spearman" in result.stderr
    geometry = json.loads((tmp_path / "g.json").read_text())
    assert geometry["n_molecules"] == 20
    assert geometry["latent_units"] == 8
    assert -1 <= geometry["tanimoto_correlation"] <= 1
    assert list(geometry["probe_r2"])[-1] == "kappa1"
    assert (tmp_path / "map.png").is_file()
    assert "kappa1" in (tmp_path / "map.html").read_text()


def test_json_on_standard_output_and_a_split_of_a_prepared_folder(
    run: Path, table: Path, prepared: PreparedData
) -> None:
    result = call("diagnose", run, table, "-o", "-", "--jobs", 1, "-q")
    assert result.exit_code == 0, result.output
    assert len(json.loads(result.stdout)["probe_r2"]) == 36
    too_few = call("diagnose", run, prepared.path, "--split", "train", "--jobs", 1, "-q")
    assert "only 12 of 12 molecules can be used" in too_few.stderr


def test_a_traversal_is_drawn_and_a_latent_of_codes_has_none(table: Path, run: Path, tmp_path: Path) -> None:
    picture = tmp_path / "traversal.svg"
    result = call("diagnose", run, table, "--jobs", 1, "--descriptors", "logp", "--traverse", picture, "-q")
    assert result.exit_code == 0, result.output
    assert "<svg" in picture.read_text(encoding="utf-8")
    refused = call("diagnose", "moses", table, "--traverse", tmp_path / "codes.png", "-q")
    assert refused.exit_code == 1
    assert "a latent of codes has no axes to go along" in refused.stderr
    assert not (tmp_path / "codes.png").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-o", "g.txt"), "expected an ending of .json"),
        (("--map", "map.html"), "expected an ending of .png, .svg, .pdf"),
        (("--page", "map.png"), "expected an ending of .html"),
        (("--descriptors", "clogp"), "unknown descriptor 'clogp'"),
    ],
)
def test_wrong_arguments_are_one_sentence(table: Path, arguments: tuple[str, ...], message: str) -> None:
    result = call("diagnose", TINY, table, *arguments)
    assert result.exit_code == 1
    assert message in result.stderr


def test_too_few_molecules_are_refused(tmp_path: Path) -> None:
    (tmp_path / "few.smi").write_text("CCO\nCCC\n")
    result = call("diagnose", TINY, tmp_path / "few.smi", "--jobs", 1)
    assert result.exit_code == 1
    assert "only 2 of 2 molecules can be used; at least 20 are needed" in result.stderr


@pytest.mark.parametrize("model", ["moses", "zinc", "qsar"])
def test_the_models_that_ship_are_diagnosed(model: str, table: Path) -> None:
    result = call("diagnose", model, table, "--jobs", 1, "--descriptors", "logp", "-o", "-", "-q")
    assert result.exit_code == 0, result.output
    geometry = json.loads(result.stdout)
    assert geometry["n_molecules"] == 20
    assert 0 < geometry["active_units"] <= geometry["latent_units"]
