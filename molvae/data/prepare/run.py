"""From files of molecules to a prepared folder: standardize, deduplicate, tokenize and compute descriptors."""

import hashlib
import itertools
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed

from molvae.chem.components import component_kind
from molvae.chem.descriptors import descriptor_names
from molvae.chem.standardize import Standardizer
from molvae.data.chunks import batched
from molvae.data.prepare.config import PrepareConfig
from molvae.data.prepare.describe import describe_in_time
from molvae.data.prepare.fingerprints import add_fingerprints
from molvae.data.prepare.randomize import add_randomized
from molvae.data.prepare.splits import hash_split
from molvae.data.prepare.tokens import merge_stride, token_counts, write_tokens
from molvae.data.prepare.writer import FolderWriter
from molvae.data.prepared import PREPARED, PreparedData
from molvae.data.vocabulary import Vocabulary
from molvae.errors import ConfigError, InputError, VocabularyError
from molvae.files import atomic_folder, write_json
from molvae.formats.readers import InputRow, count_rows, read_molecules
from molvae.migrations import PREPARED_VERSION
from molvae.progress import SILENT, Progress

CHUNK_ROWS = 1000
MAX_COMPONENTS = 10_000  # of a kind, counted one by one


def prepare(
    inputs: Sequence[str | Path],
    out: str | Path,
    *,
    config: PrepareConfig | None = None,
    vocabulary: Vocabulary | None = None,
    rows: slice = slice(None),
    overwrite: bool = False,
    progress: Progress = SILENT,
) -> PreparedData:
    """Prepare molecules for training.

    Args:
        inputs: files of molecules, "-" for standard input; see `molvae.formats.readers`.
        rows: which rows of the inputs, counted through all of them from 0.
        out: the folder to write; an interrupted run leaves no incomplete folder.
        config: the settings.
        vocabulary: a vocabulary to use in place of a new one; `config.unknown` says what happens to unknown symbols.
        overwrite: replace an existing prepared folder.
        progress: reports rows read and molecules tokenized.

    Raises:
        ConfigError: for a property column with the name of a descriptor.
        InputError: when no molecule is left, none has a label of a property column, or labels cannot be merged.
        InputFileError: for an input or a file of `config.exclude` that cannot be read; for an existing `out` without
            `overwrite`, or one that holds other files.
        VocabularyError: for symbols that `vocabulary` lacks, if `config.unknown` is "error".
    """
    config = config or PrepareConfig()
    if vocabulary is not None and vocabulary.notation != config.notation:
        config = config.model_copy(update={"notation": vocabulary.notation})
    names = descriptor_names(config.descriptors)
    _check_names(names, config.property_columns)
    with atomic_folder(out, overwrite=overwrite, kind=PREPARED) as folder:
        writer = FolderWriter(folder, names, config)
        try:
            counted = _write_rows(inputs, writer, config, vocabulary, rows, progress)
        finally:
            writer.close()
        if not writer.kept:
            reasons = ", ".join(f"{reason} {n}" for reason, n in writer.rejected.most_common())
            raise InputError(f"no molecule left of {writer.read} rows read ({reasons or 'none found'})")
        writer.merge_duplicates()
        final = _final_vocabulary(writer, config, vocabulary)
        molecules = _molecules(writer, np.arange(writer.kept))
        lengths = write_tokens(folder, molecules, writer.kept, vocabulary=final, progress=progress)
        final.save(folder / "vocabulary.json")
        writer.save_arrays()
        write_json(folder / "meta.json", _meta(inputs, writer, counted, config, final, lengths))
        shutil.rmtree(writer.work)
        if config.fingerprints:
            add_fingerprints(PreparedData.open(folder), n_jobs=config.n_jobs, progress=progress)
        if config.randomized_smiles:
            add_randomized(PreparedData.open(folder), config.randomized_smiles, n_jobs=config.n_jobs, progress=progress)
    return PreparedData.open(out)


def _write_rows(
    inputs: Sequence[str | Path],
    writer: FolderWriter,
    config: PrepareConfig,
    vocabulary: Vocabulary | None,
    chosen: slice,
    progress: Progress,
) -> "_Counted":
    """Read, describe and write rows."""
    columns = config.property_columns + ((config.split_column,) if config.split == "column" else ())
    rows = itertools.chain.from_iterable(
        read_molecules(
            path,
            smiles_column=config.smiles_column,
            name_column=config.name_column,
            extra_columns=columns,
            max_line=config.max_line,
            absent_columns="error" if len(inputs) == 1 else "blank",  # labels may be in one file of several
        )
        for path in inputs
    )
    counts = [count_rows(p) for p in inputs] if chosen == slice(None) else [None]
    total = None if None in counts else sum(c for c in counts if c is not None)
    known = None if vocabulary is None or config.unknown == "extend" else frozenset(vocabulary.symbol_ids)
    carve_valid = config.split == "files" and not any(_stem(p) == "valid" for p in inputs)
    excluded = _standard_smiles(config)
    pending: list[list[InputRow]] = []
    counted = _Counted()

    def feed() -> Iterator[Any]:
        for chunk in batched(itertools.islice(rows, chosen.start, chosen.stop), CHUNK_ROWS):
            pending.append(chunk)
            yield delayed(describe_in_time)([row.smiles for row in chunk], config)

    with progress.stage("Reading molecules", total=total, unit="rows") as stage:
        for described in Parallel(n_jobs=config.n_jobs, return_as="generator", pre_dispatch="4*n_jobs")(feed()):
            chunk = pending.pop(0)
            for i, row in enumerate(chunk):
                reason = row.reason or described.reasons[i]
                if reason is None and described.smiles[i] in excluded:
                    reason = "excluded"
                if reason is None:
                    split = _split_of(row, described.smiles[i], described.scaffolds[i], config, carve_valid)
                    counted.add(row, described.stripped[i], described.smiles[i], config)
                    reason = writer.add(row, described, i, split=split, known=known)
                if reason is not None:
                    writer.reject(row, reason)
            stage.advance(len(chunk))
    if known is not None and config.unknown == "error" and writer.unknown:
        listed = ", ".join(f"{s} ({n}×)" for s, n in writer.unknown.most_common(20))
        raise VocabularyError(
            f"the vocabulary lacks {len(writer.unknown)} symbols of the input: {listed}; "
            "choose `--unknown skip` to leave these molecules out or `--unknown extend` to add the symbols"
        )
    if writer.kept and counted.without_split == counted.rows:
        raise InputError(f"no row names its split in the column {config.split_column!r}; see --split-column")
    return counted


