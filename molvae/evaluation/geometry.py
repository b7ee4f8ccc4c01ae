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
    disentanglement_and_completeness,
    distance_correlation,
    linear_probe,
    mutual_information_gap,
    separated_attribute_predictability,
    without,
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
        tanimoto_correlation: Spearman correlation of latent distance with Tanimoto distance; `None` if all z are equal.
        probe_r2: of each descriptor: R² of a ridge regression on z, on the quarter of the molecules not fitted to.
        mig: mutual information gap (Chen et al. 2018) of each descriptor.
        sap: separated attribute predictability (Kumar et al. 2018) of each descriptor.
        completeness: C of DCI (Eastwood and Williams 2018) of each descriptor.
        disentanglement: D of DCI; `None` where z tells of no descriptor.
        mig_without_size, sap_without_size, completeness_without_size, disentanglement_without_size: the same of what is
            left of z and descriptors after a regression on the number of heavy atoms and the length of the SMILES.
            Latents often encode size, and most descriptors follow it.
    """

    n_molecules: int
    n_unusable: int
    active_units: int
    latent_units: int
    mutual_information: float
    tanimoto_correlation: float | None
    probe_r2: dict[str, float]
    mig: dict[str, float]
    sap: dict[str, float]
    completeness: dict[str, float]
    disentanglement: float | None
    mig_without_size: dict[str, float]
    sap_without_size: dict[str, float]
    completeness_without_size: dict[str, float]
    disentanglement_without_size: float | None

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready description, with means; nan becomes null."""
        values = asdict(self)
        for name in (name for name, value in list(values.items()) if isinstance(value, dict)):
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

    sizes = np.array([[mol.GetNumHeavyAtoms(), len(s)] for mol, s in zip(mols, molecules.smiles, strict=True)])
    measured: dict[str, Any] = {}
    for suffix, left_z, left in (
        ("", z, factors),
        ("_without_size", without(z, sizes.astype(float)), without(factors, sizes.astype(float))),
    ):
        disentanglement, completeness = disentanglement_and_completeness(left_z, left)
        measured |= {
            f"mig{suffix}": named(mutual_information_gap(left_z, left)),
            f"sap{suffix}": named(separated_attribute_predictability(left_z, left)),
            f"completeness{suffix}": named(completeness),
            f"disentanglement{suffix}": None if np.isnan(disentanglement) else round(disentanglement, 4),
        }
    correlation = distance_correlation(z, mols)
    return LatentGeometry(
        n_molecules=len(z),
        n_unusable=molecules.n_unusable,
        active_units=summary.active_units,
        latent_units=len(summary.kl_per_unit),
        mutual_information=round(summary.mutual_information, 4),
        tanimoto_correlation=None if np.isnan(correlation) else round(correlation, 4),
        probe_r2=named(linear_probe(z, factors, test)),
        **measured,
    )


def mean_of(values: dict[str, float]) -> float | None:
    """Mean of the numbers that are not nan; `None` without any."""
    known = [v for v in values.values() if not np.isnan(v)]
    return round(float(np.mean(known)), 4) if known else None


def _describe(smiles: Sequence[str], names: Sequence[str]) -> np.ndarray:
    mols = [parse_smiles(text) for text in smiles]
    return np.stack([descriptors(mol, names) for mol in mols if mol is not None])
