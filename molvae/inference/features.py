"""Molecules → one row of features each, from lists or streams of any length."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from molvae.config import BatchSize, RandomizedSmiles, Seed, checked
from molvae.data.batches import MolBatch
from molvae.data.tokenizer import TokenizedMolecule
from molvae.errors import ConfigError
from molvae.inference.loaded import BATCH, LoadedModel, check_finite
from molvae.inference.tokens import tokenized_chunks

FEATURES = ("mean", "logvar", "hidden", "heads", "codes")


@dataclass(frozen=True)
class EncodedFeatures:
    """Features of molecules, in the order of the input.

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
        """Which rows can be used, `(n,)` bool."""
        return np.array([reason is None for reason in self.reasons], dtype=bool)


def check_features(features: str) -> tuple[str, ...]:
    """Split kinds of features joined by a plus sign, such as "mean+logvar", and check them.

    Raises:
        ConfigError: for an unknown or repeated kind, and for what is no text.
    """
    if not isinstance(features, str):
        raise ConfigError(
            f"got features {features!r}; expected text: one or more of {', '.join(FEATURES)}, joined by +"
        )
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
    """Turns molecules into rows of features with a trained encoder.

    Args:
        vae: a trained model.
        features: kinds of `FEATURES` joined by a plus sign; the names of the columns are in `names`.
        randomized_smiles: average over this many randomized SMILES of each molecule (Bjerrum 2017); 0 reads the
            canonical one. An encoder that does not read tokens ignores it.
        seed: of the randomized SMILES.
        batch_size: SMILES per batch; changes the numbers only by rounding.

    Raises:
        ConfigError: when the model does not have the features asked for.
    """

    def __init__(
        self,
        vae: LoadedModel,
        features: str = "mean",
        *,
        randomized_smiles: int = 0,
        seed: int = 0,
        batch_size: int = BATCH,
    ) -> None:
        self.vae = vae
        self.kinds = check_features(features)
        self.batch_size = batch_size
        self.randomized_smiles = randomized_smiles
        checked(RandomizedSmiles, randomized_smiles, "randomized_smiles")
        checked(Seed, seed, "seed")
        checked(BatchSize, batch_size, "batch_size")
        if randomized_smiles and "codes" in self.kinds:
            raise ConfigError("codes cannot be averaged over randomized SMILES; set randomized_smiles = 0")
        wanted = randomized_smiles if vae.model.encoder.reads_tokens else 0
        self.tokenizer = replace(vae.tokenizer, randomized_smiles=wanted, seed=seed)
        self.names = [name for kind in self.kinds for name in self._names(kind)]

    def encode(self, smiles: Sequence[str | None]) -> EncodedFeatures:
        """Features of a list of SMILES, computed in this process."""
        return self.encode_tokenized(self.tokenizer.tokenize_many(smiles))

    def stream(
        self, smiles: Iterable[str | None], *, n_jobs: int = 1, seconds_per_molecule: float | None = None
    ) -> Iterator[EncodedFeatures]:
        """Features chunk by chunk, in order; memory does not grow with the number of molecules.

        Args:
            smiles: any SMILES.
            n_jobs: processes that parse while this one encodes; -1 is one per core.
            seconds_per_molecule: to parse it; `None` is no limit.
        """
        tokenized = tokenized_chunks(self.tokenizer, smiles, n_jobs=n_jobs, seconds=seconds_per_molecule)
        yield from map(self.encode_tokenized, tokenized)

    def encode_tokenized(self, molecules: Sequence[TokenizedMolecule]) -> EncodedFeatures:
        """Features of molecules that were tokenized by this encoder's `tokenizer`."""
        values = self.vae.per_molecule(molecules, self._of_batch, len(self.names), batch_size=self.batch_size)
        check_finite(values[[m.reason is None for m in molecules]])
        return EncodedFeatures(values, [m.smiles for m in molecules], [m.reason for m in molecules])

    def _of_batch(self, batch: MolBatch) -> Tensor:
        h = self.vae.model.encoder(batch)
        return torch.cat([self._of_kind(kind, h).float() for kind in self.kinds], dim=1)

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
        return f"FeatureEncoder({self.vae!r}, {'+'.join(self.kinds)!r}, randomized_smiles={self.randomized_smiles})"
