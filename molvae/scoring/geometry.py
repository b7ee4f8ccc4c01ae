"""Metrics of how the geometry of a latent space relates to chemistry, computed from an array of latents."""

from collections.abc import Sequence

import numpy as np
from rdkit import Chem, DataStructs
from scipy.stats import spearmanr
from sklearn.linear_model import Lasso, RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from molvae.chem.similarity import ECFP4
from molvae.scoring.regression import r_squared

N_BINS = 20
BLOCK = 2000  # number of molecules whose bins are counted at once
LASSO_ALPHA = 0.01
RIDGE_ALPHAS = tuple(np.logspace(-2, 4, 13))


def distance_correlation(z: np.ndarray, mols: Sequence[Chem.Mol], *, n_pairs: int = 50_000, seed: int = 0) -> float:
    """Spearman correlation of Euclidean distance in z and Tanimoto distance (ECFP4, 2,048 bits) over random pairs.

    Args:
        z: `(n, Z)`.
        mols: the n molecules.
        n_pairs: number of pairs, which are drawn with replacement.
        seed: seed of the choice of pairs.

    Returns:
        The correlation; nan where all distances are the same, as those of a collapsed latent.
    """
    rng = np.random.default_rng(seed)
    first = rng.integers(len(z), size=n_pairs)
    second = (first + rng.integers(1, len(z), size=n_pairs)) % len(z)  # never a molecule with itself
    bits = [ECFP4.GetFingerprint(mol) for mol in mols]
    tanimoto = [1 - DataStructs.TanimotoSimilarity(bits[a], bits[b]) for a, b in zip(first, second, strict=True)]
    latent = np.linalg.norm(z[first] - z[second], axis=1)
    if not (np.ptp(latent) and np.ptp(tanimoto)):
        return float("nan")
    return float(spearmanr(latent, tanimoto).statistic)


def linear_probe(z: np.ndarray, factors: np.ndarray, test: np.ndarray) -> np.ndarray:
    """R² of each factor, predicted from z by ridge regression, on test molecules; `(K,)`.

    Args:
        z: `(n, Z)`.
        factors: `(n, K)`.
        test: `(n,)` bool, the test molecules; the regression is fitted to the others, and its penalty chosen on them.

    Returns:
        R²; nan for a factor that is constant in the test or the other molecules.
    """
    scores = np.full(factors.shape[1], np.nan)
    for k, values in enumerate(factors.T):
        if np.ptp(values[test]) and np.ptp(values[~test]):
            probe = make_pipeline(StandardScaler(), RidgeCV(RIDGE_ALPHAS)).fit(z[~test], values[~test])
            scores[k] = r_squared(probe.predict(z[test])[:, None], values[test][:, None])[0]
    return scores


