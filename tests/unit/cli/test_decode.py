"""Latents of anyone: what `molvae decode` reads, and what it refuses in one sentence."""

import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from molvae.cli.decode import read_latents
from molvae.errors import InputFileError


def npy(path: Path, header: str, content: bytes = b"") -> str:
    text = header.encode() + b"\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + content)
    return str(path)


@pytest.mark.parametrize("kind", ["float32", "float64", "float16", "int8", "uint64", "bool"])
def test_numbers_of_any_kind_are_latents(kind: str, tmp_path: Path) -> None:
    values = np.asfortranarray([[0, 1, 1], [1, 0, 1]], dtype=kind)
    np.save(tmp_path / "z.npy", values)
    read = read_latents(str(tmp_path / "z.npy"))
    assert read.dtype == np.float32
    assert read.tolist() == values.tolist()


def test_numbers_that_float32_does_not_hold_are_infinite_without_a_warning(tmp_path: Path) -> None:
    np.save(tmp_path / "z.npy", np.array([[1e300, 1.0]]))
    assert read_latents(str(tmp_path / "z.npy")).tolist() == [[np.inf, 1.0]]


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000, 64)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999, 64)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 64)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': 'all'}",
        "{'descr': '|O', 'fortran_order': False, 'shape': (2,)}",
        "{'descr': 'x9', 'fortran_order': False, 'shape': (2, 2)}",
        "{'descr': '<f4', 'fortran_order': False}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), 'more': 1}",
        "{'descr': __import__('os').system('touch hacked'), 'fortran_order': False, 'shape': (2, 2)}",
        "[" * 5000,
        "",
        "\0" * 100,
    ],
)
def test_a_header_that_is_none_or_promises_what_is_not_there_is_one_sentence(header: str, tmp_path: Path) -> None:
    path = npy(tmp_path / "z.npy", header, b"\0" * 16)
    tracemalloc.start()
    with pytest.raises(InputFileError, match="not a readable array") as caught:
        read_latents(path)
    assert tracemalloc.get_traced_memory()[1] < 50e6
    tracemalloc.stop()
    assert "\n" not in str(caught.value)
    assert not Path("hacked").exists()


@pytest.mark.parametrize(
    "values",
    [np.array([["a", "b"]]), np.zeros((2, 2), complex), np.zeros(3, [("a", "f4")]), np.array(["2020"], "datetime64")],
)
def test_an_array_of_something_else_is_one_sentence(values: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "z.npy", values)
    with pytest.raises(InputFileError, match="latents that are no numbers"):
        read_latents(str(tmp_path / "z.npy"))


@pytest.mark.parametrize("cut", [0, 5, 20, 127])
def test_an_array_that_is_cut_is_one_sentence(cut: int, tmp_path: Path) -> None:
    np.save(tmp_path / "z.npy", np.zeros((2, 2), np.float32))
    content = (tmp_path / "z.npy").read_bytes()
    (tmp_path / "z.npy").write_bytes(content[:cut] if cut else content[:-1])
    with pytest.raises(InputFileError, match="not a readable array"):
        read_latents(str(tmp_path / "z.npy"))


def test_columns_are_read_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    table = pd.DataFrame({"z10": [10.0], "z2": [2.0], "name": ["a"], "z0": [0.0]})
    for path in (tmp_path / "z.csv", tmp_path / "z.parquet"):
        (table.to_csv if path.suffix == ".csv" else table.to_parquet)(path, index=False)
        assert read_latents(str(path)).tolist() == [[0, 2, 10]]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("z.csv", b"z0,z1\n1,x\n", "no numbers"),
        ("z.csv", b"a,b\n1,2\n", "has no columns z0"),
        ("z.csv", b"", "not a readable array or table"),
        ("z.csv", b'z0,z1\n1,"2\n', "not a readable array or table"),
        ("z.csv", b"\xff\xfe\x00z", "not a readable array or table"),
        ("z.parquet", b"PAR1 and nothing else", "not a readable array or table"),
    ],
)
def test_a_table_that_holds_no_latents_is_one_sentence(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputFileError, match=message):
        read_latents(str(tmp_path / name))
