"""Fréchet ChemNet distance (FCD, Preuer et al. 2018), with the ChemNet of the package `fcd`.

MOSES computes it with `fcd_torch`, which has the same network but another tokenizer. For molecules like those of MOSES,
both agree up to rounding. However, `fcd_torch` stops at the first `.`, so that it reads only one component of a salt,
and it takes two characters as one whenever the second is `r`, `i` or `l`. `fcd` reads the whole SMILES. Of the 729
valid molecules of `tests/golden/metrics/odd.smi`, this concerns 8 salts and mixtures: the FCD is 4.058 and not 4.068.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np

from molvae.errors import MissingExtraError
from molvae.progress import SILENT, Progress

MAX_CHARACTERS = 349  # ChemNet reads 350 characters, with the end mark; MOSES also cuts longer SMILES
CHUNK = 2048
BATCH = 256


@dataclass(frozen=True)
class ChemNetStatistics:
    """Mean `(512,)` and covariance `(512, 512)` of the ChemNet activations of `n` molecules."""

    mean: np.ndarray
    covariance: np.ndarray
    n: int


def fcd_available() -> bool:
    """Whether the package `fcd` is installed."""
    return find_spec("fcd") is not None


def require_fcd() -> None:
    """Raise `MissingExtraError` when the package `fcd` is not installed."""
    if not fcd_available():
        raise MissingExtraError.of("the Fréchet ChemNet distance needs the package fcd", "metrics")


def chemnet_activations(
    smiles: Sequence[str], *, device: str | None = None, progress: Progress = SILENT, description: str = "ChemNet"
) -> np.ndarray:
    """Activations of ChemNet's last hidden layer for canonical SMILES, `(N, 512)` float32.

    Args:
        smiles: canonical SMILES; characters after the 349th are not read.
        device: cpu, cuda, …; `None` uses a GPU if there is one.
        progress: reports molecules done.
        description: name of the stage in the progress report.

    Raises:
        MissingExtraError: when `fcd` is not installed.
    """
    require_fcd()
    import fcd

    model = fcd.load_ref_model()
    texts = [s[:MAX_CHARACTERS] for s in smiles]
    activations = [np.empty((0, 512), dtype=np.float32)]
    with progress.stage(description, total=len(texts)) as stage:
        for start in range(0, len(texts), CHUNK):
            chunk = texts[start : start + CHUNK]
            activations.append(fcd.get_predictions(model, chunk, batch_size=BATCH, n_jobs=0, device=device))
            stage.advance(len(chunk))
    return np.concatenate(activations)


def chemnet_statistics(activations: np.ndarray) -> ChemNetStatistics | None:
    """Mean and covariance of activations `(N, 512)`; `None` for fewer than two molecules."""
    if len(activations) < 2:
        return None
    exact = activations.astype(np.float64)
    return ChemNetStatistics(exact.mean(axis=0), np.cov(exact, rowvar=False), len(exact))


def frechet_distance(a: ChemNetStatistics | None, b: ChemNetStatistics | None) -> float:
    """Squared Fréchet distance of two Gaussians, `|m_a - m_b|² + tr(C_a + C_b - 2 (C_a C_b)^½)`; nan without data.

    The trace of the root is computed from the eigenvalues of the symmetric matrix `C_a^½ C_b C_a^½`, which are real
    even for singular covariances; a numerical root of `C_a C_b` need not be.
    """
    if a is None or b is None:
        return float("nan")
    values, vectors = np.linalg.eigh(a.covariance)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    cross = np.linalg.eigvalsh(root @ b.covariance @ root)
    difference = a.mean - b.mean
    trace = np.trace(a.covariance) + np.trace(b.covariance) - 2 * np.sqrt(np.maximum(cross, 0)).sum()
    return float(difference @ difference + trace)
