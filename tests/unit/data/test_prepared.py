"""Prepared folders of anyone: every value of `meta.json` and every array is checked before it is used."""

import contextlib
import copy
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from molvae.cli.prepared import show_prepared
from molvae.data.prepare.config import PrepareConfig
from molvae.data.prepare.run import prepare
from molvae.data.prepared import PreparedData
from molvae.errors import PreparedDataError

HOSTILE = (None, -1, 1e308, "x", "../..", [], [None], {"a": []})
UNUSED = {"molvae_version", "sources", "options", "rejected", "selfies", "constraints", "total", "kind", "radius"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("meta")
    rows = [*(f"{'C' * n}O.Cl,{n}" for n in range(1, 9)), "CCO,9", "CCO,?!", "nonsense,1"]
    (path / "a.csv").write_text("\n".join(["smiles,y", *rows, ""]))
    config = PrepareConfig(fragments=20, descriptors=("qed",), property_columns=("y",), randomized_smiles=1, n_jobs=1)
    prepare([path / "a.csv"], path / "p", config=config.model_copy(update={"graphs": True, "fingerprints": True}))
    return path / "p"


def use(folder: Path) -> None:
    data = PreparedData.open(folder)
    assert repr(data)
    assert len(data.smiles(data.indices("train"))) == len(data.indices("train"))
    assert data.property_frame()[list(data.statistics.select(["y"]).names)].notna().any(axis=None)
    data.with_graphs().with_randomized().with_fingerprints()
    show_prepared(data, quiet=False)


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield at
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield from places(value[key], (*at, key))


def test_any_value_in_meta_json_is_used_or_refused(folder: Path) -> None:
    use(folder)
    text = (folder / "meta.json").read_text()
    meta, accepted = json.loads(text), set()
    try:
        for n, at in enumerate(places(meta)):
            if at[:1] in (("options",), ("sources",)) and len(at) > 1:
                continue
            for value in HOSTILE[n % 2 :: 2]:
                changed = {"whole": copy.deepcopy(meta)}
                part: Any = changed
                for key in ("whole", *at)[:-1]:
                    part = part[key]
                part[("whole", *at)[-1]] = value
                (folder / "meta.json").write_text(json.dumps(changed["whole"]))
                with contextlib.suppress(PreparedDataError):
                    use(folder)
                    accepted.add((at, repr(value)))
    finally:
        (folder / "meta.json").write_text(text)
    free = ("properties.names", "properties.mean", "properties.std", "properties.labels", "splits", "stripped")
    shown = {f"{'.'.join(map(str, at))} = {value}" for at, value in accepted if not UNUSED & set(at)}
    assert not {entry for entry in shown if not entry.startswith(free)}


ARRAYS = {
    "graphs/atoms.npy": np.zeros((9, 3), np.uint8),
    "graphs/bond_offsets.npy": np.zeros(10, np.float32),
    "randomized/offsets.npy": np.arange(19, dtype=np.int64)[::-1],
    "randomized/tokens.npy": np.zeros((4, 4), np.uint16),
    "splits.npy": np.full(9, 200, np.uint8),
    "offsets.npy": np.arange(10, dtype=np.int64)[::-1],
    "tokens.npy": np.zeros(3, np.float32),
    "properties.npy": np.zeros((9, 5), np.float32),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_that_does_not_fit_is_one_sentence(name: str, folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "p")
    np.save(tmp_path / "p" / name, ARRAYS[name])
    with pytest.raises(PreparedDataError) as caught:
        use(tmp_path / "p")
    assert "\n" not in str(caught.value)


HEADERS = [b"", b"\x93NUMPY", b"\x93NUMPY\x01\x00\x0a\x00[[[[[[[[[\n", b"PK\x03\x04", b"\x80\x04\x95pickle"]


@pytest.mark.parametrize("name", ["tokens.npy", "fingerprints.npy", "graphs/bonds.npy", "randomized/tokens.npy"])
def test_a_file_that_is_no_array_is_one_sentence(name: str, folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "p")
    for content in HEADERS:
        (tmp_path / "p" / name).write_bytes(content)
        with pytest.raises(PreparedDataError, match="no array, or damaged") as caught:
            use(tmp_path / "p")
        assert "\n" not in str(caught.value)


def test_randomized_smiles_outside_the_folder_are_not_read(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "p")
    meta = json.loads((tmp_path / "p" / "meta.json").read_text())
    meta["randomized_smiles"]["folder"] = str(folder / "randomized")
    (tmp_path / "p" / "meta.json").write_text(json.dumps(meta))
    with pytest.raises(PreparedDataError, match=r"randomized_smiles\.folder"):
        PreparedData.open(tmp_path / "p")
