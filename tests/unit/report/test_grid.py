import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from molvae.cli import main
from molvae.errors import InputFileError
from molvae.report.grid import draw_grid


def test_every_molecule_keeps_its_place_and_an_empty_one_says_why(tmp_path: Path) -> None:
    path = tmp_path / "g.svg"
    draw_grid(["CCO", "", "C1CC1", "xx"], path, legends=["start", "none", "", ""], columns=2, blank="nothing")
    text = path.read_text()
    assert "width='520px' height='440px'" in text  # two rows of two
    assert text.count("stroke:#999999") >= 2  # a frame around each of the two that are empty


def test_nothing_to_draw_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="none of 2 molecules parses"):
        draw_grid(["", "xx"], tmp_path / "g.png")


def test_a_machine_without_the_libraries_of_drawing_can_do_everything_else(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "rdkit.Chem.Draw", None)  # as where libXrender is missing
    plain = CliRunner().invoke(main, ["sample", "-m", str(run), "-n", "2", "-o", str(tmp_path / "a.csv"), "-q"])
    assert plain.exit_code == 0, plain.output
    drawn = CliRunner().invoke(main, ["sample", "-m", str(run), "-n", "2", "--grid", str(tmp_path / "a.svg")])
    assert drawn.exit_code == 1
    assert "apt-get install libxrender1" in drawn.output
    assert not (tmp_path / "a.svg").exists()
