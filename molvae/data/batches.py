"""From memory-mapped arrays of a prepared folder to padded batches of molecules of similar length."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property, lru_cache
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from molvae.data.graphs import GraphBatch, stretches
from molvae.data.prepared import PreparedData
from molvae.data.selection import Selection
from molvae.data.vocabulary import BOS, EOS, PAD

WINDOW_BATCHES = 64  # molecules are sorted by length within windows of this many batches
POOL, POOL_SHARDS = 1 << 20, 64  # molecules of one or more shards, and shards, that are shuffled at a time


@dataclass(frozen=True)
class MolBatch:
    """A batch of molecules.

    Attributes:
        token_ids: `(B, T)` int64: bos, tokens, eos, then padding.
        lengths: `(B,)` int64, number of tokens per molecule including bos and eos.
        properties: `(B, P)` float32, nan where the label is missing; `None` if no properties were asked for.
        graph: the graphs of the same molecules; `None` if no part of the model reads graphs.
        source_ids: `(B, S)` int64, the tokens that a sequence encoder reads, padded like `token_ids`; `None` if the
            encoder reads `token_ids`.
        source_lengths: `(B,)` int64, the lengths of `source_ids`.
        fingerprints: `(B, bits / 8)` uint8, packed bits; `None` if no loss needs them.
        whole: number of molecules in the batches of all processes together; `None` if there is one process.
    """

    token_ids: Tensor
    lengths: Tensor
    properties: Tensor | None = None
    graph: GraphBatch | None = None
    source_ids: Tensor | None = None
    source_lengths: Tensor | None = None
    fingerprints: Tensor | None = None
    whole: int | None = None

    @classmethod
    def of_token_ids(cls, molecules: Sequence[Sequence[int]], *, graph: GraphBatch | None = None) -> "MolBatch":
        """Pad lists of token ids, which are given without bos and eos."""
        lengths = np.array([len(m) for m in molecules], dtype=np.int64)
        flat = np.fromiter((i for m in molecules for i in m), dtype=np.int64, count=int(lengths.sum()))
        return cls(*_pad(flat, lengths), graph=graph)

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def size(self) -> int:
        """The number of molecules in the batches of all processes together."""
        return len(self) if self.whole is None else self.whole

    @property
    def source(self) -> tuple[Tensor, Tensor]:
        """The token ids that a sequence encoder reads, and their lengths."""
        if self.source_ids is None or self.source_lengths is None:
            return self.token_ids, self.lengths
        return self.source_ids, self.source_lengths

    def to(self, device: torch.device | str) -> "MolBatch":
        """The same batch on a device."""
        return self._each(lambda t: t.to(device, non_blocking=True))

    def pin_memory(self) -> "MolBatch":
        """Called by torch's `DataLoader(pin_memory=True)`."""
        return self._each(Tensor.pin_memory)

    def _each(self, change: Callable[[Tensor], Tensor]) -> "MolBatch":
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        changed: dict[str, Any] = {name: change(value) for name, value in values.items() if isinstance(value, Tensor)}
        return replace(self, graph=None if self.graph is None else self.graph.each(change), **changed)


def collate(
    data: PreparedData,
    indices: np.ndarray,
    *,
    property_index: np.ndarray | None = None,
    source: tuple[np.ndarray, np.ndarray] | None = None,
) -> MolBatch:
    """Gather molecules into one padded batch.

    Args:
        data: the prepared folder.
        indices: `(B,)`, the molecules.
        property_index: columns of `data.properties` to include; `None` includes none.
        source: the token ids `(ΣT,)` that a sequence encoder reads in place of the canonical ones, molecules end to
            end, and the number of them per molecule `(B,)`; see `RandomizedStore.take`.
    """
    rows, lengths = stretches(data.offsets, indices)
    flat = np.asarray(data.tokens[rows], dtype=np.int64)
    token_ids, n_tokens = _pad(flat, lengths)
    properties = None
    if property_index is not None:
        properties = torch.from_numpy(np.asarray(data.properties[indices])[:, property_index])
    graph = None
    if data.graphs is not None:
        graph = data.graphs.batch(indices).with_atom_tokens(data.atom_token_map, flat, lengths)
    source_ids, source_lengths = (None, None) if source is None else _pad(*source)
    fingerprints = None if data.fingerprints is None else torch.from_numpy(np.asarray(data.fingerprints[indices]))
    return MolBatch(token_ids, n_tokens, properties, graph, source_ids, source_lengths, fingerprints)


