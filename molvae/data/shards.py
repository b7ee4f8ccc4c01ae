"""Several prepared folders, shards, that are read as one.

Molecules are numbered through, shard after shard. Arrays are opened when they are needed, and the ones used longest ago
are closed, so that neither memory nor the number of open files grows with the number of shards.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from molvae.chem.standard_form import StandardForm
from molvae.data.graphs import ARRAYS as GRAPH_ARRAYS
from molvae.data.graphs import FOLDER as GRAPHS
from molvae.data.graphs import GraphStore
from molvae.data.prepared import FINGERPRINTS, PreparedData, PropertyStatistics
from molvae.data.randomized import FOLDER as RANDOMIZED
from molvae.data.randomized import META_KEY, RandomizedStore
from molvae.data.vocabulary import Vocabulary
from molvae.errors import PreparedDataError

OPEN = 256  # files of each kind that are open at a time


def open_prepared(*paths: str | Path) -> PreparedData:
    """Open prepared folders as one; a folder of prepared folders stands for these, in the order of their names.

    Raises:
        PreparedDataError: for a folder that `PreparedData.open` refuses, or one that differs from the first in its
            vocabulary, notation, properties or standard form.
    """
    found = [shard for path in paths for shard in _shards_of(Path(path))]
    if len(found) == 1:
        return PreparedData.open(found[0])
    return ShardedData.of(found, [Path(path) for path in paths])


def _shards_of(path: Path) -> list[Path]:
    """The prepared folders in a folder, or the path itself."""
    if (path / "meta.json").is_file() or not path.is_dir():
        return [path]
    return sorted(file.parent for file in path.glob("*/meta.json")) or [path]


class ChainedArray:
    """Memory-mapped arrays end to end, read as one.

    Args:
        lengths: rows of each array.
        load: opens one of them.
        added: numbers to add to the values of each array; `None` adds none.
        extra: rows that each array has at its end beyond its length, which count for the last one only.

    >>> chain = ChainedArray([2, 3], [np.arange(2), np.arange(10, 13)].__getitem__)
    >>> chain[np.array([4, 0, 2])].tolist(), len(chain)
    ([12, 0, 10], 5)
    """

    def __init__(
        self,
        lengths: Sequence[int],
        load: Callable[[int], np.ndarray],
        *,
        added: np.ndarray | None = None,
        extra: int = 0,
    ) -> None:
        self.starts = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        self.load = lru_cache(maxsize=OPEN)(load)
        self.added = added
        self.extra = extra

    def __len__(self) -> int:
        return int(self.starts[-1]) + self.extra

    def __getitem__(self, rows: Any) -> Any:
        if isinstance(rows, slice):
            return self[np.arange(*rows.indices(len(self)))]
        if not isinstance(rows, np.ndarray):
            return self[np.array([rows + len(self) if rows < 0 else rows])][0]
        return self.take(rows)

    def take(self, rows: np.ndarray, axis: int = 0) -> np.ndarray:
        """The given rows, like `np.ndarray.take`."""
        part = np.minimum(np.searchsorted(self.starts, rows, side="right") - 1, len(self.starts) - 2)
        order = np.argsort(part, kind="stable")
        bounds = np.flatnonzero(np.diff(part[order])) + 1
        out: np.ndarray | None = None
        for here in np.split(order, bounds):
            i = int(part[here[0]]) if len(here) else 0
            values = self.load(i).take(rows[here] - self.starts[i], axis=axis)
            values = values if self.added is None else values + self.added[i]
            out = np.empty((len(rows), *values.shape[1:]), values.dtype) if out is None else out
            out[here] = values
        assert out is not None
        return out

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        parts = [
            self.load(i) if self.added is None else self.load(i) + self.added[i] for i in range(len(self.starts) - 1)
        ]
        parts = [part[: len(part) - self.extra] for part in parts[:-1]] + parts[-1:]
        return np.concatenate(parts).astype(dtype or parts[0].dtype, copy=False)


@dataclass(frozen=True)
class ShardedData(PreparedData):
    """Prepared folders that are read as one; its arrays are those of all shards, end to end.

    Attributes:
        paths: the shards.
        named: what was opened: these shards, or folders of them.
        starts: `(S + 1,)`, the number of the first molecule of each shard, and of all.
        split_counts: of each shard, the number of molecules by split.
    """

    paths: tuple[Path, ...] = ()
    named: tuple[Path, ...] = ()
    starts: np.ndarray = field(default_factory=lambda: np.zeros(1, dtype=np.int64))
    split_counts: tuple[dict[str, int], ...] = ()

    @classmethod
    def of(cls, paths: Sequence[Path], named: Sequence[Path]) -> "ShardedData":
        """Open shards; `named` is what they were found in. Raises `PreparedDataError`, see `open_prepared`."""
        metas, n_molecules, n_tokens = [], [], []
        read: dict[bytes, Vocabulary] = {}
        first: PreparedData | None = None
        for shard_path in paths:
            text = _vocabulary_text(shard_path)
            shard = PreparedData.open(shard_path, vocabulary=read.get(text))
            read[text] = shard.vocabulary
            first = first or shard
            _check_same(first, shard)
            metas.append(shard.meta)
            n_molecules.append(len(shard))
            n_tokens.append(len(shard.tokens))
        assert first is not None

        def arrays(name: str) -> Callable[[int], np.ndarray]:
            return lambda i: _open(paths[i] / f"{name}.npy")

        starts = np.concatenate([[0], np.cumsum(n_molecules, dtype=np.int64)])
        meta = merged_meta(metas)
        scales = meta["properties"]
        return cls(
            named[0],
            meta,
            first.vocabulary,
            ChainedArray(n_tokens, arrays("tokens")),  # type: ignore[arg-type]  # read like an array
            _chained_offsets(n_molecules, n_tokens, arrays("offsets")),  # type: ignore[arg-type]
            ChainedArray(n_molecules, _SplitCodes(paths, metas, tuple(meta["splits"])).of),  # type: ignore[arg-type]
            ChainedArray(n_molecules, arrays("properties")),  # type: ignore[arg-type]
            PropertyStatistics(tuple(scales["names"]), tuple(scales["mean"]), tuple(scales["std"])),
            paths=tuple(paths),
            named=tuple(named),
            starts=starts,
            split_counts=tuple(m["splits"] for m in metas),
        )

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders that were opened, as they were named."""
        return self.named

    @property
    def n_shards(self) -> int:
        """The number of shards."""
        return len(self.paths)

    def shard(self, i: int) -> PreparedData:
        """One of the shards."""
        return PreparedData.open(self.paths[i], vocabulary=self.vocabulary)

    @property
    def first_molecules(self) -> np.ndarray:
        """The number of the first molecule of each shard, and of all, `(S + 1,)`."""
        return self.starts

    def count(self, split: str) -> list[int]:
        """The number of molecules of a split in each shard."""
        return [counts.get(split, 0) for counts in self.split_counts]

    def indices(self, split: str) -> np.ndarray:
        """The indices of the molecules of one split, ascending; raises `PreparedDataError` for an unknown one."""
        if split not in self.split_names:
            return super().indices(split)
        code = self.split_names.index(split)
        return np.flatnonzero(np.asarray(self.splits) == code)

    def with_graphs(self) -> "ShardedData":
        """The same shards with their graphs; raises `PreparedDataError` when one was prepared without them."""
        sizes: dict[str, list[int]] = {"atoms": [], "bonds": []}
        for path, n in zip(self.paths, np.diff(self.starts).tolist(), strict=True):
            if not (path / GRAPHS).is_dir():
                raise PreparedDataError(f"{path} has no graphs; prepare it again with `molvae data prepare --graphs`")
            store = GraphStore.open(path, n)
            sizes["atoms"].append(len(store.atoms))
            sizes["bonds"].append(len(store.bonds))

        def arrays(name: str) -> Callable[[int], np.ndarray]:
            return lambda i: _open(self.paths[i] / GRAPHS / f"{name}.npy")

        n_molecules = np.diff(self.starts).tolist()
        parts: dict[str, Any] = {
            name: ChainedArray(sizes["atoms" if name == "atoms" else "bonds"], arrays(name)) for name in GRAPH_ARRAYS
        }
        parts |= {
            f"{kind}_offsets": _chained_offsets(n_molecules, sizes[f"{kind}s"], arrays(f"{kind}_offsets"))
            for kind in ("atom", "bond")
        }
        return replace(self, graphs=GraphStore(**parts))

    def with_randomized(self) -> "ShardedData":
        """The same shards with their randomized SMILES; raises `PreparedDataError` when one has none."""
        stores, folders = [], []
        for i in range(self.n_shards):
            shard = self.shard(i)
            store = shard.with_randomized().randomized
            assert store is not None
            stores.append((len(store.offsets) - 1, len(store.tokens), store.n_randomized))
            folders.append(self.paths[i] / shard.meta[META_KEY].get("folder", RANDOMIZED))
        rows, tokens, each = zip(*stores, strict=True)

        def arrays(name: str) -> Callable[[int], np.ndarray]:
            return lambda i: _open(folders[i] / f"{name}.npy")

        return replace(
            self,
            randomized=RandomizedStore(
                ChainedArray(tokens, arrays("tokens")),  # type: ignore[arg-type]
                _chained_offsets(rows, tokens, arrays("offsets")),  # type: ignore[arg-type]
                each[0],
            ),
        )

    def with_fingerprints(self) -> "ShardedData":
        """The same shards with their fingerprints; raises `PreparedDataError` when one has none."""
        for i in range(self.n_shards):
            self.shard(i).with_fingerprints()
        lengths = np.diff(self.starts).tolist()
        rows: Any = ChainedArray(lengths, lambda i: _open(self.paths[i] / FINGERPRINTS))
        return replace(self, fingerprints=rows)

    def smiles(self, indices: np.ndarray | None = None) -> list[str]:
        """Canonical SMILES of the molecules at `indices` (by default of all)."""
        if indices is None:
            return [text for i in range(self.n_shards) for text in self.shard(i).smiles()]
        part = np.searchsorted(self.starts, indices, side="right") - 1
        found = np.empty(len(indices), dtype=object)
        for i in np.unique(part):
            here = np.flatnonzero(part == i)
            found[here] = self.shard(int(i)).smiles(indices[here] - self.starts[i])
        return found.tolist()

    def __repr__(self) -> str:
        return super().__repr__().replace("PreparedData(", f"ShardedData({self.n_shards} shards, ", 1)


