"""The prepared folder: memory-mapped tokens and properties for training, which needs neither rdkit nor selfies.

| file | content |
| --- | --- |
| `meta.json` | format version, sources with sha256, counts of rows, splits and tokens, notation, options |
| `vocabulary.json` | token ids and merges |
| `tokens.npy`, `offsets.npy` | every molecule's token ids, end to end |
| `splits.npy`, `properties.npy` | one row per molecule |
| `smiles.parquet`, `rejected.csv` | canonical SMILES, split and name of each molecule; rows left out, and why |
| `conflicts.csv` | molecules whose rows have different labels, and what was made of them |
| `graphs/` | optional: atoms and bonds, end to end; see `GraphStore` |
| `fingerprints.npy` | optional: one row per molecule, packed bits; see `molvae.data.prepare.fingerprints` |
| `randomized/` or `randomized-2/` | optional: tokens of randomized SMILES of every molecule; see `RandomizedStore` |
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from molvae.data.atom_tokens import AtomTokenMap
from molvae.data.graphs import ARRAYS as GRAPH_ARRAYS
from molvae.data.graphs import FOLDER as GRAPHS
from molvae.data.graphs import GraphStore
from molvae.data.randomized import FOLDER as RANDOMIZED
from molvae.data.randomized import FOLDERS as RANDOMIZED_FOLDERS
from molvae.data.randomized import META_KEY, RandomizedStore
from molvae.data.vocabulary import Vocabulary
from molvae.documents import DocumentError, read_json
from molvae.errors import PreparedDataError
from molvae.files import FolderKind
from molvae.migrations import PREPARED_VERSION, prepared_from_1

if TYPE_CHECKING:
    import pandas as pd

FINGERPRINTS = "fingerprints.npy"
SMILES, CONFLICTS = "smiles.parquet", "conflicts.csv"
FARTHEST = 10.0  # labels are clipped to this many standard deviations from the mean
PREPARED = FolderKind(
    "prepared folder",
    "meta.json",
    (
        *("meta.json", "vocabulary.json", "tokens.npy", "offsets.npy", "splits.npy", "properties.npy"),
        *(SMILES, "rejected.csv", CONFLICTS, FINGERPRINTS),
        *(f"{GRAPHS}/{name}.npy" for name in (*GRAPH_ARRAYS, "atom_offsets", "bond_offsets")),
        *(f"{folder}/{name}.npy" for folder in (*RANDOMIZED_FOLDERS, "variants") for name in ("tokens", "offsets")),
    ),
)


@dataclass(frozen=True)
class PropertyStatistics:
    """Mean and standard deviation of each property in the training split; see `molvae.data.prepare.labels.scale_of`."""

    names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def select(self, names: Sequence[str]) -> "PropertyStatistics":
        """The statistics of the named properties, in that order; raises `PreparedDataError` for an unknown one."""
        for name in names:
            if name not in self.names:
                known = ", ".join(self.names) or "none"
                raise PreparedDataError(f"the prepared folder has no property {name!r}; it has: {known}")
        index = [self.names.index(name) for name in names]
        return PropertyStatistics(tuple(names), tuple(self.mean[i] for i in index), tuple(self.std[i] for i in index))


@dataclass(frozen=True)
class PreparedData:
    """An open prepared folder. Its arrays are memory-mapped, so that opening does not read them.

    Attributes:
        path: the folder.
        meta: the content of `meta.json`: sources with sha256, counts, notation, options.
        vocabulary: converts symbols to token ids and back.
        tokens: all molecules' token ids end to end, without bos and eos, uint16 (uint32 for huge vocabularies).
        offsets: `(n + 1,)` int64; molecule i is `tokens[offsets[i]:offsets[i + 1]]`.
        splits: `(n,)` uint8, indices into `split_names`.
        properties: `(n, P)` float32, nan where the label is missing.
        statistics: mean and standard deviation of the properties.
        graphs: molecular graphs; `None` unless opened by `with_graphs`.
        randomized: the tokens of randomized SMILES; `None` unless opened by `with_randomized`.
        fingerprints: `(n, bits / 8)` uint8, packed bits; `None` unless opened by `with_fingerprints`.
    """

    path: Path
    meta: dict[str, Any]
    vocabulary: Vocabulary
    tokens: np.ndarray
    offsets: np.ndarray
    splits: np.ndarray
    properties: np.ndarray
    statistics: PropertyStatistics
    graphs: GraphStore | None = None
    randomized: RandomizedStore | None = None
    fingerprints: np.ndarray | None = None

    @classmethod
    def open(cls, path: str | Path) -> "PreparedData":
        """Open a prepared folder; see `with_graphs`, `with_randomized` and `with_fingerprints` for the optional parts.

        Raises:
            PreparedDataError: when it is missing, incomplete, damaged or of another format version.
        """
        path = Path(path)
        if not path.is_dir():
            raise PreparedDataError(f"{path} is not a folder; make it with `molvae data prepare INPUT -o {path}`")
        try:
            meta = read_json(path / "meta.json")
            if meta["format_version"] == 1:
                meta = prepared_from_1(meta)
            elif meta["format_version"] != PREPARED_VERSION:
                raise PreparedDataError(
                    f"{path} has prepared format {meta['format_version']}; this molvae reads 1 to {PREPARED_VERSION}: "
                    "prepare it again"
                )
            tokens, offsets, splits, values = (
                _open_array(path / f"{name}.npy") for name in ("tokens", "offsets", "splits", "properties")
            )
            properties = meta["properties"]
            statistics = PropertyStatistics(
                tuple(properties["names"]), tuple(properties["mean"]), tuple(properties["std"])
            )
            _check(meta, tokens=tokens, offsets=offsets, splits=splits, properties=values)
        except (OSError, KeyError, TypeError, AttributeError, DocumentError) as error:
            raise PreparedDataError(f"{path} is not a complete prepared folder: {error}") from error
        vocabulary = Vocabulary.load(path / "vocabulary.json")
        data = cls(path, meta, vocabulary, tokens, offsets, splits, values, statistics)
        n = len(data)
        if len(data.splits) != n or len(data.properties) != n or int(data.offsets[-1]) != len(data.tokens):
            raise PreparedDataError(f"{path}: its arrays disagree about the number of molecules; prepare it again")
        return data

    def with_graphs(self) -> "PreparedData":
        """The same folder with its graphs, which batches then contain.

        Raises:
            PreparedDataError: when it was prepared without them.
        """
        if not (self.path / GRAPHS).is_dir():
            raise PreparedDataError(f"{self.path} has no graphs; prepare it again with `molvae data prepare --graphs`")
        return replace(self, graphs=GraphStore.open(self.path, len(self)))

    def with_randomized(self) -> "PreparedData":
        """The same folder with its randomized SMILES.

        Raises:
            PreparedDataError: when it has none.
        """
        if META_KEY not in self.meta:
            raise PreparedDataError(
                f"{self.path} has no randomized SMILES; add them with `molvae data randomize {self.path}`"
            )
        written = self.meta[META_KEY]
        store = RandomizedStore.open(self.path / written.get("folder", RANDOMIZED), len(self), written["each"])
        return replace(self, randomized=store)

    def with_fingerprints(self) -> "PreparedData":
        """The same folder with its fingerprints, which batches then contain.

        Raises:
            PreparedDataError: when it has none, or not one per molecule.
        """
        if "fingerprints" not in self.meta:
            raise PreparedDataError(
                f"{self.path} has no fingerprints; add them with `molvae data fingerprint {self.path}`"
            )
        rows = _open_array(self.path / FINGERPRINTS)
        if len(rows) != len(self):
            raise PreparedDataError(
                f"{self.path} has {len(rows)} fingerprints of {len(self)} molecules; add them again"
            )
        return replace(self, fingerprints=rows)

    @cached_property
    def atom_token_map(self) -> AtomTokenMap:
        """Finds the token that writes each atom."""
        return AtomTokenMap(self.vocabulary)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def split_names(self) -> tuple[str, ...]:
        """Names of the splits, in the order of their codes."""
        return tuple(self.meta["splits"])

    def indices(self, split: str) -> np.ndarray:
        """The indices of the molecules of one split, ascending.

        Raises:
            PreparedDataError: for a split the folder does not have.
        """
        if split not in self.split_names:
            raise PreparedDataError(f"{self.path} has no split {split!r}; it has: {', '.join(self.split_names)}")
        return np.flatnonzero(self.splits == self.split_names.index(split))

    def smiles(self, indices: np.ndarray | None = None) -> list[str]:
        """Canonical SMILES of the molecules at `indices` (by default of all)."""
        import pyarrow.parquet as pq

        column = pq.read_table(self.path / "smiles.parquet", columns=["smiles"]).column("smiles")
        return (column if indices is None else column.take(indices)).to_pylist()

    def property_frame(self, indices: np.ndarray | None = None) -> "pd.DataFrame":
        """The properties as a table with one column per property."""
        import pandas as pd

        values = self.properties if indices is None else self.properties[indices]
        return pd.DataFrame(np.asarray(values), columns=list(self.statistics.names))

    def __repr__(self) -> str:
        counts = ", ".join(f"{name} {n:,}" for name, n in self.meta["splits"].items())
        return f"PreparedData({str(self.path)!r}: {counts}; {self.vocabulary!r})"


def _open_array(path: Path) -> np.ndarray:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError:  # an empty array cannot be memory-mapped; a damaged one cannot be read either
        try:
            array = np.load(path, allow_pickle=False)
        except (ValueError, EOFError, MemoryError) as error:
            raise PreparedDataError(f"{path} is damaged: {error}") from error
    return array


def _check(meta: dict[str, Any], **arrays: np.ndarray) -> None:
    """Raise `DocumentError` unless the arrays and what is read of `meta.json` are of the kinds that they should be."""
    for name, kinds, ndim in (("tokens", "u", 1), ("offsets", "i", 1), ("splits", "u", 1), ("properties", "f", 2)):
        if arrays[name].dtype.kind not in kinds or arrays[name].ndim != ndim:
            raise DocumentError(f"{name}.npy holds {arrays[name].ndim}-dimensional {arrays[name].dtype}")
    if not len(arrays["offsets"]) or arrays["offsets"][0] or (np.diff(arrays["offsets"]) < 0).any():
        raise DocumentError("offsets.npy does not ascend from 0")
    properties, splits, tokens = meta["properties"], meta["splits"], meta["tokens"]
    names = properties["names"]
    if not len(names) == len(properties["mean"]) == len(properties["std"]) == arrays["properties"].shape[1]:
        raise DocumentError(f"meta.json has {len(names)} properties, properties.npy {arrays['properties'].shape[1]}")
    if not all(isinstance(n, int) for n in splits.values()) or not isinstance(tokens["mean_length"], int | float):
        raise DocumentError("meta.json has counts that are no numbers")