def mutual_information_gap(z: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Mutual information gap (MIG) of each factor (Chen et al. 2018), `(K,)`; the published number is the mean.

    The MIG of a factor is the difference between its largest and second largest mutual information with a dimension of
    z, divided by the factor's entropy. Dimensions are cut into 20 bins of equal width, and factors with more than 20
    values into 20 bins of equal frequency. Descriptors of molecules depend on each other, so 1 cannot be reached.

    Args:
        z: `(n, Z)`.
        factors: `(n, K)`.

    Returns:
        The MIG; nan for a factor that is constant.
    """
    joint = _counts(_equal_width(z), _classes(factors)) / len(z)
    joint = joint.reshape(z.shape[1], N_BINS, factors.shape[1], N_BINS).transpose(0, 2, 1, 3)  # (Z, K, bins, bins)
    of_z, of_factor = joint.sum(3, keepdims=True), joint.sum(2, keepdims=True)
    ratio = np.divide(joint, of_z * of_factor, out=np.ones_like(joint), where=joint > 0)
    information = (joint * np.log(ratio)).sum((2, 3))  # (Z, K)
    share = of_factor[0, :, 0]
    entropy = -(share * np.log(share, out=np.zeros_like(share), where=share > 0)).sum(1)
    top = np.sort(information, axis=0)[::-1]
    second = top[1] if len(top) > 1 else 0.0
    return np.divide(top[0] - second, entropy, out=np.full(len(entropy), np.nan), where=entropy > 1e-12)


def separated_attribute_predictability(z: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Separated attribute predictability (SAP) of each factor (Kumar et al. 2018), `(K,)`; published is the mean.

    The SAP of a factor is the difference between its best and second best R² by linear regression on a dimension of z.

    Args:
        z: `(n, Z)`.
        factors: `(n, K)`.

    Returns:
        The SAP; nan for a factor that is constant.
    """
    centered, varying = z - z.mean(0), factors - factors.mean(0)
    scale = np.outer(np.linalg.norm(centered, axis=0), np.linalg.norm(varying, axis=0))
    whole = np.outer(np.linalg.norm(z, axis=0), np.linalg.norm(factors, axis=0))  # has the factors' units too
    r2 = np.divide(centered.T @ varying, scale, out=np.zeros_like(scale), where=scale > 1e-12 * whole) ** 2
    top = np.sort(r2, axis=0)[::-1]
    gap = top[0] - (top[1] if len(top) > 1 else 0.0)
    return np.where(np.ptp(factors, axis=0) > 0, gap, np.nan)


def disentanglement_and_completeness(z: np.ndarray, factors: np.ndarray) -> tuple[float, np.ndarray]:
    """Disentanglement D and completeness C of z (DCI, Eastwood and Williams 2018); both lie in [0, 1].

    R_ik, how much dimension i tells of factor k, is the absolute coefficient of a Lasso on standardized z. A dimension
    is disentangled as far as it tells of one factor only, D_i = 1 − H_K(R_i / Σ_k R_ik), and D is their mean, weighted
    by Σ_k R_ik. A factor is complete as far as one dimension tells of it, C_k = 1 − H_Z(R_k / Σ_i R_ik). H_n is the
    entropy to base n. The third of the three, informativeness, is what `linear_probe` measures.

    Args:
        z: `(n, Z)`.
        factors: `(n, K)`.

    Returns:
        D, nan where z tells of no factor; and C `(K,)`, nan for factors that are constant or not told of.
    """
    inputs, outputs = (_standardized(values) for values in (z, factors))
    importance = np.stack([np.abs(Lasso(LASSO_ALPHA).fit(inputs, column).coef_) for column in outputs.T], axis=1)
    importance[:, np.ptp(factors, axis=0) == 0] = 0.0
    of_dimension, of_factor = importance.sum(1), importance.sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        dimensions = 1 - _entropy(importance / of_dimension[:, None], axis=1)
        completeness = np.where(of_factor > 0, 1 - _entropy(importance / of_factor, axis=0), np.nan)
    if not of_dimension.sum():
        return float("nan"), completeness
    told = of_dimension > 0
    return float(np.average(dimensions[told], weights=of_dimension[told])), completeness


def without(values: np.ndarray, confounders: np.ndarray) -> np.ndarray:
    """What is left of values `(n, K)` after a regression on confounders `(n, C)` and their squares and products."""
    design = PolynomialFeatures(2).fit_transform(_standardized(confounders))
    coefficients, *_ = np.linalg.lstsq(design, values, rcond=None)
    rest = values - design @ coefficients
    rest[:, rest.std(0) < 1e-6 * np.maximum(values.std(0), 1e-300)] = 0.0  # nothing is left but rounding
    return rest


def _standardized(values: np.ndarray) -> np.ndarray:
    spread = values.std(0)
    return (values - values.mean(0)) / np.where(spread > 0, spread, 1.0)


def _entropy(shares: np.ndarray, *, axis: int) -> np.ndarray:
    """Entropy of shares along an axis, to the base of their number; 0 for a single one."""
    logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    return -(shares * logs).sum(axis) / max(np.log(shares.shape[axis]), 1e-12)


def _equal_width(values: np.ndarray) -> np.ndarray:
    low, high = values.min(0), values.max(0)
    scaled = (values - low) / np.where(high > low, high - low, 1.0)
    return np.minimum((scaled * N_BINS).astype(np.int64), N_BINS - 1)


def _classes(values: np.ndarray) -> np.ndarray:
    """Bins of each column: one per value if there are at most 20 values, else 20 bins of equal frequency."""
    return np.stack([_classes_of(column) for column in values.T], axis=1)


def _classes_of(column: np.ndarray) -> np.ndarray:
    distinct, codes = np.unique(column, return_inverse=True)
    if len(distinct) <= N_BINS:
        return codes
    edges = np.unique(np.quantile(column, np.linspace(0, 1, N_BINS + 1)[1:-1]))
    return np.searchsorted(edges, column, side="right")


def _counts(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Joint counts of the bins of each column of `a` with those of each column of `b`, `(A · 20, B · 20)`."""
    total = np.zeros((a.shape[1] * N_BINS, b.shape[1] * N_BINS))
    for first in range(0, len(a), BLOCK):
        rows = slice(first, first + BLOCK)
        total += _one_hot(a[rows]).T @ _one_hot(b[rows])
    return total


def _one_hot(bins: np.ndarray) -> np.ndarray:
    """One-hot encode bins `(n, columns)`: `(n, columns · 20)` float32."""
    return (bins[:, :, None] == np.arange(N_BINS)).reshape(len(bins), -1).astype(np.float32)
