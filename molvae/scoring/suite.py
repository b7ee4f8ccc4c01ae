"""The metrics of MOSES and GuacaMol for a list of generated molecules, all at once.

| metric | definition | better |
| --- | --- | --- |
| valid | share of strings that RDKit parses (the empty string does not count as valid) | high |
| unique@1k, unique@10k | share of distinct canonical SMILES among the first 1,000 or 10,000 valid ones | high |
| FCD/… | Fréchet ChemNet distance to the reference; see `molvae.scoring.fcd` | low |
| SNN/… | mean Tanimoto similarity (Morgan 2, 1,024 bits) to the nearest reference molecule | high |
| Frag/…, Scaf/… | cosine similarity of the counts of BRICS fragments or Bemis-Murcko scaffolds | high |
| IntDiv, IntDiv2 | internal diversity; see `molvae.scoring.distribution` | high |
| Filters | share that passes the filters of MOSES; see `molvae.scoring.structural_filters` | high |
| logP, SA, QED, weight | Wasserstein-1 distance between the distributions of the property here and in Test | low |
| Novelty | share of the distinct molecules that are not in the training set | high |
| GuacaMol KL, GuacaMol FCD | GuacaMol's scores against a random subset of Test; see `molvae.scoring.guacamol` | high |

All rows but the last follow the code of MOSES 0.3.1 (Polykovskiy et al. 2020); tests compare them with its results. The
last follows GuacaMol (Brown et al. 2019), which compares with its training set; here the reference is Test, which MOSES
drew from the same molecules as its training set. All metrics but `valid` use valid molecules only, including duplicates
unless the table says "distinct".
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from molvae.chem.inputs import as_molecules
from molvae.documents import json_text
from molvae.files import write_text
from molvae.progress import SILENT, Progress
from molvae.scoring import guacamol
from molvae.scoring.distribution import (
    cosine_similarity,
    fraction_novel,
    fraction_unique,
    internal_diversity,
    nearest_similarities,
    wasserstein,
)
from molvae.scoring.fcd import chemnet_activations, chemnet_statistics, frechet_distance
from molvae.scoring.molecules import PROPERTIES, DescribedMolecules, describe_molecules
from molvae.scoring.reference import ReferenceStatistics

UNIQUE_AT = {"unique@1k": 1_000, "unique@10k": 10_000}


@dataclass(frozen=True)
class MetricTable:
    """The metrics of a list of molecules, in the order of the module's table; nan where they could not be computed.

    Attributes:
        metrics: name → value.
        terms: the ten terms of the GuacaMol KL score.
        sizes: number of molecules given, valid, and in each reference.
        notes: remarks that a reader needs to compare the numbers.
        versions: versions of the packages that influence the numbers.
    """

    metrics: Mapping[str, float]
    terms: Mapping[str, float] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    notes: Sequence[str] = ()
    versions: Mapping[str, str] = field(default_factory=dict)

    def to_json(self, path: str | Path | None = None) -> str:
        """The table as indented JSON, with nan as null; also written to `path` if given."""
        text = json_text(asdict(self), indent=2) + "\n"
        if path is not None:
            write_text(path, text)
        return text

    def to_frame(self) -> pd.DataFrame:
        """The table with one row per metric and the columns `metric` and `value`."""
        return pd.DataFrame({"metric": list(self.metrics), "value": list(self.metrics.values())})


def evaluate_smiles(
    smiles: Any,
    *,
    test: ReferenceStatistics | None = None,
    test_scaffolds: ReferenceStatistics | None = None,
    known: Collection[str] | None = None,
    n_jobs: int = -1,
    device: str | None = None,
    progress: Progress = SILENT,
) -> MetricTable:
    """Compute all metrics for which the required references are given.

    Args:
        smiles: all generated molecules in their order, with duplicates and invalid ones (which may be `None`), in any
            form that `molvae.chem.inputs.as_molecules` accepts.
        test: statistics of the reference set; see `molvae.scoring.reference.reference_statistics`.
        test_scaffolds: statistics of the reference set of unseen scaffolds.
        known: canonical SMILES of the training set; see `molvae.scoring.reference.known_molecules`.
        n_jobs: number of processes; -1 is one per core.
        device: device for ChemNet; `None` uses a GPU if there is one.
        progress: reports molecules done in each stage.

    Raises:
        MissingExtraError: when a reference has ChemNet statistics and `fcd` is not installed.
    """
    molecules = describe_molecules(as_molecules(smiles), n_jobs=n_jobs, progress=progress)
    return evaluate_described(
        molecules,
        test=test,
        test_scaffolds=test_scaffolds,
        known=known,
        n_jobs=n_jobs,
        device=device,
        progress=progress,
    )


def evaluate_described(
    molecules: DescribedMolecules,
    *,
    test: ReferenceStatistics | None = None,
    test_scaffolds: ReferenceStatistics | None = None,
    known: Collection[str] | None = None,
    n_jobs: int = -1,
    device: str | None = None,
    progress: Progress = SILENT,
) -> MetricTable:
    """`evaluate_smiles` for molecules that `describe_molecules` has described already, with `filters=True`."""
    both = {"Test": test, "TestSF": test_scaffolds}
    references = {label: statistics for label, statistics in both.items() if statistics is not None}
    values = {"valid": len(molecules) / molecules.n_input if molecules.n_input else math.nan}
    values |= {name: fraction_unique(molecules.smiles, k) for name, k in UNIQUE_AT.items()}
    activations = None
    if any(reference.chemnet is not None for reference in references.values()):
        activations = chemnet_activations(molecules.smiles, device=device, progress=progress)
        generated = chemnet_statistics(activations)
    for label, reference in references.items():
        if activations is not None and reference.chemnet is not None:
            values[f"FCD/{label}"] = frechet_distance(reference.chemnet, generated)
        nearest = nearest_similarities(
            molecules.fingerprints,
            reference.fingerprints,
            n_jobs=n_jobs,
            progress=progress,
            description=f"Neighbors {label}",
        )
        values[f"SNN/{label}"] = float(nearest.mean()) if len(nearest) else math.nan
        values[f"Frag/{label}"] = cosine_similarity(reference.fragments, molecules.fragments)
        values[f"Scaf/{label}"] = cosine_similarity(reference.scaffolds, molecules.scaffolds)
    values["IntDiv"], values["IntDiv2"] = internal_diversity(molecules.fingerprints, n_jobs=n_jobs, progress=progress)
    if molecules.passes is not None:
        values["Filters"] = float(molecules.passes.mean()) if len(molecules) else math.nan
    terms: dict[str, float] = {}
    if test is not None:
        for i, name in enumerate(PROPERTIES):
            values[name] = wasserstein(test.properties[:, i], molecules.properties[:, i])
    if known is not None:
        values["Novelty"] = fraction_novel(molecules.smiles, known)
    if test is not None:
        distinct = list(dict.fromkeys(molecules.smiles))[: guacamol.SAMPLE_SIZE]
        sample = guacamol.describe_sample(distinct, n_jobs=n_jobs, progress=progress)
        values["GuacaMol KL"], terms = guacamol.kl_score(test.guacamol, sample)
        if activations is not None and test.chemnet_subset is not None:
            subset = chemnet_statistics(activations[: guacamol.SAMPLE_SIZE])
            values["GuacaMol FCD"] = guacamol.fcd_score(frechet_distance(test.chemnet_subset, subset))
    return MetricTable(
        metrics=values,
        terms=terms,
        sizes={
            "given": molecules.n_input,
            "valid": len(molecules),
            **{label: reference.n_molecules for label, reference in references.items()},
            **({} if known is None else {"training": len(known)}),
        },
        notes=_notes(molecules, activations is not None, bool(references)),
        versions={name: version(name) for name in ("rdkit", *(("fcd",) if activations is not None else ()))},
    )


def compare(tables: Mapping[str, MetricTable]) -> pd.DataFrame:
    """Tables side by side: a row per metric, a column per list, and `mean` and `sd` for two or more lists."""
    frame = pd.DataFrame({label: pd.Series(table.metrics, dtype=float) for label, table in tables.items()})
    order = {name: None for table in tables.values() for name in table.metrics}
    frame = frame.loc[list(order)]
    if len(tables) > 1:
        columns = list(frame.columns)
        frame["mean"], frame["sd"] = frame[columns].mean(axis=1), frame[columns].std(axis=1)
    return frame.rename_axis("metric").reset_index()


def _notes(molecules: DescribedMolecules, with_fcd: bool, with_reference: bool) -> list[str]:
    notes = [f"{n:,} molecules count as invalid: {reason}" for reason, n in molecules.lost.items()]
    for name, k in UNIQUE_AT.items():
        if len(molecules) < k:
            notes.append(f"{name} is computed from only {len(molecules):,} valid molecules")
    if len(molecules) < guacamol.SAMPLE_SIZE and with_reference:
        notes.append(
            f"{len(molecules):,} valid molecules: FCD and SNN depend on this number; published values are for 30,000 "
            f"(MOSES) or {guacamol.SAMPLE_SIZE:,} (GuacaMol) molecules"
        )
    if with_reference and not with_fcd:
        notes.append("FCD is left out")
    return notes
