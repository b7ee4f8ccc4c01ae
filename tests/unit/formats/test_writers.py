"""Tables written in parts are the tables written at once."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from molvae.errors import InputFileError
from molvae.formats import writers
from molvae.formats.readers import read_molecules
from molvae.formats.writers import features_writer, table_writer, write_table

PARTS = [
    pd.DataFrame({"smiles": ["CCO", "xx"], "logp": [0.5, np.nan], "reason": ["", "unparsable"]}),
    pd.DataFrame({"smiles": ["c1ccccc1"], "logp": [np.nan], "reason": [""]}),
]


@pytest.mark.parametrize("ending", ["csv", "tsv", "smi", "csv.gz", "smi.gz", "sdf", "parquet"])
def test_parts_make_the_same_table_as_one_frame(tmp_path: Path, ending: str) -> None:
    with table_writer(tmp_path / f"parts.{ending}") as write:
        for part in PARTS:
            write(part)
    write_table(pd.concat(PARTS, ignore_index=True), tmp_path / f"whole.{ending}")
    parts, whole = (
        [(row.smiles, row.reason) for row in read_molecules(tmp_path / f"{name}.{ending}")]
        for name in ("parts", "whole")
    )
    assert parts == whole
    assert len(parts) == (2 if ending == "sdf" else 3)


def test_parquet_parts_become_row_groups_of_a_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writers, "PARQUET_BLOCK", 3)
    with table_writer(tmp_path / "t.parquet") as write:
        for part in PARTS * 2:
            write(part)
    stored = pq.ParquetFile(tmp_path / "t.parquet").metadata
    assert stored.num_row_groups == 2
    with_dictionary = [stored.row_group(0).column(i).has_dictionary_page for i in range(3)]
    assert with_dictionary == [True, False, True]  # floats hardly repeat
    expected = pd.concat(PARTS * 2, ignore_index=True)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "t.parquet"), expected, check_dtype=False)


def test_npy_parts_make_one_array(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)
    with features_writer(tmp_path / "z.npy", ["z0", "z1", "z2"]) as write:
        for part in np.split(values, [5, 5, 11]):
            write(part, pd.DataFrame())
    np.testing.assert_array_equal(np.load(tmp_path / "z.npy"), values)


@pytest.mark.parametrize("ending", ["csv", "parquet", "npy"])
def test_an_error_on_the_way_leaves_nothing(tmp_path: Path, ending: str) -> None:
    def stop_after_one_part() -> None:
        with features_writer(tmp_path / f"z.{ending}", ["z0"]) as write:
            write(np.zeros((2, 1), np.float32), PARTS[0])
            raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        stop_after_one_part()
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_ending_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="unknown ending"), table_writer(tmp_path / "t.xlsx"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_carriage_returns_in_cells_do_not_break_rows(tmp_path: Path) -> None:
    frame = pd.DataFrame({"smiles": ["CCO", "CC"], "name": ["two\r\nlines\rmore", 5]})
    write_table(frame, tmp_path / "a.csv")
    rows = list(read_molecules(tmp_path / "a.csv", name_column="name"))
    assert [(row.smiles, row.name) for row in rows] == [("CCO", "two\nlines\nmore"), ("CC", "5")]
    assert frame["name"][0] == "two\r\nlines\rmore"  # what was given stays as it was


def test_lines_in_data_fields_of_sdf_do_not_end_them(tmp_path: Path) -> None:
    write_table(pd.DataFrame({"smiles": ["CCO", "CC"], "note": ["a\n\n$$$$\nb", "c"]}), tmp_path / "a.sdf")
    rows = list(read_molecules(tmp_path / "a.sdf", extra_columns=["note"]))
    assert [(row.smiles, row.extra["note"]) for row in rows] == [("CCO", "a $$$$ b"), ("CC", "c")]