def _open(path: Path) -> np.ndarray:
    return np.load(path, mmap_mode="r", allow_pickle=False)


def _chained_offsets(
    n_molecules: Sequence[int], n_rows: Sequence[int], load: Callable[[int], np.ndarray]
) -> ChainedArray:
    """Offsets of all shards, which go on where those of the shard before have ended."""
    added = np.concatenate([[0], np.cumsum(n_rows, dtype=np.int64)])
    return ChainedArray(n_molecules, load, added=added, extra=1)


class _SplitCodes:
    """The split codes of each shard, as indices into the names of all splits, which shards may list in other orders."""

    def __init__(self, paths: Sequence[Path], metas: Sequence[dict[str, Any]], names: Sequence[str]) -> None:
        self.paths = paths
        self.codes = [np.array([names.index(name) for name in meta["splits"]], dtype=np.uint8) for meta in metas]

    def of(self, i: int) -> np.ndarray:
        return self.codes[i][_open(self.paths[i] / "splits.npy")]


def _vocabulary_text(path: Path) -> bytes:
    """The file of a folder's vocabulary, as it is; empty if there is none, which opening the folder reports."""
    file = path / "vocabulary.json"
    return file.read_bytes() if file.is_file() else b""


def _check_same(first: PreparedData, shard: PreparedData) -> None:
    """Raise `PreparedDataError` unless a shard can be read with the first one as one data set."""
    one, other = _comparable(first), _comparable(shard)
    different = [name for name in one if one[name] != other[name]]
    if first.vocabulary is not shard.vocabulary and first.vocabulary != shard.vocabulary:
        different.insert(0, "vocabulary")
    if different:
        raise PreparedDataError(
            f"{shard.path} and {first.path} cannot be read as one, because they differ in: {', '.join(different)}; "
            "prepare their files together, with `molvae data prepare FILE FILE … -o DIR --shard-rows N`"
        )


