"""Writes the rows of a prepared folder to disk as they come."""

import csv
import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from molvae.data.graphs import ARRAYS as GRAPH_ARRAYS
from molvae.data.graphs import FOLDER as GRAPHS
from molvae.data.graphs import offsets_of
from molvae.data.prepare.config import PrepareConfig
from molvae.data.prepare.describe import DescribedChunk
from molvae.formats.readers import InputRow
from molvae.formats.spreadsheets import harmless


@dataclass
class FolderWriter:
    """Writes kept rows to arrays and rejected rows to `rejected.csv`; keeps one hash per molecule in memory."""

    folder: Path
    names: tuple[str, ...]
    graphs: bool = False
    escape_formulas: bool = False
    read: int = 0
    kept: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    unreadable_values: Counter[str] = field(default_factory=Counter)
    splits: dict[str, int] = field(default_factory=dict)  # name → number of molecules, in the order of the codes

    def __post_init__(self) -> None:
        self.work = self.folder / "work"
        self.work.mkdir()
        self.symbol_ids: dict[str, int] = {}
        self._seen: set[bytes] = set()
        self._codes: dict[str, int] = {}
        self._sums = np.zeros((3, len(self.names)))  # count, sum, sum of squares over labeled training molecules
        kinds = _RAW | (_RAW_GRAPHS if self.graphs else {})
        self._files: dict[str, IO[bytes]] = {n: (self.work / n).open("wb") for n in kinds}
        self._rejected_file = (self.folder / "rejected.csv").open("w", newline="", encoding="utf-8")
        self._rejected = csv.writer(self._rejected_file, lineterminator="\n")
        self._rejected.writerow(["source", "row", "name", "smiles", "reason"])
        self._parquet = pq.ParquetWriter(self.folder / "smiles.parquet", _SMILES_SCHEMA)
        self._rows: list[tuple[str, str, str | None]] = []

    def add(
        self,
        row: InputRow,
        chunk: DescribedChunk,
        i: int,
        *,
        split: str,
        known: frozenset[str] | None,
        config: PrepareConfig,
    ) -> str | None:
        """Write one row; if it is a duplicate or has unknown symbols, return the reason instead of writing it."""
        smiles = chunk.smiles[i]
        digest = hashlib.blake2b(smiles.encode(), digest_size=12).digest()
        if digest in self._seen:
            return "duplicate"
        symbols = chunk.symbols[i].split(" ")
        if known is not None:
            lacking = [s for s in symbols if s not in known]
            if lacking:
                self.unknown.update(lacking)
                return "unknown_symbol"
        self._seen.add(digest)
        self.read += 1
        self.kept += 1
        ids = [self.symbol_ids.setdefault(s, len(self.symbol_ids)) for s in symbols]
        values = np.concatenate([chunk.descriptors[i], self._labels(row, config.property_columns)])
        code = self._codes.setdefault(split, len(self._codes))
        self.splits[split] = self.splits.get(split, 0) + 1
        self._files["symbols"].write(np.array(ids, dtype=np.uint16).tobytes())
        self._files["n_symbols"].write(np.uint16(len(ids)).tobytes())
        self._files["properties"].write(values.astype(np.float32).tobytes())
        self._files["splits"].write(np.uint8(code).tobytes())
        graph = chunk.graphs[i]
        if graph is not None:
            self._files["atoms"].write(graph.atoms.tobytes())
            self._files["bonds"].write(graph.bonds.tobytes())
            self._files["bond_codes"].write(graph.bond_codes.tobytes())
            self._files["n_atoms"].write(np.uint16(len(graph.atoms)).tobytes())
            self._files["n_bonds"].write(np.uint16(len(graph.bonds)).tobytes())
        if split == "train":
            labeled = ~np.isnan(values)
            clean = np.where(labeled, values, 0.0).astype(float)
            self._sums += np.stack([labeled.astype(float), clean, clean**2])
        self._rows.append((smiles, split, row.name))
        if len(self._rows) >= 50_000:
            self._flush()
        return None

    def reject(self, row: InputRow, reason: str) -> None:
        """Count a rejected row and write it to `rejected.csv`."""
        self.read += 1
        self.rejected[reason] += 1
        cells = [row.source, row.row, row.name or "", row.smiles or "", reason]
        self._rejected.writerow([harmless(c) for c in cells] if self.escape_formulas else cells)

    def close(self) -> None:
        """Finish and close the files."""
        self._flush()
        self._parquet.close()
        self._rejected_file.close()
        for file in self._files.values():
            file.close()

    def raw(self, name: str) -> np.ndarray:
        """One of the written arrays, memory-mapped and flat."""
        path, dtype = self.work / name, (_RAW | _RAW_GRAPHS)[name]
        return np.memmap(path, dtype=dtype, mode="r") if path.stat().st_size else np.empty(0, dtype)

    def save_arrays(self) -> None:
        """Write the arrays of the folder, except the tokens."""
        np.save(self.folder / "splits.npy", self.raw("splits"))
        np.save(self.folder / "properties.npy", self.raw("properties").reshape(self.kept, len(self.names)))
        if self.graphs:
            folder = self.folder / GRAPHS
            folder.mkdir()
            for name, (_, columns) in GRAPH_ARRAYS.items():
                np.save(folder / f"{name}.npy", self.raw(name).reshape(-1, columns))
            for name in ("atom", "bond"):
                np.save(folder / f"{name}_offsets.npy", offsets_of(self.raw(f"n_{name}s")))

    def statistics(self) -> tuple[list[float], list[float]]:
        """Mean and standard deviation per property; 0 without any label, and 1 without labels that vary."""
        n, total, squares = self._sums
        mean = np.divide(total, n, out=np.zeros_like(n), where=n > 0)
        variance = np.divide(squares, n, out=np.zeros_like(n), where=n > 0) - mean**2
        std = np.sqrt(np.maximum(variance, 0))
        return mean.tolist(), np.where(std > 1e-6, std, 1.0).tolist()

    def _labels(self, row: InputRow, columns: Sequence[str]) -> np.ndarray:
        values = np.full(len(columns), np.nan, np.float32)
        for j, column in enumerate(columns):
            text = (row.extra.get(column) or "").strip()
            try:
                values[j] = float(text) if text else np.nan
            except ValueError:
                self.unreadable_values[column] += 1
        values[~np.isfinite(values)] = np.nan
        return values

    def _flush(self) -> None:
        if self._rows:
            columns = dict(zip(_SMILES_SCHEMA.names, zip(*self._rows, strict=True), strict=True))
            self._parquet.write_table(pa.table(columns, schema=_SMILES_SCHEMA))
            self._rows.clear()


_RAW: dict[str, type[np.generic]] = {
    "symbols": np.uint16,
    "n_symbols": np.uint16,
    "properties": np.float32,
    "splits": np.uint8,
}
_RAW_GRAPHS: dict[str, type[np.generic]] = {name: dtype for name, (dtype, _) in GRAPH_ARRAYS.items()}
_RAW_GRAPHS |= {"n_atoms": np.uint16, "n_bonds": np.uint16}
_SMILES_SCHEMA = pa.schema([("smiles", pa.string()), ("split", pa.string()), ("name", pa.string())])