class TokenBatches(IterableDataset):
    """An endless stream of length-bucketed training batches, reproducible from the seed.

    Every epoch visits each molecule once. Molecules are shuffled, sorted by length within windows of 64 batches, and
    the batches of a window are shuffled again. The molecules of a batch thus have nearly the same length, and any two
    molecules can end up in the same batch.

    Of several shards, the order of the shards is shuffled too, and then the molecules of as many of them at a time as
    have about a million molecules, so that memory does not grow with the number of shards.

    Args:
        data: the prepared folder.
        indices: the molecules to train on.
        batch_size: molecules per batch; the last batch of an epoch may be smaller.
        property_index: see `collate`.
        randomized_smiles: whether a sequence encoder reads, for each molecule and in each epoch, a random choice of the
            canonical SMILES and the prepared randomized SMILES; the decoder always writes the canonical SMILES.
        short_first: whether the first epoch goes from short molecules to long ones (Bengio et al. 2009), with
            many shards a few of them at a time.
        seed: seed of the order of the molecules and of the choice of their SMILES.
        start: number of batches to skip, to continue where an interrupted run stopped.
        share: the number of this process, and of all processes. Each gathers an equal share of every batch, and the
            batches themselves do not depend on the number of processes.

    Raises:
        PreparedDataError: when randomized SMILES are asked for and the folder has none.
    """

    def __init__(
        self,
        data: PreparedData,
        indices: np.ndarray | Selection,
        *,
        batch_size: int,
        property_index: np.ndarray | None = None,
        randomized_smiles: bool = False,
        short_first: bool = False,
        seed: int = 0,
        start: int = 0,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        super().__init__()
        self.data = data
        self.short_first = short_first
        self.randomized = data.with_randomized().randomized if randomized_smiles else None
        self.selection = indices if isinstance(indices, Selection) else Selection.of(indices)
        self.batch_size = batch_size
        self.property_index = property_index
        self.seed = seed
        self.start = start
        self.share = share

    @property
    def batches_per_epoch(self) -> int:
        """The number of batches in one pass over the molecules."""
        return -(-len(self.selection) // self.batch_size)

    def __iter__(self) -> Iterator[MolBatch]:
        for epoch, batches in self._passes():
            for whole in batches:
                indices = self._own(whole)
                source = None if self.randomized is None else self.randomized.take(indices, self._picks(epoch, indices))
                batch = collate(self.data, indices, property_index=self.property_index, source=source)
                yield self._shared(batch, whole)

    def _own(self, whole: np.ndarray) -> np.ndarray:
        """This process's share of a batch; a batch of fewer molecules than processes is filled up with its own."""
        number, count = self.share
        return np.array_split(np.resize(whole, count) if len(whole) < count else whole, count)[number]

    def _shared(self, batch: MolBatch, whole: np.ndarray) -> MolBatch:
        count = self.share[1]
        return batch if count == 1 else replace(batch, whole=max(len(whole), count))

    def _passes(self) -> Iterator[tuple[int, Iterator[np.ndarray]]]:
        """Endless epochs: the number of each, and its batches that are still to come."""
        epoch, skip = divmod(self.start, self.batches_per_epoch)
        while True:
            yield epoch, islice(self.order(epoch), skip, None)
            epoch, skip = epoch + 1, 0

    def order(self, epoch: int) -> Iterator[np.ndarray]:
        """The batches of one epoch, as arrays of molecule indices, those of all processes."""
        rng = np.random.default_rng((self.seed, epoch))
        window = WINDOW_BATCHES * self.batch_size
        waiting = np.empty(0, dtype=np.int64)
        pools = self._pools(np.random.default_rng((self.seed, epoch, 2)))
        for pool, is_last in pools:
            shuffled = np.concatenate([waiting, rng.permutation(pool)])
            if self.short_first and epoch == 0:
                lengths = self.data.offsets[shuffled + 1] - self.data.offsets[shuffled]
                shuffled = shuffled[np.argsort(lengths, kind="stable")]
            end = len(shuffled) if is_last else len(shuffled) // window * window
            waiting = shuffled[end:]
            for first in range(0, end, window):
                part = shuffled[first : min(first + window, end)]
                lengths = self.data.offsets[part + 1] - self.data.offsets[part]
                part = part[np.argsort(lengths, kind="stable")]
                n_batches = -(-len(part) // self.batch_size)
                for b in rng.permutation(n_batches):
                    yield part[b * self.batch_size : (b + 1) * self.batch_size]

    def _pools(self, rng: np.random.Generator) -> Iterator[tuple[np.ndarray, bool]]:
        """The molecules of a few shards at a time, the shards in random order, and whether they are the last."""
        counts = self.selection.counts
        shards = rng.permutation(np.flatnonzero(counts))
        while len(shards):
            total = np.cumsum(counts[shards[:POOL_SHARDS]])
            n = min(int(np.searchsorted(total, POOL)) + 1, len(total))
            pool = np.concatenate([self.selection.shard(int(i)) for i in shards[:n]])
            shards = shards[n:]
            yield pool, not len(shards)

    def picks(self, epoch: int, shard: int = 0) -> np.ndarray:
        """Which SMILES of each molecule of a shard is read in one epoch, `(n,)` uint8; 0 is the canonical one."""
        n_orders = 1 if self.randomized is None else self.randomized.n_randomized + 1
        n = int(np.diff(self.data.first_molecules)[shard])
        seed = (self.seed, epoch, 1) if shard == 0 else (self.seed, epoch, 1, shard)
        return np.random.default_rng(seed).integers(n_orders, size=n, dtype=np.uint8)

    def _picks(self, epoch: int, indices: np.ndarray) -> np.ndarray:
        starts = self.data.first_molecules
        shards = np.searchsorted(starts, indices, side="right") - 1
        picks = np.empty(len(indices), dtype=np.uint8)
        for shard in np.unique(shards).tolist():
            here = shards == shard
            picks[here] = self._kept_picks(epoch, shard)[indices[here] - starts[shard]]
        return picks

    @cached_property
    def _kept_picks(self) -> Callable[[int, int], np.ndarray]:
        return lru_cache(maxsize=2 * POOL_SHARDS)(self.picks)


class ResidentBatches(TokenBatches):
    """The batches of `TokenBatches`, with all tokens and properties kept and gathered on the training device.

    Meant for fast GPUs, which use up batches faster than one process can gather and copy them.

    Args:
        data: the prepared folder.
        indices: the molecules to train on.
        device: the training device.
        how: further arguments of `TokenBatches`; `randomized_smiles` is not supported.
    """

    def __init__(
        self, data: PreparedData, indices: np.ndarray | Selection, *, device: torch.device, **how: Any
    ) -> None:
        super().__init__(data, indices, **how)
        self.device = device

    def __iter__(self) -> Iterator[MolBatch]:
        tokens = torch.from_numpy(np.asarray(self.data.tokens, dtype=np.int32)).to(self.device)
        properties = None
        if self.property_index is not None:
            properties = torch.from_numpy(np.asarray(self.data.properties)[:, self.property_index]).to(self.device)
        for _, batches in self._passes():
            for whole in batches:
                yield self._shared(self._gather(self._own(whole), tokens, properties), whole)

    def _gather(self, indices: np.ndarray, tokens: Tensor, properties: Tensor | None) -> MolBatch:
        starts = np.asarray(self.data.offsets[indices])
        lengths = np.asarray(self.data.offsets[indices + 1]) - starts
        longest = int(lengths.max(initial=0))
        rows, ends, first = (torch.from_numpy(a).to(self.device, non_blocking=True) for a in (indices, lengths, starts))
        positions = torch.arange(longest + 2, device=self.device)
        within = (first.unsqueeze(1) + positions - 1).clamp(0, len(tokens) - 1)
        token_ids = tokens[within].long()
        token_ids = torch.where(positions <= ends.unsqueeze(1), token_ids, PAD)
        token_ids[:, 0] = BOS
        token_ids = token_ids.scatter(1, ends.unsqueeze(1) + 1, EOS)
        return MolBatch(token_ids, ends + 2, None if properties is None else properties[rows])


def ordered_batches(
    data: PreparedData, indices: np.ndarray, *, batch_size: int, property_index: np.ndarray | None = None
) -> Iterator[MolBatch]:
    """Batches of one pass over the molecules in the given order, for validation and encoding."""
    for first in range(0, len(indices), batch_size):
        yield collate(data, indices[first : first + batch_size], property_index=property_index)


def _pad(flat: np.ndarray, lengths: np.ndarray) -> tuple[Tensor, Tensor]:
    token_ids = np.full((len(lengths), int(lengths.max(initial=0)) + 2), PAD, dtype=np.int64)
    token_ids[:, 0] = BOS
    positions = np.arange(token_ids.shape[1])
    token_ids[(positions >= 1) & (positions <= lengths[:, None])] = flat
    token_ids[np.arange(len(lengths)), lengths + 1] = EOS
    return torch.from_numpy(token_ids), torch.from_numpy(lengths + 2)
