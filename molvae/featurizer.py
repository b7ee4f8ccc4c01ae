"""A trained encoder as a scikit-learn transformer: SMILES or RDKit molecules in, rows of features out."""

import sys
import warnings
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin

from molvae.checkpoint import checkpoint_path
from molvae.chem.inputs import as_molecules
from molvae.errors import ConfigError, InputError
from molvae.inference.features import FeatureEncoder, check_features, count_reasons
from molvae.inference.loaded import LoadedModel
from molvae.pretrained import FEATURIZER

INVALID = ("error", "nan", "drop")
MODELS_KEPT = 4  # opened models that a process keeps


class InvalidMoleculeWarning(UserWarning):
    """Molecules that could not be featurized, with counts by reason."""


class LatentFeaturizer(TransformerMixin, BaseEstimator):
    """Features of molecules from a trained encoder, `(n_samples, F)` float32.

    Nothing is fitted, so `transform` needs no `fit`. Input is a list, an array, a pandas Series or a table's only
    column; SMILES and RDKit molecules may be mixed. Each molecule is standardized as the training data were (salts,
    charges, isotopes). The object holds the model's path and not its weights: it pickles small, and every process opens
    the model once.

    Args:
        model: the directory of a checkpoint or a training run, or the name of a shipped model; `None` is "qsar".
        features: kinds joined by a plus sign: "mean" (the latent z), "logvar" (of a Gaussian posterior), "hidden" (the
            encoder's output before the latent), "heads" (predicted properties), "codes" (indices of a VQ latent). The
            default is what did best on four data sets (docs/benchmarks-qsar.md); a model without heads has no "heads".
        randomized_smiles: average over this many randomized SMILES of each molecule (Bjerrum 2017), so that the
            features depend less on how it is written; 0 encodes the canonical one. It changes nothing for a model that
            reads only graphs, such as "qsar".
        seed: of the randomized SMILES. A molecule's features do not depend on the other molecules.
        invalid: what to do with molecules that do not parse, or are outside the vocabulary or the size limits: "error"
            raises, "nan" gives a row of nan, "drop" leaves the row out (pandas input then gives a table with the index
            of the kept rows). The last two warn with counts by reason; `report` lists the rows. Dropped rows have to be
            dropped from `y` and from other columns too, so use "nan" and an imputer in a pipeline that is fitted to a
            `y`; inside a `ColumnTransformer` or `FeatureUnion`, whose other columns keep their rows, dropping raises.
        batch_size: molecules per batch.
        device: "cpu", "cuda", "auto" …
        n_jobs: processes that parse; -1 is one per core.

    >>> from molvae import LatentFeaturizer
    >>> LatentFeaturizer("runs/quickstart").transform(["CCO", "c1ccccc1"]).shape  # doctest: +SKIP
    (2, 525)
    """

    def __init__(
        self,
        model: str | Path | None = None,
        *,
        features: str = "hidden+heads",
        randomized_smiles: int = 0,
        seed: int = 0,
        invalid: Literal["error", "nan", "drop"] = "error",
        batch_size: int = 512,
        device: str = "cpu",
        n_jobs: int = 1,
    ) -> None:
        self.model = model
        self.features = features
        self.randomized_smiles = randomized_smiles
        self.seed = seed
        self.invalid = invalid
        self.batch_size = batch_size
        self.device = device
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any = None) -> "LatentFeaturizer":  # noqa: N803
        """Check the parameters and that the model is there; nothing is learned from `X`.

        Raises:
            ConfigError: for an unknown parameter value, or features that the model does not have.
            CheckpointError: when there is no such model.
        """
        self._encoder()
        return self

    def transform(self, X: Any) -> np.ndarray | pd.DataFrame:  # noqa: N803
        """Features of molecules, `(n_samples, F)`, in their order.

        Raises:
            InputError: for molecules that cannot be used, if `invalid="error"`, and when `X` is no list of molecules.
        """
        encoder = self._encoder()
        smiles = _molecules(X)
        parts = list(encoder.stream(smiles, n_jobs=self.n_jobs))
        values = np.concatenate([part.values for part in parts])
        reasons = [reason for part in parts for reason in part.reasons]
        if not any(reasons):
            return values
        message = _account(reasons, smiles)
        if self.invalid == "error":
            raise InputError(f"{message}; choose invalid='nan' or 'drop' to go on without them")
        if self.invalid == "drop" and _is_beside_others():
            raise InputError(f"{message}; without them rows no longer match those of other columns: use invalid='nan'")
        warnings.warn(message, InvalidMoleculeWarning, stacklevel=3)  # past scikit-learn's wrapper
        if self.invalid == "nan":
            return values
        kept = np.array([reason is None for reason in reasons])
        if isinstance(X, pd.Series | pd.DataFrame):
            return pd.DataFrame(values[kept], index=X.index[kept], columns=encoder.names)
        return values[kept]

    def report(self, X: Any) -> pd.DataFrame:  # noqa: N803
        """Which rows can be used, and why the others cannot, without encoding them.

        Returns:
            `smiles` as given, `standardized` (what is encoded), `reason` why a row cannot be used, "" where it can.
        """
        smiles = _molecules(X)
        tokenized = self._encoder().tokenizer.tokenize_many(smiles)
        return pd.DataFrame(
            {
                "smiles": [text or "" for text in smiles],
                "standardized": [s.smiles or "" for s in tokenized],
                "reason": [s.reason or "" for s in tokenized],
            },
            index=X.index if isinstance(X, pd.Series | pd.DataFrame) else None,
        )

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the columns: z0 …, logvar0 …, h0 …, predicted_logp …, code0 …; `input_features` is not used."""
        return np.array(self._encoder().names, dtype=object)

    def _encoder(self) -> FeatureEncoder:
        if self.invalid not in INVALID:
            raise ConfigError(f"unknown policy invalid={self.invalid!r}; expected one of: {', '.join(INVALID)}")
        check_features(self.features)
        return FeatureEncoder(
            open_model(self.model, self.device),
            self.features,
            randomized_smiles=self.randomized_smiles,
            seed=self.seed,
            batch_size=self.batch_size,
        )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.input_tags.allow_nan = True
        tags.requires_fit = False
        return tags


def _is_beside_others() -> bool:
    """Whether a `ColumnTransformer` or a `FeatureUnion` is calling, in this process or another.

    Only the call stack tells: they join tables by index, or arrays of equal length, without noticing what is missing.
    Both call transformers through `sklearn.utils.parallel`, which a `Pipeline` does not.
    """
    frame = sys._getframe()
    while frame.f_back is not None:
        caller = frame.f_back
        names = (frame.f_globals.get("__name__"), caller.f_globals.get("__name__"))
        if names == ("sklearn.pipeline", "sklearn.utils.parallel"):
            return True
        frame = caller
    return False


def open_model(model: str | Path | None, device: str) -> LoadedModel:
    """A trained model, opened once per process as long as its files do not change."""
    if model is None:
        model = FEATURIZER
    file = checkpoint_path(model) / "config.json"
    return _opened(str(model), device, file.stat().st_mtime_ns if file.is_file() else 0)


@lru_cache(maxsize=MODELS_KEPT)
def _opened(model: str, device: str, changed: int) -> LoadedModel:
    return LoadedModel.load(model, device=device)


def _molecules(X: Any) -> list[str | None]:  # noqa: N803
    molecules = as_molecules(X)
    if not molecules:
        raise InputError("got no molecules; expected at least 1")
    return molecules


def _account(reasons: Sequence[str | None], smiles: Sequence[str | None]) -> str:
    counts = count_reasons(reasons)
    first = next(row for row, reason in enumerate(reasons) if reason)
    listed = ", ".join(f"{n} {reason}" for reason, n in counts.items())
    return (
        f"{sum(counts.values())} of {len(reasons)} molecules cannot be featurized: {listed} "
        f"(first: row {first}, {smiles[first]!r}: {reasons[first]})"
    )
