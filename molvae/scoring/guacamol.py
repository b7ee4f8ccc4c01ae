"""The distribution scores of GuacaMol (Brown et al. 2019) from KL divergences and the FCD; 1 is the best score.

As published, 10,000 generated molecules are compared with 10,000 of the reference, chosen with GuacaMol's seed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rdkit import Chem
from rdkit.Chem import Descriptors
from scipy.stats import entropy, gaussian_kde

from molvae.chem.parse import parse_smiles, silence_rdkit
from molvae.progress import SILENT, Progress
from molvae.scoring.distribution import nearest_similarities
from molvae.scoring.molecules import packed_morgan
from molvae.scoring.parallel import map_chunks

SAMPLE_SIZE = 10_000
SEED = 42  # GuacaMol's
FINGERPRINT_BITS = 4096
CONTINUOUS = ("BertzCT", "MolLogP", "MolWt", "TPSA")
DISCRETE = ("NumHAcceptors", "NumHDonors", "NumRotatableBonds", "NumAliphaticRings", "NumAromaticRings")
INTERNAL_SIMILARITY = "internal_similarity"


@dataclass(frozen=True)
class GuacamolSample:
    """The inputs of the KL score: descriptors `(N, 9)` and similarity to the nearest other molecule `(N,)`."""

    descriptors: np.ndarray
    nearest: np.ndarray


def reference_subset(n_molecules: int, size: int = SAMPLE_SIZE) -> np.ndarray:
    """The indices that GuacaMol chooses from a reference of `n_molecules`; all of them if there are at most `size`."""
    return np.random.RandomState(SEED).choice(n_molecules, min(size, n_molecules), replace=False)


def describe_sample(
    smiles: Sequence[str], *, n_jobs: int = 1, progress: Progress = SILENT, description: str = "GuacaMol"
) -> GuacamolSample:
    """Compute the values of valid SMILES; as in GuacaMol, stereochemistry is removed and each molecule counts once."""
    chunks = list(
        map_chunks(_flat_chunk, smiles, chunk_size=500, description=description, n_jobs=n_jobs, progress=progress)
    )
    flat = [s for chunk in chunks for s in chunk[0]]
    first = np.unique(np.array(flat, dtype=str), return_index=True)[1]
    descriptors = np.concatenate([np.empty((0, len(CONTINUOUS) + len(DISCRETE))), *(chunk[1] for chunk in chunks)])
    bits = np.concatenate([np.empty((0, FINGERPRINT_BITS // 8), np.uint8), *(chunk[2] for chunk in chunks)])
    nearest = nearest_similarities(bits[first], n_jobs=n_jobs, progress=progress)
    return GuacamolSample(descriptors[first], nearest)


def kl_score(baseline: GuacamolSample, sampled: GuacamolSample) -> tuple[float, dict[str, float]]:
    """Mean of `exp(-KL(baseline ‖ sampled))` over nine descriptors and the internal similarity, and its ten terms.

    The score is nan where GuacaMol stops with an error: for fewer than two distinct molecules, or if a continuous
    descriptor is constant. A discrete descriptor wholly outside the baseline's range scores 0; GuacaMol returns nan.
    """
    terms = {}
    for i, name in enumerate((*CONTINUOUS, *DISCRETE)):
        divergence = _continuous_kl if name in CONTINUOUS else _discrete_kl
        terms[name] = float(np.exp(-divergence(baseline.descriptors[:, i], sampled.descriptors[:, i])))
    terms[INTERNAL_SIMILARITY] = float(np.exp(-_continuous_kl(baseline.nearest, sampled.nearest)))
    return float(np.mean(list(terms.values()))), terms


def fcd_score(distance: float) -> float:
    """GuacaMol's score from a Fréchet ChemNet distance, `exp(-0.2 FCD)`."""
    return float(np.exp(-0.2 * distance))


def _continuous_kl(baseline: np.ndarray, sampled: np.ndarray) -> float:
    if any(len(values) < 2 or np.ptp(values) == 0 for values in (baseline, sampled)):
        return float("nan")
    both = np.concatenate([baseline, sampled])
    grid = np.linspace(both.min(), both.max(), num=1000)
    p, q = (gaussian_kde(values)(grid) + 1e-10 for values in (baseline, sampled))
    return float(entropy(p, q))


def _discrete_kl(baseline: np.ndarray, sampled: np.ndarray) -> float:
    if not len(baseline) or not len(sampled):
        return float("nan")
    p, edges = np.histogram(baseline, bins=10, density=True)
    counts, _ = np.histogram(sampled, bins=edges)
    if not counts.any():
        return float("inf")
    q = counts / (counts.sum() * np.diff(edges))
    return float(entropy(p + 1e-10, q + 1e-10))


def _flat_chunk(smiles: Sequence[str]) -> tuple[list[str], np.ndarray, np.ndarray]:
    functions = dict(Descriptors.descList)
    flat, rows, bits = [], [], []
    with silence_rdkit():
        for text in smiles:
            mol = parse_smiles(text)
            if mol is None:
                continue
            written = Chem.MolToSmiles(mol, isomericSmiles=False)
            mol = parse_smiles(written)
            if mol is None:
                continue
            flat.append(written)
            rows.append([functions[name](mol) for name in (*CONTINUOUS, *DISCRETE)])
            bits.append(packed_morgan(mol, FINGERPRINT_BITS))
    values = np.nan_to_num(np.array(rows, dtype=np.float64).reshape(len(rows), -1), posinf=0, neginf=0)
    return flat, values.reshape(len(rows), len(CONTINUOUS) + len(DISCRETE)), _stacked(bits)


def _stacked(bits: list[np.ndarray]) -> np.ndarray:
    return np.stack(bits) if bits else np.empty((0, FINGERPRINT_BITS // 8), np.uint8)