@dataclass
class _Counted:
    """What rows have that are not rejected before duplicates are looked for."""

    rows: int = 0
    without_split: int = 0  # with `split: column`
    stripped: Counter[str] = field(default_factory=Counter)  # rows with a component of a kind
    components: dict[str, Counter[str]] = field(default_factory=dict)  # kind → its components, the first ones met

    def add(self, row: InputRow, stripped: tuple[str, ...], smiles: str, config: PrepareConfig) -> None:
        self.rows += 1
        if config.split == "column":
            self.without_split += not row.extra.get(config.split_column)
        kinds = {component: component_kind(component, smiles) for component in stripped}
        self.stripped.update(set(kinds.values()))
        for component, kind in kinds.items():
            seen = self.components.setdefault(kind, Counter())
            if component in seen or len(seen) < MAX_COMPONENTS:
                seen[component] += 1

    def to_json(self) -> dict[str, Any]:
        return {
            kind: {"rows": n, "most_common": dict(self.components[kind].most_common(10))}
            for kind, n in self.stripped.most_common()
        }


def _check_names(descriptors: Sequence[str], columns: Sequence[str]) -> None:
    for column in columns:
        if column in descriptors:
            raise ConfigError(
                f"the input column {column!r} has the name of a descriptor that is computed too; rename the column, or "
                "choose other descriptors"
            )
        if columns.count(column) > 1:
            raise ConfigError(f"the input column {column!r} is asked for twice")


def _standard_smiles(config: PrepareConfig) -> frozenset[str]:
    """The standardized SMILES of the molecules to leave out."""
    standardizer = Standardizer(**config.standard_form.arguments())
    texts = (row.smiles for path in config.exclude for row in read_molecules(path, max_line=config.max_line))
    found = {standardizer.apply(text).smiles for text in texts if text is not None}
    return frozenset(smiles for smiles in found if smiles is not None)


def _split_of(row: InputRow, smiles: str, scaffold: str, config: PrepareConfig, carve_valid: bool) -> str:
    match config.split:
        case "column":
            return (row.extra.get(config.split_column) or "").strip() or "train"
        case "files":
            name = _stem(row.source)
            if name == "train" and carve_valid:
                return hash_split(smiles, valid_fraction=config.valid_fraction, test_fraction=0.0)
            return name
    key = scaffold if config.split == "scaffold" else smiles
    return hash_split(key, valid_fraction=config.valid_fraction, test_fraction=config.test_fraction)


def _final_vocabulary(writer: FolderWriter, config: PrepareConfig, given: Vocabulary | None) -> Vocabulary:
    if given is not None:
        return given.extend(writer.symbol_ids)
    vocabulary = Vocabulary.of_symbols(writer.symbol_ids, notation=config.notation)
    if not config.fragments:
        return vocabulary
    code = list(writer.splits).index("train") if "train" in writer.splits else None
    train = np.flatnonzero(writer.raw("splits") == code) if code is not None else np.arange(writer.kept)
    sample = train[:: merge_stride(len(train))]
    return vocabulary.learn_merges(_molecules(writer, sample), n_fragments=config.fragments)


def _molecules(writer: FolderWriter, indices: np.ndarray) -> Iterator[list[str]]:
    names = list(writer.symbol_ids)
    symbols, ends = writer.raw("symbols"), np.cumsum(writer.raw("n_symbols"), dtype=np.int64)
    for i in indices:
        start = int(ends[i - 1]) if i else 0
        yield [names[j] for j in symbols[start : int(ends[i])].tolist()]


def _meta(
    inputs: Sequence[str | Path],
    writer: FolderWriter,
    counted: _Counted,
    config: PrepareConfig,
    vocabulary: Vocabulary,
    lengths: np.ndarray,
) -> dict[str, Any]:
    rows = {"read": writer.read, "kept": writer.kept, "rejected": dict(writer.rejected.most_common())}
    rows |= {"without_split": counted.without_split, "in_other_split": writer.in_other_split}
    return {
        "format_version": PREPARED_VERSION,
        "molvae_version": version("molvae"),
        "sources": [{"path": str(p), "sha256": _sha256(p)} for p in inputs],
        "rows": rows,
        "stripped": counted.to_json(),
        "splits": writer.splits,
        "notation": {"name": vocabulary.notation, "selfies": version("selfies"), "constraints": "default"},
        "tokens": token_counts(vocabulary, lengths, int(writer.raw("n_symbols").max())),
        "properties": {"names": list(writer.names), **writer.statistics(), "labels": writer.labels.to_json()},
        "options": config.model_dump(mode="json", exclude={"n_jobs"}),  # which changes nothing
    }


def _sha256(path: str | Path) -> str | None:
    if not Path(path).is_file():  # standard input or a pipe
        return None
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _stem(path: str | Path) -> str:
    return Path(path).name.split(".")[0]
