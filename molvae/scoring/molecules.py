"""What the metrics need of single molecules, computed once for a whole list, in parallel."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from rdkit import Chem, DataStructs
from rdkit.Chem import rdFingerprintGenerator
from rdkit.Chem.Scaffolds import MurckoScaffold

from molvae.chem.descriptors import descriptors
from molvae.chem.parse import parse_smiles, silence_rdkit
from molvae.progress import SILENT, Progress
from molvae.scoring.parallel import map_chunks
from molvae.scoring.structural_filters import passes_filters
from molvae.supervised import supervised

PROPERTIES = {"logP": "logp", "SA": "sa", "QED": "qed", "weight": "mw"}  # name in MOSES → descriptor
FINGERPRINT_BITS = 1024
MIN_SCAFFOLD_RINGS = 2
CHUNK = 500


@dataclass(frozen=True)
class DescribedMolecules:
    """What the metrics need of a list of molecules: of the N valid ones in their order, duplicates included.

    Attributes:
        n_input: number of strings given, valid or not.
        smiles: canonical SMILES of the N valid molecules.
        fingerprints: `(N, 128)` uint8, Morgan fingerprints of radius 2 with 1,024 bits, packed little-endian.
        properties: `(N, 4)` float32, with the columns of `PROPERTIES`.
        fragments: BRICS fragment → number of occurrences.
        scaffolds: Bemis-Murcko scaffold with at least two rings → number of occurrences.
        passes: `(N,)` bool, whether a molecule passes the filters of MOSES; `None` if not asked for.
        lost: why molecules could not be described in time → their number; they count as invalid.
    """

    n_input: int
    smiles: list[str]
    fingerprints: np.ndarray
    properties: np.ndarray
    fragments: Counter[str]
    scaffolds: Counter[str]
    passes: np.ndarray | None = None
    lost: Counter[str] = field(default_factory=Counter)

    def __len__(self) -> int:
        return len(self.smiles)


def describe_molecules(
    smiles: Sequence[str | None],
    *,
    filters: bool = True,
    seconds: float | None = None,
    n_jobs: int = -1,
    progress: Progress = SILENT,
    description: str = "Describing",
) -> DescribedMolecules:
    """Describe a list of molecules; strings that RDKit cannot parse, `None` and "" only count in `n_input`.

    Args:
        smiles: the molecules, as they were generated.
        filters: whether to compute `passes`.
        seconds: for one molecule; one that takes longer, or crashes RDKit, counts as invalid. `None` is no limit.
        n_jobs: number of processes; -1 is one per core.
        progress: reports molecules done.
        description: name of the stage in the progress report.
    """
    chunks = list(
        map_chunks(
            _describe_in_time,
            smiles,
            filters,
            seconds,
            chunk_size=CHUNK,
            description=description,
            n_jobs=n_jobs,
            progress=progress,
        )
    )
    fragments: Counter[str] = Counter()
    scaffolds: Counter[str] = Counter()
    lost: Counter[str] = Counter()
    for chunk in chunks:
        fragments.update(chunk.fragments)
        scaffolds.update(chunk.scaffolds)
        lost.update(chunk.lost)
    passes = [chunk.passes for chunk in chunks if chunk.passes is not None]
    return DescribedMolecules(
        n_input=len(smiles),
        smiles=[s for chunk in chunks for s in chunk.smiles],
        fingerprints=np.concatenate([_no_bits(), *(chunk.fingerprints for chunk in chunks)]),
        properties=np.concatenate([_no_values(), *(chunk.properties for chunk in chunks)]),
        fragments=fragments,
        scaffolds=scaffolds,
        passes=np.concatenate([np.empty(0, dtype=bool), *passes]) if filters else None,
        lost=lost,
    )


def canonical_list(
    smiles: Sequence[str], *, n_jobs: int = -1, progress: Progress = SILENT, description: str = "Canonical SMILES"
) -> list[str | None]:
    """The canonical SMILES of each molecule; `None` for those that do not parse."""
    chunks = map_chunks(
        _canonical_chunk, smiles, chunk_size=20 * CHUNK, description=description, n_jobs=n_jobs, progress=progress
    )
    return [s for chunk in chunks for s in chunk]


def packed_morgan(mol: Chem.Mol, n_bits: int = FINGERPRINT_BITS) -> np.ndarray:
    """The Morgan fingerprint of radius 2 (Rogers and Hahn 2010), packed bits `(n_bits / 8,)` uint8."""
    bits = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=n_bits).GetFingerprint(mol)
    return np.frombuffer(DataStructs.BitVectToBinaryText(bits), dtype=np.uint8)


def brics_fragments(mol: Chem.Mol) -> list[str]:
    """SMILES of the fragments that result from cutting all BRICS bonds (Degen et al. 2008)."""
    return Chem.MolToSmiles(Chem.FragmentOnBRICSBonds(mol)).split(".")


def murcko_scaffold(mol: Chem.Mol) -> str | None:
    """SMILES of the scaffold (Bemis and Murcko 1996); `None` if it has fewer than two rings."""
    if mol.GetRingInfo().NumRings() < MIN_SCAFFOLD_RINGS:  # of a large molecule the scaffold takes seconds
        return None
    try:
        scaffold = MurckoScaffold.GetScaffoldForMol(mol)
    except (ValueError, RuntimeError):  # RDKit finds no scaffold for some unusual molecules
        return None
    if scaffold.GetRingInfo().NumRings() < MIN_SCAFFOLD_RINGS:
        return None
    return Chem.MolToSmiles(scaffold) or None


def _describe_in_time(smiles: Sequence[str | None], filters: bool, seconds: float | None) -> DescribedMolecules:
    if seconds is None:
        return _describe_chunk(smiles, filters)
    described, lost = supervised(_describe_chunk, smiles, filters, seconds=seconds)
    return replace(described, lost=Counter(lost.values()))


def _describe_chunk(smiles: Sequence[str | None], filters: bool) -> DescribedMolecules:
    canonical: list[str] = []
    fingerprints, properties, passes = [_no_bits()], [_no_values()], []
    fragments: Counter[str] = Counter()
    scaffolds: Counter[str] = Counter()
    names = tuple(PROPERTIES.values())
    with silence_rdkit():
        for text in smiles:
            mol = parse_smiles(text) if text else None
            if mol is None:
                continue
            canonical.append(Chem.MolToSmiles(mol))
            fingerprints.append(packed_morgan(mol)[None])
            properties.append(descriptors(mol, names)[None])
            fragments.update(brics_fragments(mol))
            scaffold = murcko_scaffold(mol)
            if scaffold is not None:
                scaffolds[scaffold] += 1
            if filters:
                passes.append(passes_filters(mol))
    return DescribedMolecules(
        len(smiles),
        canonical,
        np.concatenate(fingerprints),
        np.concatenate(properties),
        fragments,
        scaffolds,
        np.array(passes, dtype=bool) if filters else None,
    )


def _canonical_chunk(smiles: Sequence[str]) -> list[str | None]:
    with silence_rdkit():
        mols = (parse_smiles(s) for s in smiles)
        return [None if mol is None else Chem.MolToSmiles(mol) for mol in mols]


def _no_bits() -> np.ndarray:
    return np.empty((0, FINGERPRINT_BITS // 8), dtype=np.uint8)


def _no_values() -> np.ndarray:
    return np.empty((0, len(PROPERTIES)), dtype=np.float32)
