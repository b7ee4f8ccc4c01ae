"""Writes the rows of a prepared folder to disk as they come."""

import csv
import hashlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from molvae.data.graphs import ARRAYS as GRAPH_ARRAYS
from molvae.data.graphs import FOLDER as GRAPHS
from molvae.data.graphs import offsets_of
from molvae.data.prepare.config import PrepareConfig
from molvae.data.prepare.describe import DescribedChunk
from molvae.data.prepare.labels import Labels, scale_of
from molvae.data.prepared import CONFLICTS, FARTHEST, SMILES
from molvae.errors import InputError
from molvae.formats.columns import InputRow
from molvae.formats.spreadsheets import harmless

MAX_SPLITS = 256  # their codes are bytes
_REJECTED = ("source", "row", "name", "smiles", "reason")


@dataclass
class FolderWriter:
    """Writes kept rows to arrays and rejected rows to `rejected.csv`; keeps one hash per molecule in memory.

    Args:
        folder: an empty folder.
        descriptors: names of the descriptors, which come before the labels among the properties.
        config: the settings.
    """

    folder: Path
    descriptors: tuple[str, ...]
    config: PrepareConfig
    read: int = 0
    kept: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    splits: dict[str, int] = field(default_factory=dict)  # name → number of molecules, in the order of the codes
    in_other_split: int = 0  # duplicates

    def __post_init__(self) -> None:
        self.names = (*self.descriptors, *self.config.property_columns)
        self.labels = Labels(
            self.config.property_columns, censored=self.config.censored, conflicts=self.config.conflicts
        )
        self.work = self.folder / "work"
        self.work.mkdir()
        self.symbol_ids: dict[str, int] = {}
        self._indices: dict[bytes, int] = {}  # hash → index of the molecule
        self._codes: dict[str, int] = {}
        self._split_codes = bytearray()  # of the molecules
        self._sources: dict[str, int] = {}
        kinds = _RAW | (_RAW_GRAPHS if self.config.graphs else {})
        self._files: dict[str, IO[bytes]] = {n: (self.work / n).open("wb") for n in kinds}
        self._rejected_file = (self.folder / "rejected.csv").open("w", newline="", encoding="utf-8")
        self._rejected = csv.writer(self._rejected_file, lineterminator="\n")
        columns = (f"{name} (input)" if name in _REJECTED else name for name in self.labels.columns)
        self._rejected.writerow([*_REJECTED, *columns])
        self._parquet = pq.ParquetWriter(self.folder / SMILES, _SMILES_SCHEMA)
        self._rows: list[tuple[str, str, str | None]] = []
        self._later_names: dict[int, str] = {}  # of duplicates

    def add(
        self, row: InputRow, chunk: DescribedChunk, i: int, *, split: str, known: frozenset[str] | None
    ) -> str | None:
        """Write one row; if it is a duplicate or has unknown symbols, return the reason instead of writing it.

        The labels and the name of a duplicate are merged into its molecule.

        Raises:
            InputError: for more than `MAX_SPLITS` splits.
        """
        smiles = chunk.smiles[i]
        digest = hashlib.blake2b(smiles.encode(), digest_size=12).digest()
        if digest in self._indices:
            self._merge(self._indices[digest], smiles, row, split)
            return "duplicate"
        symbols = chunk.symbols[i].split(" ")
        if known is not None:
            lacking = [s for s in symbols if s not in known]
            if lacking:
                self.unknown.update(lacking)
                return "unknown_symbol"
        self._indices[digest] = self.kept
        self.read += 1
        self.kept += 1
        ids = [self.symbol_ids.setdefault(s, len(self.symbol_ids)) for s in symbols]
        values = np.concatenate([chunk.descriptors[i], self.labels.read(row)])
        origin = (self._sources.setdefault(row.source, len(self._sources)), row.row)
        self.splits[split] = self.splits.get(split, 0) + 1
        self._files["symbols"].write(np.array(ids, dtype=np.uint32).tobytes())
        self._files["n_symbols"].write(np.uint16(len(ids)).tobytes())
        self._files["properties"].write(values.astype(np.float32).tobytes())
        self._split_codes.append(self._code(split))
        self._files["splits"].write(self._split_codes[-1:])
        self._files["origins"].write(np.array(origin, dtype=np.int64).tobytes())
        graph = chunk.graphs[i]
        if graph is not None:
            self._files["atoms"].write(graph.atoms.tobytes())
            self._files["bonds"].write(graph.bonds.tobytes())
            self._files["bond_codes"].write(graph.bond_codes.tobytes())
            self._files["n_atoms"].write(np.uint16(len(graph.atoms)).tobytes())
            self._files["n_bonds"].write(np.uint16(len(graph.bonds)).tobytes())
        self._rows.append((smiles, split, row.name))
        if len(self._rows) >= 50_000:
            self._flush()
        return None

    def _code(self, split: str) -> int:
        code = self._codes.setdefault(split, len(self._codes))
        if code >= MAX_SPLITS:
            listed = ", ".join(list(self._codes)[:3])
            raise InputError(
                f"the rows name more than {MAX_SPLITS} splits ({listed}, …); expected a few, such as train, valid, test"
            )
        return code

    def _merge(self, index: int, smiles: str, row: InputRow, split: str) -> None:
        self.labels.read_duplicate(index, smiles, row)
        if row.name is not None:
            self._later_names.setdefault(index, row.name)
        self.in_other_split += self._codes.get(split) != self._split_codes[index]

    def reject(self, row: InputRow, reason: str) -> None:
        """Count a rejected row and write it to `rejected.csv`, with its labels as they were given."""
        self.read += 1
        self.rejected[reason] += 1
        labels = [row.extra.get(column, "") for column in self.labels.columns]
        cells = [row.source, row.row, row.name or "", row.smiles or "", reason, *labels]
        self._rejected.writerow([harmless(c) for c in cells] if self.config.escape_formulas else cells)

    def close(self) -> None:
        """Finish and close the files."""
        self._flush()
        self._parquet.close()
        self._rejected_file.close()
        for file in self._files.values():
            file.close()

    def merge_duplicates(self) -> None:
        """Give the molecules the labels and names of their duplicates, once the files are closed.

        Raises:
            InputError: see `Labels.merge`.
        """
        values = self.raw("properties", mode="r+").reshape(self.kept, len(self.names))
        origins = self.raw("origins").reshape(self.kept, 2)
        labels = values[:, len(self.descriptors) :]
        self.labels.merge(labels, list(self._sources), origins, self.folder / CONFLICTS)
        if self._later_names:
            self._add_names()

    def _add_names(self) -> None:
        """Write the table of SMILES again, with names that only duplicates have."""
        path, again = self.folder / SMILES, self.work / SMILES
        start = 0
        with pq.ParquetFile(path) as file, pq.ParquetWriter(again, _SMILES_SCHEMA) as writer:
            for batch in file.iter_batches(50_000):
                names = batch.column("name").to_pylist()
                names = [self._later_names.get(start + i) if name is None else name for i, name in enumerate(names)]
                start += len(names)
                columns = [batch.column("smiles"), batch.column("split"), pa.array(names, pa.string())]
                writer.write_table(pa.table(columns, schema=_SMILES_SCHEMA))
        again.replace(path)

    def raw(self, name: str, *, mode: Literal["r", "r+"] = "r") -> np.ndarray:
        """One of the written arrays, memory-mapped and flat."""
        path, dtype = self.work / name, (_RAW | _RAW_GRAPHS)[name]
        return np.memmap(path, dtype=dtype, mode=mode) if path.stat().st_size else np.empty(0, dtype)

    def save_arrays(self) -> None:
        """Write the arrays of the folder, except the tokens."""
        np.save(self.folder / "splits.npy", self.raw("splits"))
        np.save(self.folder / "properties.npy", self._properties())
        if self.config.graphs:
            folder = self.folder / GRAPHS
            folder.mkdir()
            for name, (_, columns) in GRAPH_ARRAYS.items():
                np.save(folder / f"{name}.npy", self.raw(name).reshape(-1, columns))
            for name in ("atom", "bond"):
                np.save(folder / f"{name}_offsets.npy", offsets_of(self.raw(f"n_{name}s")))

    def statistics(self) -> dict[str, list[Any]]:
        """For `meta.json`, of each property's labels in the training split: number, `scale_of`, `varies`, `clipped`.

        Training clips labels that are more than `FARTHEST` standard deviations from the mean.
        """
        in_training = self.raw("splits") == self._codes.get("train", -1)
        found: dict[str, list[Any]] = {"labeled": [], "mean": [], "std": [], "varies": [], "clipped": []}
        for column in self._properties().T:
            values = column[in_training]
            values = values[~np.isnan(values)]
            mean, std = scale_of(values)
            far = np.abs(values.astype(np.float64) - mean) > FARTHEST * std
            varies = bool(len(values)) and bool(values.min() < values.max())
            for name, value in zip(found, (len(values), mean, std, varies, int(far.sum())), strict=True):
                found[name].append(value)
        return found

    def _properties(self) -> np.ndarray:
        return self.raw("properties").reshape(self.kept, len(self.names))

    def _flush(self) -> None:
        if self._rows:
            columns = dict(zip(_SMILES_SCHEMA.names, zip(*self._rows, strict=True), strict=True))
            self._parquet.write_table(pa.table(columns, schema=_SMILES_SCHEMA))
            self._rows.clear()


_RAW: dict[str, type[np.generic]] = {
    "symbols": np.uint32,
    "n_symbols": np.uint16,
    "properties": np.float32,
    "splits": np.uint8,
    "origins": np.int64,
}
_RAW_GRAPHS: dict[str, type[np.generic]] = {name: dtype for name, (dtype, _) in GRAPH_ARRAYS.items()}
_RAW_GRAPHS |= {"n_atoms": np.uint16, "n_bonds": np.uint16}
_SMILES_SCHEMA = pa.schema([("smiles", pa.string()), ("split", pa.string()), ("name", pa.string())])
