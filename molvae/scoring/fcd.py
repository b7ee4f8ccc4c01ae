"""Fréchet ChemNet distance (Preuer et al. 2018), with the ChemNet of the package `fcd`.

MOSES computes it with `fcd_torch`, the same network behind another tokenizer. For molecules like MOSES's the two agree
to rounding. But `fcd_torch` stops reading at the first `.`, so that of a salt it sees one part only, and reads two
characters for one whenever the second is `r`, `i` or `l`; `fcd` reads the whole string, and so do we. Among the 729
valid molecules of `tests/golden/metrics/odd.smi` that concerns 8 salts and mixtures: FCD 4.058 in place of 4.068.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np

from molvae.errors import MissingExtraError
from molvae.progress import SILENT, Progress

MAX_CHARACTERS = 349  # ChemNet reads 350 with the end mark; MOSES cuts longer SMILES too
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
        raise MissingExtraError("the Fréchet ChemNet distance needs the package fcd: pip install 'molvae[metrics]'")


def chemnet_activations(
    smiles: Sequence[str], *, device: str | None = None, progress: Progress = SILENT, description: str = "ChemNet"
) -> np.ndarray:
    """ChemNet's last hidden layer for canonical SMILES, `(N, 512)` float32.

    Args:
        smiles: canonical SMILES; characters after the 349th are not read.
        device: cpu, cuda, …; `None` takes a GPU when there is one.
        progress: reports molecules done.
        description: what the progress is called.

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

    The trace of the root comes from the eigenvalues of the symmetric `C_a^½ C_b C_a^½`, which are real whatever the
    rank; the usual root of `C_a C_b` is not.
    """
    if a is None or b is None:
        return float("nan")
    values, vectors = np.linalg.eigh(a.covariance)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    cross = np.linalg.eigvalsh(root @ b.covariance @ root)
    difference = a.mean - b.mean
    trace = np.trace(a.covariance) + np.trace(b.covariance) - 2 * np.sqrt(np.maximum(cross, 0)).sum()
    return float(difference @ difference + trace)
