"""Adds randomized SMILES to a prepared folder, without preparing its molecules again."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass

from molvae.chem.notation import notation
from molvae.chem.parse import random_orders
from molvae.config import MOST_RANDOMIZED
from molvae.data.chunks import map_smiles
from molvae.data.prepare.tokens import write_tokens
from molvae.data.prepared import PreparedData
from molvae.data.randomized import FOLDER, FOLDERS, META_KEY
from molvae.errors import ConfigError, InputError
from molvae.files import atomic_folder, write_json
from molvae.progress import SILENT, Progress

CHUNK_ROWS = 1000


@dataclass(frozen=True)
class _Orders:
    """The results for a chunk of molecules: each one's canonical SMILES, then its randomized SMILES."""

    symbols: list[str]  # joined by spaces, because one string pickles faster than many
    n_canonical_instead: int


def add_randomized(
    data: PreparedData, n_randomized: int, *, n_jobs: int = -1, progress: Progress = SILENT
) -> PreparedData:
    """Write `n_randomized` randomized SMILES of every molecule, as tokens of the folder's vocabulary.

    A randomized SMILES with a symbol that the vocabulary lacks, or that the notation cannot write, is replaced by the
    canonical SMILES; `meta.json` counts these. Randomized SMILES that the folder has already are replaced; until then
    `meta.json` names the old ones, so that an interrupted run leaves the folder as it was. The result does not depend
    on the number of processes.

    Args:
        data: a prepared folder.
        n_randomized: number of randomized SMILES per molecule, 1 to 255.
        n_jobs: number of processes; -1 is one per core.
        progress: reports SMILES written.

    Raises:
        ConfigError: for an `n_randomized` outside 1 to 255.
    """
    if not 1 <= n_randomized <= MOST_RANDOMIZED:
        raise ConfigError(f"got {n_randomized} randomized SMILES per molecule; expected 1 to {MOST_RANDOMIZED}")
    known = frozenset(data.vocabulary.symbol_ids)
    how = (n_randomized, data.vocabulary.notation, known)
    chunks = map_smiles(data.path, _orders, *how, n_rows=CHUNK_ROWS, n_jobs=n_jobs)
    n_canonical_instead = 0

    def rows() -> Iterator[list[str]]:
        nonlocal n_canonical_instead
        for chunk in chunks:
            n_canonical_instead += chunk.n_canonical_instead
            yield from (symbols.split(" ") for symbols in chunk.symbols)

    written = data.meta[META_KEY].get("folder", FOLDER) if META_KEY in data.meta else None
    name = next(folder for folder in FOLDERS if folder != written)
    with atomic_folder(data.path / name, overwrite=True) as folder:
        lengths = write_tokens(
            folder,
            rows(),
            len(data) * (n_randomized + 1),
            vocabulary=data.vocabulary,
            description="Writing randomized SMILES",
            unit="SMILES",
            progress=progress,
        )
    counts = {
        "folder": name,
        "each": n_randomized,
        "canonical_instead": n_canonical_instead,
        "mean_length": float(lengths.mean()),
    }
    options = data.meta["options"] | {"randomized_smiles": n_randomized}
    write_json(data.path / "meta.json", data.meta | {META_KEY: counts, "options": options})
    if written is not None:
        shutil.rmtree(data.path / written, ignore_errors=True)
    return PreparedData.open(data.path)


def _orders(smiles: list[str], n_randomized: int, notation_name: str, known: frozenset[str]) -> _Orders:
    line = notation(notation_name)
    rows: list[str] = []
    n_canonical_instead = 0
    for text in smiles:
        canonical = " ".join(line.to_symbols(text))
        rows.append(canonical)
        for order in random_orders(text, n_randomized):
            try:
                symbols = line.to_symbols(order)
            except InputError:
                symbols = []
            usable = bool(symbols) and known.issuperset(symbols)
            rows.append(" ".join(symbols) if usable else canonical)
            n_canonical_instead += not usable
    return _Orders(rows, n_canonical_instead)
