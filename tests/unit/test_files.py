from pathlib import Path

import pytest

from molvae.errors import InputFileError
from molvae.files import atomic_folder, atomic_path


def test_a_file_appears_whole_and_readable(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "deep" / "a.txt") as temporary:
        temporary.write_text("done")
        assert not (tmp_path / "deep" / "a.txt").exists()
    assert (tmp_path / "deep" / "a.txt").read_text() == "done"
    assert (tmp_path / "deep" / "a.txt").stat().st_mode & 0o400


def test_an_error_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("old")
    with pytest.raises(RuntimeError), atomic_path(tmp_path / "a.txt") as temporary:  # noqa: PT012
        temporary.write_text("half")
        raise RuntimeError
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


def test_a_folder_is_replaced_whole_when_asked(tmp_path: Path) -> None:
    for content in ("one", "two"):
        with atomic_folder(tmp_path / "d", overwrite=True) as folder:
            (folder / content).touch()
    assert [p.name for p in (tmp_path / "d").iterdir()] == ["two"]
    assert [p.name for p in tmp_path.iterdir()] == ["d"]
    with pytest.raises(InputFileError, match="exists already"), atomic_folder(tmp_path / "d"):
        pass


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputFileError, match="cannot write"), atomic_path(tmp_path / "file" / "a.txt"):
        pass
