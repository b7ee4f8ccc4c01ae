"""Readers ⇄ writers, and labels."""

import itertools
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import molecules, texts

from molvae.data.prepare.labels import UNREADABLE, read_label, scale_of
from molvae.errors import InputError, InputFileError
from molvae.formats.readers import read_molecules
from molvae.formats.writers import write_table

ROWS = st.lists(st.tuples(molecules, texts, st.floats(width=32, allow_nan=False)), min_size=1, max_size=6)


@given(ending=st.sampled_from([".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet", ".sdf"]), rows=ROWS)
def test_what_is_written_is_read(ending: str, rows: list[tuple[str, str, float]]) -> None:
    frame = pd.DataFrame(rows, columns=["smiles", "name", "y"])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"table{ending}"
        write_table(frame, path)
        read = list(read_molecules(path, name_column="name", extra_columns=["y"]))
    assert [row.smiles for row in read] == list(frame["smiles"])
    assert [row.row for row in read] == list(range(1, len(rows) + 1))
    np.testing.assert_array_equal([float(row.extra["y"]) for row in read], frame["y"])
    for row, name in zip(read, frame["name"], strict=True):
        assert (row.name or "").split() == name.split()
        if ending != ".sdf":  # whose data fields have one line
            assert lines(row.name or "") == lines(name)


@given(rows=st.lists(st.one_of(molecules, st.just("")), min_size=1, max_size=6).filter(any))
def test_lines_that_are_written_are_read(rows: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lines.smi"
        write_table(pd.DataFrame({"smiles": rows}), path)
        assert [row.smiles or "" for row in read_molecules(path, blank_lines=True)] == rows


@given(
    mark=st.sampled_from(",;\t"),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "latin-1"]),
    rows=st.lists(st.tuples(molecules, st.integers(0, 99)), min_size=1, max_size=4),
)
def test_a_table_is_the_same_in_every_dress(mark: str, end: str, encoding: str, rows: list[tuple[str, int]]) -> None:
    text = end.join(f"{smiles}{mark}é{n}" for smiles, n in [("smiles", 0), *rows]).replace("é0", "name", 1)
    with tempfile.TemporaryDirectory() as folder:
        for name in ("table.csv", "table.txt"):
            path = Path(folder) / name
            path.write_bytes(text.encode(encoding))
            read = [(row.smiles, row.name) for row in read_molecules(path, name_column="name")]
            assert read == [(smiles, f"é{n}") for smiles, n in rows]


@given(
    name=st.sampled_from(["a.smi", "a.csv", "a.tsv", "a.sdf", "a.parquet", "a.txt", "a.csv.gz"]),
    content=st.binary(max_size=300) | texts.map(str.encode),
)
def test_any_bytes_are_rows_or_one_sentence(name: str, content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        try:
            rows = list(read_molecules(path))
        except (InputError, InputFileError) as error:
            assert "\n" not in str(error)  # noqa: PT017  either outcome is right
        else:
            assert all((row.smiles is None) == (row.reason is not None) for row in rows)


@given(value=st.floats(width=32, allow_nan=False, allow_infinity=False), limit=st.sampled_from([">", "<= ", "≥"]))
def test_numbers_are_read_as_they_are_printed(value: float, limit: str) -> None:
    for text in (repr(value), f"{value:e}", f" {value!r} "):
        read = read_label(text)
        assert read == pytest.approx(value, rel=1e-5) or (abs(value) < 1e-37 and read == UNREADABLE)
        assert read_label(limit + text, censored="value") == read
        assert read_label(text.replace(".", ","), decimal_comma=True) == read


@given(
    values=st.lists(st.integers(-50, 50), min_size=2, max_size=60),
    outlier=st.floats(1e3, 1e30),
    unit=st.floats(1e-12, 1e12),
)
def test_scales_follow_the_unit_and_no_single_molecule(values: list[int], outlier: float, unit: float) -> None:
    labels = np.array(values, dtype=float)
    mean, std = scale_of(labels)
    if std != 1.0:
        assert scale_of(labels * unit) == pytest.approx((mean * unit, std * unit), abs=1e-9 * unit)
    if len(set(values)) > 2 and len(values) > 10:
        assert scale_of(np.append(labels, outlier))[1] < 16 * 100


def lines(text: str) -> list[str]:
    """The lines of a cell, each without white space at its ends, and without empty ones at either end."""
    found = [line.strip() for line in text.strip().splitlines()]
    return [line for line, _ in itertools.groupby(found)] if "" in found else found
