"""From files of molecules to many prepared folders with one vocabulary, on one machine or a cluster.

Each part of the input becomes a prepared folder of its own, in symbols. Then the vocabulary of all is made, with
fragments learned from a sample of every part, and each folder is written again in it. Both steps are done part by part,
and a part that is done is not done again. Duplicates are found within a part; the same molecule in two parts is in the
same split of both, since the split is made from its hash.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from molvae.cluster import Parts, do_parts
from molvae.data.prepare.config import PrepareConfig
from molvae.data.prepare.randomize import add_randomized
from molvae.data.prepare.refragment import refragment
from molvae.data.prepare.run import prepare
from molvae.data.prepare.tokens import merge_stride, spell_tokens
from molvae.data.prepared import PreparedData
from molvae.data.randomized import META_KEY
from molvae.data.shards import open_prepared
from molvae.data.vocabulary import Vocabulary
from molvae.errors import ConfigError
from molvae.formats.parts import InputPart, fingerprint, input_parts
from molvae.progress import SILENT, Progress

VOCABULARY = "vocabulary.json"


@dataclass(frozen=True)
class _Part:
    """A part of the input, and the folder that it is prepared in."""

    part: InputPart
    folder: Path
    config: PrepareConfig
    given: Vocabulary | None


def prepare_shards(
    inputs: Sequence[str | Path],
    out: str | Path,
    *,
    config: PrepareConfig | None = None,
    vocabulary: Vocabulary | None = None,
    shard_rows: int | None = None,
    cluster: str | None = None,
    progress: Progress = SILENT,
) -> PreparedData:
    """Prepare files as shards with one vocabulary; an interrupted run goes on where it was.

    Args:
        inputs: files of molecules, or folders of such files.
        out: the folder to write, which gets a prepared folder for each part.
        config: the settings.
        vocabulary: a vocabulary to use in place of a new one; `config.unknown` says what happens to unknown symbols.
        shard_rows: cut the files into parts of this many rows; by default each file is a part.
        cluster: the address of a Dask scheduler; `None` prepares in this process, with `config.n_jobs` processes.
        progress: reports parts done.

    Raises:
        ConfigError: for a split by files with parts of files.
        InputError: for a part of which no molecule is left; see `molvae.data.prepare.run.prepare`.
        InputFileError: when `out` holds anything but parts of the same work.
    """
    config = config or PrepareConfig()
    if config.split == "files" and shard_rows is not None:
        raise ConfigError("with split: files, each file is a part; leave --shard-rows out")
    cut = input_parts(inputs, shard_rows, smiles_column=config.smiles_column)
    settings: dict[str, Any] = {
        "command": "data prepare",
        "inputs": fingerprint(list(dict.fromkeys(part.path for part in cut))),
        "shard_rows": shard_rows,
        "options": config.model_dump(mode="json", exclude={"n_jobs"}),
        "vocabulary": None if vocabulary is None else vocabulary.to_json(),
    }
    parts = Parts.begin(out, len(cut), settings)
    n_jobs = config.n_jobs if cluster is None else 1
    plain = config.model_copy(update={"fragments": 0, "randomized_smiles": 0, "n_jobs": n_jobs})
    tasks = [_Part(cut[i], parts.path(i).resolve(), plain, vocabulary) for i in parts.missing()]
    for _ in do_parts(_prepare_part, tasks, cluster=cluster, description="Preparing parts", progress=progress):
        pass
    final = _vocabulary(parts, config, vocabulary)
    final_config = config.model_copy(update={"n_jobs": n_jobs})
    written = [_Part(cut[i], parts.path(i).resolve(), final_config, final) for i in range(parts.n)]
    for _ in do_parts(_write_part, written, cluster=cluster, description="Writing tokens", progress=progress):
        pass
    return open_prepared(out)


def _prepare_part(task: _Part) -> None:
    rows = slice(task.part.first, None if task.part.n is None else task.part.first + task.part.n)
    prepare([task.part.path], task.folder, config=task.config, vocabulary=task.given, rows=rows)


def _vocabulary(parts: Parts, config: PrepareConfig, given: Vocabulary | None) -> Vocabulary:
    """The vocabulary of all parts, kept in the folder so that a run that goes on has the same."""
    path = parts.folder / VOCABULARY
    if path.is_file():
        return Vocabulary.load(path)
    shards = [PreparedData.open(parts.path(i)) for i in range(parts.n)]
    symbols = {symbol for shard in shards for symbol in shard.vocabulary.symbol_ids}
    if given is not None:
        vocabulary = given.extend(symbols)
    else:
        vocabulary = Vocabulary.of_symbols(symbols, notation=config.notation)
        if config.fragments:
            vocabulary = vocabulary.learn_merges(_sampled(shards), n_fragments=config.fragments)
    vocabulary.save(path)
    return vocabulary


def _sampled(shards: Sequence[PreparedData]) -> Iterator[list[str]]:
    """Training molecules of every shard, in symbols, to learn fragments from; all of them if there are none."""
    split = "train" if any("train" in shard.split_names for shard in shards) else None
    chosen = [
        np.arange(len(s)) if split is None else s.indices(split) if split in s.split_names else np.arange(0)
        for s in shards
    ]
    stride = merge_stride(sum(map(len, chosen)))
    for shard, rows in zip(shards, chosen, strict=True):
        yield from spell_tokens(shard.tokens, shard.offsets, rows[::stride], vocabulary=shard.vocabulary)


def _write_part(task: _Part) -> None:
    """Write a part in the final vocabulary, and its randomized SMILES, unless that is done."""
    data, config = PreparedData.open(task.folder), task.config
    assert task.given is not None
    if data.vocabulary != task.given or data.meta["options"]["fragments"] != config.fragments:
        data = refragment(
            data, task.folder, fragments=config.fragments, vocabulary=task.given, overwrite=True, n_jobs=config.n_jobs
        )
    if config.randomized_smiles and META_KEY not in data.meta:
        add_randomized(data, config.randomized_smiles, n_jobs=config.n_jobs)
