"""Writes a prepared folder again with another vocabulary or notation, without preparing its molecules again."""

import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed

from molvae.chem.notation import notation
from molvae.data.graphs import FOLDER as GRAPHS
from molvae.data.prepare.tokens import merge_stride, spell_tokens, token_counts, write_tokens
from molvae.data.prepared import CONFLICTS, FINGERPRINTS, PREPARED, PreparedData
from molvae.data.randomized import FOLDER as RANDOMIZED
from molvae.data.randomized import META_KEY
from molvae.data.vocabulary import Vocabulary
from molvae.files import atomic_folder, write_json
from molvae.progress import SILENT, Progress

CHUNK_ROWS = 1000


def refragment(
    data: PreparedData,
    out: str | Path,
    *,
    fragments: int,
    notation: str | None = None,
    vocabulary: Vocabulary | None = None,
    overwrite: bool = False,
    n_jobs: int = -1,
    progress: Progress = SILENT,
) -> PreparedData:
    """Write the molecules, splits and properties of a prepared folder with another vocabulary.

    Args:
        data: a prepared folder.
        out: the folder to write; an interrupted run leaves no incomplete folder.
        fragments: size of the new vocabulary of symbols and fragments; 0 uses symbols only.
        notation: "selfies" or "smiles"; by default that of `data`. Randomized SMILES are kept only if the notation
            stays the same.
        vocabulary: a vocabulary with all symbols of the molecules, to use in place of a new one.
        overwrite: replace an existing prepared folder.
        n_jobs: number of processes that convert the molecules to another notation; -1 is one per core.
        progress: reports molecules tokenized.

    Raises:
        InputFileError: when `out` exists and `overwrite` is not set, or holds other files.
        InputError: for a molecule that the new notation cannot write.
    """
    same = notation in (None, data.vocabulary.notation)
    source = _Spelled(data) if same else _Rewritten(data, str(notation), n_jobs)
    with atomic_folder(out, overwrite=overwrite, kind=PREPARED) as folder:
        symbols, max_symbols = source.alphabet(progress)
        if vocabulary is None:
            vocabulary = Vocabulary.of_symbols(symbols, notation=source.notation)
            if fragments:
                train = data.indices("train") if "train" in data.split_names else np.arange(len(data))
                sample = train[:: merge_stride(len(train))]
                vocabulary = vocabulary.learn_merges(source.molecules(sample), n_fragments=fragments)
        molecules = source.molecules(np.arange(len(data)))
        lengths = write_tokens(folder, molecules, len(data), vocabulary=vocabulary, progress=progress)
        vocabulary.save(folder / "vocabulary.json")
        for name in ("splits.npy", "properties.npy", "smiles.parquet", "rejected.csv"):
            shutil.copyfile(data.path / name, folder / name)
        if (data.path / CONFLICTS).is_file():
            shutil.copyfile(data.path / CONFLICTS, folder / CONFLICTS)
        if "fingerprints" in data.meta:
            shutil.copyfile(data.path / FINGERPRINTS, folder / FINGERPRINTS)
        if (data.path / GRAPHS).is_dir():
            shutil.copytree(data.path / GRAPHS, folder / GRAPHS)
        meta = {k: v for k, v in data.meta.items() if k != META_KEY}
        meta["tokens"] = token_counts(vocabulary, lengths, max_symbols)
        meta["notation"] = data.meta["notation"] | {"name": source.notation}
        meta["options"] = data.meta["options"] | {"fragments": fragments, "notation": source.notation}
        store = data.with_randomized().randomized if same and META_KEY in data.meta else None
        if store is not None:
            (folder / RANDOMIZED).mkdir()
            rows = range(len(store.offsets) - 1)
            orders = spell_tokens(store.tokens, store.offsets, rows, vocabulary=data.vocabulary)
            lengths = write_tokens(folder / RANDOMIZED, orders, len(rows), vocabulary=vocabulary, progress=progress)
            meta[META_KEY] = data.meta[META_KEY] | {"folder": RANDOMIZED, "mean_length": float(lengths.mean())}
        write_json(folder / "meta.json", meta)
    return PreparedData.open(out)


class _Spelled:
    """The molecules of a prepared folder in its own notation."""

    def __init__(self, data: PreparedData) -> None:
        self.data = data
        self.notation = data.vocabulary.notation

    def alphabet(self, progress: Progress) -> tuple[Iterable[str], int]:
        """All symbols that occur, and the largest number of symbols per molecule."""
        return self.data.vocabulary.symbol_ids, self.data.meta["tokens"]["max_symbols"]

    def molecules(self, rows: np.ndarray) -> Iterator[list[str]]:
        """The symbols of the molecules at `rows`."""
        return spell_tokens(self.data.tokens, self.data.offsets, rows, vocabulary=self.data.vocabulary)


class _Rewritten:
    """The molecules of a prepared folder in another notation."""

    def __init__(self, data: PreparedData, notation_name: str, n_jobs: int) -> None:
        self.smiles, self.notation, self.n_jobs = data.smiles(), notation(notation_name).name, n_jobs

    def alphabet(self, progress: Progress) -> tuple[Iterable[str], int]:
        """All symbols that occur, and the largest number of symbols per molecule."""
        found: set[str] = set()
        most = 0
        with progress.stage(f"Writing {self.notation}", total=len(self.smiles), unit="molecules") as stage:
            for symbols in self.molecules(np.arange(len(self.smiles))):
                found.update(symbols)
                most = max(most, len(symbols))
                stage.advance(1)
        return found, most

    def molecules(self, rows: np.ndarray) -> Iterator[list[str]]:
        """The symbols of the molecules at `rows`; raises `InputError` for one that the notation cannot write."""
        chunks = (rows[first : first + CHUNK_ROWS] for first in range(0, len(rows), CHUNK_ROWS))
        calls = (delayed(_symbols)([self.smiles[i] for i in chunk], self.notation) for chunk in chunks)
        for lines in Parallel(n_jobs=self.n_jobs, return_as="generator", pre_dispatch="4*n_jobs")(calls):
            yield from (line.split(" ") for line in lines)


def _symbols(smiles: Sequence[str], notation_name: str) -> list[str]:
    line = notation(notation_name)
    return [" ".join(line.to_symbols(text)) for text in smiles]  # one string pickles faster than many
