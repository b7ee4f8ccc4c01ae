"""Molecules → rows of features, from lists or streams of any length."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import torch
from joblib import Parallel, delayed, effective_n_jobs
from torch import Tensor

from molvae.data.chunks import batched
from molvae.data.tokenizer import TokenizedMolecule
from molvae.errors import ConfigError
from molvae.generator import MoleculeGenerator

FEATURES = ("mean", "logvar", "hidden", "heads", "codes")
CHUNK = 500  # molecules that a worker gets at a time
CHUNKS_AHEAD = 8  # handed to each worker before what they give back is used up: bounds the memory

T = TypeVar("T")


@dataclass(frozen=True)
class EncodedFeatures:
    """Features of molecules, row by row as they came.

    Attributes:
        values: `(n, F)` float32, nan rows where a molecule cannot be used.
        smiles: the standardized canonical SMILES, `None` where there is none.
        reasons: why a row cannot be used, `None` where it can.
    """

    values: np.ndarray
    smiles: list[str | None]
    reasons: list[str | None]

    @property
    def valid(self) -> np.ndarray:
        """`(n,)` bool."""
        return np.array([reason is None for reason in self.reasons], dtype=bool)


def check_features(features: str) -> tuple[str, ...]:
    """Kinds of features joined by a plus sign, such as "mean+logvar".

    Raises:
        ConfigError: for an unknown or repeated kind.
    """
    kinds = tuple(kind.strip() for kind in features.split("+"))
    for kind in kinds:
        if kind not in FEATURES:
            raise ConfigError(f"unknown features {kind!r}; expected one or more of {', '.join(FEATURES)}, joined by +")
    if len(set(kinds)) < len(kinds):
        raise ConfigError(f"got features {features!r}; expected each kind once")
    return kinds


def count_reasons(reasons: Iterable[str | None]) -> dict[str, int]:
    """How often each kind of reason occurs, the most frequent first; rows without one are not counted."""
    return dict(Counter(reason.split(" ")[0] for reason in reasons if reason).most_common())


class FeatureEncoder:
    """What a trained encoder knows of molecules, as a table.

    Args:
        vae: a trained model.
        features: kinds joined by a plus sign: "mean" (the latent z), "logvar" (of a Gaussian posterior), "hidden" (the
            encoder's output h, averaged over its slots), "heads" (predicted properties), "codes" (of a VQ latent).
        n_randomized: average over so many randomized SMILES of each molecule; 0 encodes the canonical one. To an
            encoder of graphs alone all are the same, so it reads one.
        seed: of the randomization.
        batch_size: spellings encoded side by side; does not change the numbers beyond rounding.

    Raises:
        ConfigError: when the model does not have the features asked for.
    """

    def __init__(
        self,
        vae: MoleculeGenerator,
        features: str = "mean",
        *,
        n_randomized: int = 0,
        seed: int = 0,
        batch_size: int = 512,
    ) -> None:
        self.vae = vae
        self.kinds = check_features(features)
        self.batch_size = batch_size
        if n_randomized < 0 or batch_size < 1:
            raise ConfigError(f"got n_randomized = {n_randomized} and batch_size = {batch_size}; expected ≥ 0 and ≥ 1")
        if n_randomized and "codes" in self.kinds:
            raise ConfigError("codes cannot be averaged over randomized SMILES; set n_randomized = 0")
        self.tokenizer = replace(vae.tokenizer, n_randomized=n_randomized if vae.reads_sequences else 0, seed=seed)
        self.names = [name for kind in self.kinds for name in self._names(kind)]

    def encode(self, smiles: Sequence[str | None]) -> EncodedFeatures:
        """Features of a list of any SMILES, in this process."""
        return self.encode_spelled(self.tokenizer.tokenize_many(smiles))

    def stream(self, smiles: Iterable[str | None], *, n_jobs: int = 1) -> Iterator[EncodedFeatures]:
        """Features chunk by chunk, in order; memory does not grow with the length.

        Args:
            smiles: any SMILES.
            n_jobs: processes that parse and spell while this one encodes; -1 is one per core.
        """
        chunks = batched(smiles, CHUNK)
        n_workers = effective_n_jobs(n_jobs)
        if n_workers == 1:
            yield from map(self.encode, chunks)
            return
        with Parallel(n_jobs=n_workers, return_as="generator") as parallel:
            for window in batched(chunks, CHUNKS_AHEAD * n_workers):
                if len(window) == 1:  # too little to start processes for
                    yield self.encode(window[0])
                    continue
                for spelled in parallel(delayed(self.tokenizer.tokenize_many)(chunk) for chunk in window):
                    yield self.encode_spelled(spelled)

    def encode_spelled(self, molecules: Sequence[TokenizedMolecule]) -> EncodedFeatures:
        """Features of molecules that this encoder's `tokenizer` has written."""
        values = np.full((len(molecules), len(self.names)), np.nan, dtype=np.float32)
        usable = [row for row, m in enumerate(molecules) if m.reason is None]
        if usable:
            usable.sort(key=lambda row: len(molecules[row].token_ids[0]))  # rows of a batch with like lengths
            for rows in self._batches(molecules, usable):
                values[rows] = self._values([molecules[row] for row in rows])
        return EncodedFeatures(values, [m.smiles for m in molecules], [m.reason for m in molecules])

    def _batches(self, molecules: Sequence[TokenizedMolecule], rows: Sequence[int]) -> Iterator[list[int]]:
        """Rows in batches of at most `batch_size` spellings, and at least one molecule."""
        batch: list[int] = []
        n = 0
        for row in rows:
            if batch and n + len(molecules[row].token_ids) > self.batch_size:
                yield batch
                batch, n = [], 0
            batch.append(row)
            n += len(molecules[row].token_ids)
        yield batch

    @torch.inference_mode()
    def _values(self, molecules: Sequence[TokenizedMolecule]) -> np.ndarray:
        h = self.vae.model.encoder(self.vae.batch(molecules))
        values = torch.cat([self._of_kind(kind, h) for kind in self.kinds], dim=1).float().cpu()
        counts = torch.tensor([len(m.token_ids) for m in molecules])
        owners = torch.repeat_interleave(counts)
        total = torch.zeros(len(molecules), values.shape[1]).index_add_(0, owners, values)
        return (total / counts.unsqueeze(1)).numpy()

    def _of_kind(self, kind: str, h: Tensor) -> Tensor:
        model = self.vae.model
        if kind == "hidden":
            return h.unflatten(1, (model.encoder.n_slots, -1)).mean(1)
        if kind == "heads":
            return model.heads.predict(model.latent(h).mean)
        return model.latent.features(kind, h)

    def _names(self, kind: str) -> list[str]:
        model = self.vae.model
        if kind == "hidden":
            return [f"h{i}" for i in range(model.encoder.h_dim // model.encoder.n_slots)]
        if kind == "heads":
            if not model.heads.names:
                raise ConfigError("the model has no heads; choose other features")
            return [f"predicted_{name}" for name in model.heads.names]
        return model.latent.feature_names(kind)

    def __repr__(self) -> str:
        return f"FeatureEncoder({self.vae!r}, {'+'.join(self.kinds)!r}, n_randomized={self.tokenizer.n_randomized})"
