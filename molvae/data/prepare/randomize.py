"""A prepared folder's molecules in random orders too, without reading and describing them again."""

from collections.abc import Iterator
from dataclasses import dataclass

from molvae.chem.notation import notation
from molvae.chem.parse import random_orders
from molvae.data.chunks import map_smiles
from molvae.data.prepare.config import MOST_RANDOMIZED
from molvae.data.prepare.tokens import write_tokens
from molvae.data.prepared import PreparedData
from molvae.data.randomized import FOLDER, META_KEY
from molvae.errors import ConfigError, InputError
from molvae.files import atomic_folder, write_json
from molvae.progress import SILENT, Progress

CHUNK_ROWS = 1000


@dataclass(frozen=True)
class _Orders:
    """What a worker makes of a chunk of molecules: each one's canonical order, then its random ones."""

    symbols: list[str]  # joined by a space: one string pickles faster than many
    n_canonical_instead: int


def add_randomized(
    data: PreparedData, n_randomized: int, *, n_jobs: int = -1, progress: Progress = SILENT
) -> PreparedData:
    """Write every molecule in `n_randomized` random orders, under the folder's own vocabulary, into its `randomized`.

    A random order with a symbol that the vocabulary lacks, or that the notation cannot write, is replaced by the
    canonical one; `meta.json` counts these. Those that the folder has already are replaced. They appear when they are
    complete; a run that is interrupted leaves the folder as it was. The same molecules get the same orders with any
    number of processes.

    Args:
        data: a prepared folder.
        n_randomized: random orders per molecule, 1 to 255.
        n_jobs: processes; -1 is one per core.
        progress: reports orders written.

    Raises:
        ConfigError: for another number of orders.
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

    with atomic_folder(data.path / FOLDER, overwrite=True) as folder:
        lengths = write_tokens(
            folder,
            rows(),
            len(data) * (n_randomized + 1),
            vocabulary=data.vocabulary,
            description="Writing orders",
            unit="orders",
            progress=progress,
        )
    counts = {"each": n_randomized, "canonical_instead": n_canonical_instead, "mean_length": float(lengths.mean())}
    options = data.meta["options"] | {"randomized_smiles": n_randomized}
    write_json(data.path / "meta.json", data.meta | {META_KEY: counts, "options": options})
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
