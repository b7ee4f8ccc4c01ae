"""The geometry of a trained model's latent space, measured on molecules."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from molvae.chem.descriptors import descriptor_names, descriptors
from molvae.chem.parse import parse_smiles
from molvae.data.prepare.splits import hash_fraction
from molvae.errors import InputError
from molvae.inference.loaded import LoadedModel
from molvae.inference.tokens import tokenized_chunks
from molvae.progress import SILENT, Progress
from molvae.scoring.geometry import (
    distance_correlation,
    linear_probe,
    mutual_information_gap,
    separated_attribute_predictability,
)
from molvae.scoring.parallel import map_chunks

MIN_MOLECULES = 20
PROBE_TEST_SHARE = 0.25
CHUNK = 250


@dataclass(frozen=True)
class LatentGeometry:
    """How a latent space relates to chemistry.

    Attributes:
        n_molecules: molecules measured on.
        n_unusable: molecules left out: they do not parse, or are outside the model's vocabulary or size limits.
        active_units: dimensions, or VQ slots, that carry information.
        latent_units: number of all dimensions, or slots.
        mutual_information: estimate of I(x; z), nats; cannot exceed log n_molecules.
        tanimoto_correlation: Spearman correlation of latent distance with Tanimoto distance.
        probe_r2: of each descriptor: R² of a ridge regression on z, on the quarter of the molecules not fitted to.
        mig: mutual information gap (Chen et al. 2018) of each descriptor.
        sap: separated attribute predictability (Kumar et al. 2018) of each descriptor.
    """

    n_molecules: int
    n_unusable: int
    active_units: int
    latent_units: int
    mutual_information: float
    tanimoto_correlation: float
    probe_r2: dict[str, float]
    mig: dict[str, float]
    sap: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready description, with means; nan becomes null."""
        values = asdict(self)
        for name in ("probe_r2", "mig", "sap"):
            values[name] = {k: None if np.isnan(v) else v for k, v in values[name].items()}
            values[f"{name}_mean"] = mean_of(getattr(self, name))
        return values


@dataclass(frozen=True)
class MeasuredMolecules:
    """The molecules that can be used, with their latents and descriptors.

    Attributes:
        smiles: standardized.
        z: `(n, Z)` posterior means.
        h: `(n, H)` encoder outputs, all slots of each.
        names: of the descriptors.
        descriptors: `(n, P)`.
        n_unusable: how many molecules are left out.
    """

    smiles: list[str]
    z: np.ndarray
    h: np.ndarray
    names: tuple[str, ...]
    descriptors: np.ndarray
    n_unusable: int


def measure_molecules(
    vae: LoadedModel,
    smiles: Sequence[str | None],
    *,
    descriptor_set: Sequence[str] = ("wide",),
    n_jobs: int = 1,
    progress: Progress = SILENT,
) -> MeasuredMolecules:
    """Encode molecules and compute their descriptors.

    Args:
        vae: a trained model.
        smiles: any SMILES.
        descriptor_set: names of descriptors or sets.
        n_jobs: processes; -1 is one per core.
        progress: reports molecules done.

    Raises:
        InputError: when fewer than 20 can be used.
    """
    names = descriptor_names(descriptor_set)
    parts, usable = [], []
    with progress.stage("Encoding", total=len(smiles)) as stage:
        for molecules in tokenized_chunks(vae.tokenizer, smiles, n_jobs=n_jobs):
            known = [m for m in molecules if m.smiles is not None and m.reason is None]
            parts.append(vae.per_molecule(known, vae.model.encoder, vae.model.encoder.h_dim, advance=stage.advance))
            usable += [str(m.smiles) for m in known]
            stage.advance(len(molecules) - len(known))
    if len(usable) < MIN_MOLECULES:
        raise InputError(
            f"only {len(usable)} of {len(smiles)} molecules can be used; at least {MIN_MOLECULES} are needed"
        )
    h = np.concatenate(parts)
    table = np.concatenate(
        list(
            map_chunks(
                _describe, usable, names, chunk_size=CHUNK, description="Descriptors", n_jobs=n_jobs, progress=progress
            )
        )
    )
    with torch.no_grad():
        z = vae.model.latent(torch.from_numpy(h).to(vae.device)).mean.float().cpu().numpy()
    return MeasuredMolecules(usable, z, h, names, table, len(smiles) - len(usable))


def latent_geometry(vae: LoadedModel, molecules: MeasuredMolecules) -> LatentGeometry:
    """Measure a latent space."""
    with torch.no_grad():
        summary = vae.model.latent.summarize(torch.from_numpy(molecules.h).to(vae.device))
    z, factors = molecules.z.astype(np.float64), molecules.descriptors.astype(np.float64)
    test = np.array([hash_fraction(s) < PROBE_TEST_SHARE for s in molecules.smiles])
    mols = [mol for s in molecules.smiles if (mol := parse_smiles(s)) is not None]

    def named(values: np.ndarray) -> dict[str, float]:
        return dict(zip(molecules.names, (round(float(v), 4) for v in values), strict=True))

    return LatentGeometry(
        n_molecules=len(z),
        n_unusable=molecules.n_unusable,
        active_units=summary.active_units,
        latent_units=len(summary.kl_per_unit),
        mutual_information=round(summary.mutual_information, 4),
        tanimoto_correlation=round(distance_correlation(z, mols), 4),
        probe_r2=named(linear_probe(z, factors, test)),
        mig=named(mutual_information_gap(z, factors)),
        sap=named(separated_attribute_predictability(z, factors)),
    )


def mean_of(values: dict[str, float]) -> float | None:
    """Mean of the numbers that are not nan; `None` without any."""
    known = [v for v in values.values() if not np.isnan(v)]
    return round(float(np.mean(known)), 4) if known else None


def _describe(smiles: Sequence[str], names: Sequence[str]) -> np.ndarray:
    mols = [parse_smiles(text) for text in smiles]
    return np.stack([descriptors(mol, names) for mol in mols if mol is not None])
