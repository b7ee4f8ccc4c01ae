"""The statistics of a reference set that the metrics need, computed once and cached in npz files without pickle."""

import hashlib
import logging
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np

from molvae.errors import InputError
from molvae.files import atomic_path
from molvae.progress import SILENT, Progress
from molvae.scoring.fcd import ChemNetStatistics, chemnet_activations, chemnet_statistics
from molvae.scoring.guacamol import GuacamolSample, describe_sample, reference_subset
from molvae.scoring.molecules import canonical_list, describe_molecules

FORMAT_VERSION = 1
Arrays = dict[str, np.ndarray]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReferenceStatistics:
    """The statistics of a reference set of M valid molecules that the metrics need.

    Attributes:
        n_molecules: number of valid molecules (M).
        fingerprints: `(M, 128)` uint8, packed Morgan fingerprints.
        properties: `(M, 4)` float32: logP, SA, QED, weight.
        fragments: BRICS fragment → number of occurrences.
        scaffolds: Bemis-Murcko scaffold → number of occurrences.
        guacamol: the values of GuacaMol's KL score for its subset of the reference.
        chemnet: statistics of the ChemNet activations of all molecules; `None` if not asked for.
        chemnet_subset: the same for GuacaMol's subset.
    """

    n_molecules: int
    fingerprints: np.ndarray
    properties: np.ndarray
    fragments: Mapping[str, int]
    scaffolds: Mapping[str, int]
    guacamol: GuacamolSample
    chemnet: ChemNetStatistics | None = None
    chemnet_subset: ChemNetStatistics | None = None


def reference_statistics(
    smiles: Sequence[str],
    *,
    name: str = "reference",
    fcd: bool = True,
    cache: str | Path | None = None,
    n_jobs: int = -1,
    device: str | None = None,
    progress: Progress = SILENT,
) -> ReferenceStatistics:
    """Compute the statistics of a reference set, or load them from the cache.

    Args:
        smiles: the reference set; molecules that do not parse are left out.
        name: name of the set in messages and progress reports.
        fcd: whether to compute ChemNet statistics, which are cached separately.
        cache: folder of cached statistics; `None` caches nothing. The name of an entry is a hash of the molecules and
            of the versions of RDKit and the format, so that outdated entries are never used.
        n_jobs: number of processes; -1 is one per core.
        device: for ChemNet.
        progress: reports molecules done.

    Raises:
        InputError: when no molecule is valid.
        MissingExtraError: when `fcd` is asked for and not installed.
    """
    file = f"reference-{content_hash(smiles)}.npz"
    arrays = _cached(cache, file, lambda: _describe(smiles, name, n_jobs, progress))
    statistics = ReferenceStatistics(
        n_molecules=len(arrays["fingerprints"]),
        fingerprints=arrays["fingerprints"],
        properties=arrays["properties"],
        fragments=_counts(arrays, "fragments"),
        scaffolds=_counts(arrays, "scaffolds"),
        guacamol=GuacamolSample(arrays["guacamol_descriptors"], arrays["guacamol_nearest"]),
    )
    if not fcd:
        return statistics
    file = f"chemnet-{content_hash(smiles)}.npz"
    arrays = _cached(cache, file, lambda: _chemnet(smiles, name, n_jobs, device, progress))
    return replace(statistics, chemnet=_gaussian(arrays, "all"), chemnet_subset=_gaussian(arrays, "subset"))


def known_molecules(
    smiles: Sequence[str], *, cache: str | Path | None = None, n_jobs: int = -1, progress: Progress = SILENT
) -> frozenset[str]:
    """The canonical SMILES of a training set, for Novelty; cached like the statistics."""
    arrays = _cached(
        cache,
        f"known-{content_hash(smiles)}.npz",
        lambda: {
            "smiles": _text(
                s for s in canonical_list(smiles, n_jobs=n_jobs, progress=progress, description="Training set") if s
            )
        },
    )
    return frozenset(_lines(arrays["smiles"]))


def content_hash(smiles: Sequence[str]) -> str:
    """Hash of a list of molecules in its order, of the version of RDKit and of the format of the cache."""
    digest = hashlib.sha256(f"{FORMAT_VERSION} rdkit {version('rdkit')}".encode())
    for text in smiles:
        digest.update(b"\n" + text.encode())
    return digest.hexdigest()[:32]


def _describe(smiles: Sequence[str], name: str, n_jobs: int, progress: Progress) -> Arrays:
    described = describe_molecules(
        smiles, filters=False, n_jobs=n_jobs, progress=progress, description=f"Describing {name}"
    )
    if not described.smiles:
        raise InputError(f"none of the {len(smiles)} molecules of {name} is valid")
    subset = [smiles[i] for i in reference_subset(len(smiles))]
    guacamol = describe_sample(subset, n_jobs=n_jobs, progress=progress, description=f"GuacaMol {name}")
    return {
        "fingerprints": described.fingerprints,
        "properties": described.properties,
        "fragments": _text(described.fragments),
        "fragments_n": np.array(list(described.fragments.values()), dtype=np.int64),
        "scaffolds": _text(described.scaffolds),
        "scaffolds_n": np.array(list(described.scaffolds.values()), dtype=np.int64),
        "guacamol_descriptors": guacamol.descriptors,
        "guacamol_nearest": guacamol.nearest,
    }


def _chemnet(smiles: Sequence[str], name: str, n_jobs: int, device: str | None, progress: Progress) -> Arrays:
    canonical = canonical_list(smiles, n_jobs=n_jobs, progress=progress, description=f"Reading {name}")
    valid = np.array([s is not None for s in canonical], dtype=bool)
    rows = np.cumsum(valid) - 1  # index of a molecule among the valid ones
    activations = chemnet_activations(
        [s for s in canonical if s is not None], device=device, progress=progress, description=f"ChemNet {name}"
    )
    subset = reference_subset(len(smiles))
    arrays: Arrays = {}
    for part, chosen in (("all", activations), ("subset", activations[rows[subset[valid[subset]]]])):
        gaussian = chemnet_statistics(chosen)
        if gaussian is None:
            raise InputError(f"{name} has fewer than 2 valid molecules, which the Fréchet ChemNet distance needs")
        arrays |= {
            f"{part}_mean": gaussian.mean,
            f"{part}_covariance": gaussian.covariance,
            f"{part}_n": np.array(gaussian.n),
        }
    return arrays


def _gaussian(arrays: Arrays, part: str) -> ChemNetStatistics:
    return ChemNetStatistics(arrays[f"{part}_mean"], arrays[f"{part}_covariance"], int(arrays[f"{part}_n"]))


def _counts(arrays: Arrays, name: str) -> dict[str, int]:
    return dict(zip(_lines(arrays[name]), arrays[f"{name}_n"].tolist(), strict=True))


def _text(lines: Iterable[str]) -> np.ndarray:
    return np.frombuffer("\n".join(lines).encode(), dtype=np.uint8)


def _lines(text: np.ndarray) -> list[str]:
    return text.tobytes().decode().split("\n") if len(text) else []


def _cached(cache: str | Path | None, file: str, compute: Callable[[], Arrays]) -> Arrays:
    """The result of `compute`, or that of an earlier call if the cache has it undamaged."""
    if cache is None:
        return compute()
    path = Path(cache) / file
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        _log.warning("%s is damaged (%s); computing it again", path, error)
    arrays = compute()
    try:
        with atomic_path(path) as temporary, temporary.open("wb") as out:
            np.savez_compressed(out, allow_pickle=False, **arrays)
    except OSError as error:  # what was computed is worth more than the cache
        _log.warning("nothing is cached: %s", error)
    return arrays
