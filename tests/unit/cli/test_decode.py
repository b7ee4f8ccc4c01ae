"""Reading latents."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from molvae.cli.decode import read_latents
from molvae.errors import InputFileError


def test_latents_are_read_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    (tmp_path / "z.csv").write_text("row,z1,z0,z10\n1,0.5,1,2\n2,,3,4\n")
    np.testing.assert_array_equal(read_latents(str(tmp_path / "z.csv")), [[1, 0.5, 2], [3, np.nan, 4]])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("z.csv", b"z0,z1\n1,abc\n", "has a latent that is no number: .*abc"),
        ("z.csv", "z0,z1\n1,2\n".encode("utf-16"), "is not a readable array or table"),
        ("z.csv", gzip.compress(b"z0\n1\n"), "is not a readable array or table"),
        ("z.csv", b"", "is not a readable array or table"),
        ("z.csv", b"x,y\n1,2\n", "has no columns z0, z1, …; its columns are: x, y"),
        ("z.npy", b"z0\n1\n", "is not a readable array or table"),
        ("z.parquet", b"z0\n1\n", "is not a readable array or table"),
    ],
)
def test_what_holds_no_latents_is_one_sentence(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputFileError, match=message) as caught:
        read_latents(str(tmp_path / name))
    assert "\n" not in str(caught.value)


def test_an_array_of_text_is_one_sentence(tmp_path: Path) -> None:
    np.save(tmp_path / "z.npy", np.array([["a", "b"]]))
    with pytest.raises(InputFileError, match="is not a readable array or table"):
        read_latents(str(tmp_path / "z.npy"))