def _comparable(data: PreparedData) -> dict[str, Any]:
    options = {k: v for k, v in data.meta["options"].items() if k in StandardForm.model_fields}
    each = data.meta.get(META_KEY, {}).get("each")
    return {
        "notation": data.meta["notation"]["name"],
        "properties": data.statistics.names,
        "standard form": options,
        "randomized SMILES": each,
        "fingerprints": data.meta.get("fingerprints"),
    }


def merged_meta(metas: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What `meta.json` would hold if the shards were one folder; duplicates are those within each shard."""
    rows, splits, stripped = Counter[str](), Counter[str](), dict[str, dict[str, Any]]()
    rejected = Counter[str]()
    for meta in metas:
        rows.update({name: n for name, n in meta["rows"].items() if isinstance(n, int)})
        rejected.update(meta["rows"]["rejected"])
        splits.update(meta["splits"])
        for kind, found in meta.get("stripped", {}).items():
            there = stripped.setdefault(kind, {"rows": 0, "most_common": Counter()})
            there["rows"] += found["rows"]
            there["most_common"].update(found["most_common"])
    for found in stripped.values():
        found["most_common"] = dict(found["most_common"].most_common(10))
    kept = [max(meta["rows"]["kept"], 1) for meta in metas]
    merged = metas[0] | {
        "sources": [source for meta in metas for source in meta["sources"]],
        "rows": dict(rows) | {"rejected": dict(rejected.most_common())},
        "splits": dict(splits),
        "stripped": stripped,
        "tokens": _merged_tokens([meta["tokens"] for meta in metas], kept),
        "properties": _merged_properties([meta["properties"] for meta in metas]),
    }
    if META_KEY in metas[0]:
        found = [meta[META_KEY] for meta in metas]
        merged[META_KEY] = found[0] | {
            "mean_length": float(np.average([f["mean_length"] for f in found], weights=kept)),
            "canonical_instead": sum(f["canonical_instead"] for f in found),
        }
    return merged


def _merged_tokens(tokens: Sequence[dict[str, Any]], kept: Sequence[int]) -> dict[str, Any]:
    return tokens[0] | {
        "total": sum(t["total"] for t in tokens),
        "mean_length": float(np.average([t["mean_length"] for t in tokens], weights=kept)),
        "max_length": max(t["max_length"] for t in tokens),
        "max_symbols": max(t["max_symbols"] for t in tokens),
    }


def _merged_properties(properties: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Means and standard deviations of all shards' labels, from those of each."""
    names = properties[0]["names"]
    unknown = {"labeled": [1] * len(names), "varies": [True] * len(names), "clipped": [0] * len(names)}
    properties = [unknown | p for p in properties]  # older folders did not count
    merged: dict[str, Any] = {"names": names, "labeled": [], "mean": [], "std": [], "varies": [], "clipped": []}
    for column in range(len(names)):
        n, mean, std = (
            np.array([p[key][column] for p in properties], dtype=float) for key in ("labeled", "mean", "std")
        )
        known = n > 0
        total = float(n.sum())
        center = float(np.average(mean[known], weights=n[known])) if total else mean[0]
        varies = [p["varies"][column] for p in properties]
        spread = (
            np.where(varies, std, 0.0) ** 2 + (mean - center) ** 2
        )  # the scale 1 of labels that do not vary is none
        scale = float(np.sqrt(np.average(spread[known], weights=n[known]))) if total else 1.0
        merged["labeled"].append(int(total))
        merged["mean"].append(float(center))
        merged["std"].append(scale if scale > 0 else 1.0)
        merged["varies"].append(scale > 0 and total > 0)
        merged["clipped"].append(sum(p["clipped"][column] for p in properties))
    merged["labels"] = _merged_labels([p.get("labels", {}) for p in properties])
    return merged


def _merged_labels(labels: Sequence[dict[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    merged: dict[str, dict[str, Any]] = {}
    for shard in labels:
        for name, counts in shard.items():
            there = merged.setdefault(name, {})
            for key, value in counts.items():
                if isinstance(value, list):
                    there[key] = [*there.get(key, []), *value][:3]
                else:
                    there[key] = there.get(key, 0) + value
    return merged


def iter_smiles(data: PreparedData, split: str) -> Iterator[str]:
    """The canonical SMILES of one split, shard by shard."""
    for i in range(data.n_shards):
        shard = data.shard(i)
        if split in shard.split_names:
            yield from shard.smiles(shard.indices(split))
