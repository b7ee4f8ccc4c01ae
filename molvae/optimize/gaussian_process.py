"""An exact Gaussian process on molecules, with the Tanimoto kernel of their fingerprints (Ralaivola et al. 2005)."""

from collections.abc import Iterable, Sequence

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdFingerprintGenerator
from scipy.linalg import cho_solve, cholesky, solve_triangular

from molvae.chem.similarity import tanimoto_matrix

BITS = 2048
MAX_COUNT = 16
JITTER = 1e-3  # relative to the kernel's amplitude
NOISES = (1e-4, 1e-3, 1e-2, 1e-1)  # relative to the kernel's amplitude
_ECFP4 = rdFingerprintGenerator.GetMorganGenerator(radius=2)


def count_bits(mols: Iterable[Chem.Mol]) -> np.ndarray:
    """ECFP4 counts `(n, BITS)` float32 as ones and zeros: one bit per fragment and occurrence, folded.

    The Tanimoto similarity of such bits is the min-max similarity of the counts, up to collisions of the folding.
    """
    rows = []
    for mol in mols:
        counts = _ECFP4.GetSparseCountFingerprint(mol).GetNonzeroElements()
        fragments = np.fromiter(counts.keys(), dtype=np.uint64, count=len(counts))
        times = np.minimum(np.fromiter(counts.values(), dtype=np.int64, count=len(counts)), MAX_COUNT)
        occurrence = (np.arange(times.sum()) - np.repeat(times.cumsum() - times, times)).astype(np.uint64)
        mixed = (np.repeat(fragments, times) + occurrence * np.uint64(0x9E3779B9)) * np.uint64(0xFF51AFD7ED558CCD)
        row = np.zeros(BITS, dtype=np.float32)
        row[(mixed >> np.uint64(40)) % np.uint64(BITS)] = 1.0
        rows.append(row)
    return np.stack(rows) if rows else np.zeros((0, BITS), dtype=np.float32)


class KernelCache:
    """Fingerprints and pairwise similarities of a set of molecules, reused for the next set, which differs little."""

    def __init__(self) -> None:
        self._rows: dict[str, int] = {}
        self._bits = np.zeros((0, BITS), dtype=np.float32)
        self._kernel = np.zeros((0, 0), dtype=np.float32)

    def of(self, smiles: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Bits `(n, BITS)` and kernel `(n, n)` of distinct molecules; only what is new is computed."""
        old = np.array([i for i, s in enumerate(smiles) if s in self._rows], dtype=int)
        new = np.array([i for i, s in enumerate(smiles) if s not in self._rows], dtype=int)
        rows = [self._rows[smiles[i]] for i in old]
        bits = np.empty((len(smiles), BITS), dtype=np.float32)
        bits[old], bits[new] = self._bits[rows], count_bits(Chem.MolFromSmiles(smiles[i]) for i in new)
        kernel = np.empty((len(smiles), len(smiles)), dtype=np.float32)
        kernel[np.ix_(old, old)] = self._kernel[np.ix_(rows, rows)]
        kernel[new] = tanimoto_matrix(bits[new], bits)
        kernel[:, new] = kernel[new].T
        self._rows, self._bits, self._kernel = {s: i for i, s in enumerate(smiles)}, bits, kernel
        return bits, kernel


class TanimotoGP:
    """A Gaussian process with a Tanimoto kernel (Ralaivola et al. 2005).

    The constant mean and the amplitude are the likeliest ones, in closed form; the noise is the likeliest on a grid.

    Args:
        bits: `(n, BITS)` of the molecules scored.
        values: `(n,)` their scores.
        kernel: `(n, n)` their similarities, if they are known already.
    """

    def __init__(self, bits: np.ndarray, values: np.ndarray, *, kernel: np.ndarray | None = None) -> None:
        self.bits = bits
        kernel = (tanimoto_matrix(bits, bits) if kernel is None else kernel).astype(np.float64)
        some = np.linspace(0, len(values) - 1, min(len(values), 400)).astype(int)
        noise = max(NOISES, key=lambda noise: _likelihood(kernel[np.ix_(some, some)], values[some], noise))
        self._factor = cholesky(kernel + noise * np.eye(len(kernel)), lower=True)
        self.mean, self._weights = _solved(self._factor, values)
        self.amplitude = _amplitude(self._weights, values - self.mean)

    def predict(self, bits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Posterior mean and standard deviation, both `(m,)`, of molecules `(m, BITS)`."""
        means, explained = self._condition(bits)
        variance = np.maximum(1.0 - (explained**2).sum(0), 1e-9)
        return means, np.sqrt(self.amplitude * variance)

    def batch(self, bits: np.ndarray, beta: np.ndarray) -> list[int]:
        """Indices of distinct molecules, one per entry of `beta`, each with the highest upper confidence bound then.

        Each choice lowers the standard deviation of similar molecules as if it had been scored, so that a batch does
        not consist of near duplicates (GP-BUCB, Desautels et al. 2014).

        Args:
            bits: `(m, BITS)`.
            beta: weights of the standard deviation in the upper confidence bound, `(n,)`, n at most m.
        """
        means, explained = self._condition(bits)
        covariance = self.amplitude * (tanimoto_matrix(bits, bits) - explained.T @ explained)
        variances = np.diag(covariance).copy()
        told = np.zeros((len(beta), len(bits)))  # factor of what the chosen molecules explain of the covariance
        chosen: list[int] = []
        for k, weight in enumerate(beta):
            best = int(np.argmax(means + weight * np.sqrt(np.maximum(variances, 0.0))))
            rest = covariance[best] - told[:k, best] @ told[:k]
            told[k] = rest / np.sqrt(max(rest[best], 0.0) + JITTER * self.amplitude)
            variances -= told[k] ** 2
            means[best] = -np.inf
            chosen.append(best)
        return chosen

    def _condition(self, bits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Posterior means `(m,)`, and the factor `(n, m)` of what the scored molecules explain of the kernel."""
        cross = tanimoto_matrix(bits, self.bits).astype(np.float64)
        return self.mean + cross @ self._weights, solve_triangular(self._factor, cross.T, lower=True)


def _solved(factor: np.ndarray, values: np.ndarray) -> tuple[float, np.ndarray]:
    """The likeliest constant mean, and the inverse kernel times what is left of the values."""
    of_ones = cho_solve((factor, True), np.ones(len(values)))
    mean = float(of_ones @ values / of_ones.sum())
    return mean, cho_solve((factor, True), values - mean)


def _amplitude(weights: np.ndarray, rest: np.ndarray) -> float:
    return max(float(weights @ rest) / len(rest), float(np.finfo(np.float64).tiny))  # scores may have any unit


def _likelihood(kernel: np.ndarray, values: np.ndarray, noise: float) -> float:
    """Log marginal likelihood with the best mean and amplitude, up to a constant."""
    factor = cholesky(kernel + noise * np.eye(len(kernel)), lower=True)
    mean, weights = _solved(factor, values)
    amplitude = _amplitude(weights, values - mean)
    return float(-0.5 * len(values) * np.log(amplitude) - np.log(np.diag(factor)).sum())
