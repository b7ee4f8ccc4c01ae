"""Molecular descriptors from RDKit, under the names that prepared folders, property heads and output tables use."""

import os
import re
import sys
from collections.abc import Callable, Sequence
from functools import lru_cache
from types import ModuleType
from typing import Any

import numpy as np
from rdkit import Chem, RDConfig
from rdkit.Chem import QED, rdMolDescriptors

from molvae.chem.parse import parse_smiles
from molvae.errors import ConfigError


@lru_cache(maxsize=1)
def _sascorer() -> ModuleType:
    """The SA scorer from RDKit's Contrib folder, which is not on the import path."""
    folder = os.path.join(RDConfig.RDContribDir, "SA_Score")
    sys.path.append(folder)
    try:
        import sascorer
    finally:
        sys.path.remove(folder)
    return sascorer


def logp(mol: Chem.Mol) -> float:
    """Crippen's octanol/water logP (Wildman and Crippen 1999), without a unit."""
    return rdMolDescriptors.CalcCrippenDescriptors(mol)[0]


def sa(mol: Chem.Mol) -> float:
    """Synthetic accessibility score (Ertl and Schuffenhauer 2009), from 1 (easy) to 10 (hard)."""
    return _sascorer().calculateScore(mol)


def qed(mol: Chem.Mol) -> float:
    """Quantitative estimate of drug-likeness (Bickerton et al. 2012), from 0 to 1."""
    return QED.qed(mol)


@lru_cache(maxsize=1)
def _rdkit_descriptors() -> dict[str, Callable[[Chem.Mol], float]]:
    from rdkit.Chem import Descriptors  # slow to import

    return dict(Descriptors.descList)


DESCRIPTORS: dict[str, Callable[[Chem.Mol], float]] = {
    "logp": logp,
    "qed": qed,
    "sa": sa,
    "tpsa": rdMolDescriptors.CalcTPSA,  # Å²
    "mw": lambda mol: _rdkit_descriptors()["MolWt"](mol),  # average molecular weight, g/mol
    "hba": rdMolDescriptors.CalcNumHBA,
    "hbd": rdMolDescriptors.CalcNumHBD,
    "rotatable_bonds": rdMolDescriptors.CalcNumRotatableBonds,
    "rings": rdMolDescriptors.CalcNumRings,
    "aromatic_rings": rdMolDescriptors.CalcNumAromaticRings,
    "heavy_atoms": rdMolDescriptors.CalcNumHeavyAtoms,
    "heteroatoms": rdMolDescriptors.CalcNumHeteroatoms,
    "fraction_csp3": rdMolDescriptors.CalcFractionCSP3,
    "stereocenters": rdMolDescriptors.CalcNumAtomStereoCenters,
    "labute_asa": rdMolDescriptors.CalcLabuteASA,  # Å²
    "molar_refractivity": lambda mol: rdMolDescriptors.CalcCrippenDescriptors(mol)[1],
    "amide_bonds": rdMolDescriptors.CalcNumAmideBonds,
    "aliphatic_rings": rdMolDescriptors.CalcNumAliphaticRings,
    "saturated_rings": rdMolDescriptors.CalcNumSaturatedRings,
    "heterocycles": rdMolDescriptors.CalcNumHeterocycles,
    "aromatic_heterocycles": rdMolDescriptors.CalcNumAromaticHeterocycles,
    "spiro_atoms": rdMolDescriptors.CalcNumSpiroAtoms,
    "bridgehead_atoms": rdMolDescriptors.CalcNumBridgeheadAtoms,
    "chi0v": rdMolDescriptors.CalcChi0v,
    "chi1v": rdMolDescriptors.CalcChi1v,
    "chi2v": rdMolDescriptors.CalcChi2v,
    "chi3v": rdMolDescriptors.CalcChi3v,
    "chi4v": rdMolDescriptors.CalcChi4v,
    "chi0n": rdMolDescriptors.CalcChi0n,
    "chi1n": rdMolDescriptors.CalcChi1n,
    "chi2n": rdMolDescriptors.CalcChi2n,
    "hall_kier_alpha": rdMolDescriptors.CalcHallKierAlpha,
    "kappa1": rdMolDescriptors.CalcKappa1,
    "kappa2": rdMolDescriptors.CalcKappa2,
    "kappa3": rdMolDescriptors.CalcKappa3,
    "phi": rdMolDescriptors.CalcPhi,
}

_BASIC = tuple(DESCRIPTORS)[:13]
_NAMES = {"none": (), "basic": _BASIC, "wide": tuple(DESCRIPTORS)}
_UNDER_ANOTHER_NAME = re.compile(  # RDKit's own names of the descriptors above
    "MolLogP|qed|TPSA|MolWt|NumHAcceptors|NumHDonors|NumRotatableBonds|RingCount|Num(Aliphatic|Aromatic|Saturated)Rings|"
    "HeavyAtomCount|Num(Hetero|Spiro|Bridgehead)[aA]toms|FractionCSP3|NumAtomStereoCenters|LabuteASA|MolMR|NumAmideBonds|"
    "Num(Aromatic)?Heterocycles|Chi[0-4]v|Chi[0-2]n|HallKierAlpha|Kappa[123]|Phi"
)
DESCRIPTOR_SETS = (*_NAMES, "full")
"""`full` is `wide` plus all other 2D descriptors under their RDKit names, except Ipc, which grows without bound."""


@lru_cache(maxsize=1)
def _rest_of_rdkit() -> dict[str, Callable[[Chem.Mol], float]]:
    return {k: v for k, v in _rdkit_descriptors().items() if k != "Ipc" and not _UNDER_ANOTHER_NAME.fullmatch(k)}


def descriptor_set(name: str) -> tuple[str, ...]:
    """Names of the descriptors in a set of `DESCRIPTOR_SETS`."""
    return (*DESCRIPTORS, *_rest_of_rdkit()) if name == "full" else _NAMES[name]


def descriptor_names(names: Sequence[str]) -> tuple[str, ...]:
    """Expand set names (`none`, `basic`, `wide`, `full`) and check descriptor names.

    Raises:
        ConfigError: for a name that is neither a set nor a descriptor.
    """
    expanded: dict[str, None] = {}
    for name in names:
        if name not in DESCRIPTOR_SETS and name not in DESCRIPTORS and name not in _rest_of_rdkit():
            known = ", ".join((*DESCRIPTOR_SETS, *DESCRIPTORS))
            raise ConfigError(f"unknown descriptor {name!r}; expected an RDKit descriptor name or one of: {known}")
        expanded.update(dict.fromkeys(descriptor_set(name) if name in DESCRIPTOR_SETS else (name,)))
    return tuple(expanded)


def known_descriptors(names: Sequence[str]) -> tuple[str, ...]:
    """The given names that are names of descriptors."""
    return tuple(name for name in names if name in DESCRIPTORS or name in _rest_of_rdkit())


def descriptors(mol: Chem.Mol, names: Sequence[str]) -> np.ndarray:
    """The named descriptors of one molecule, shape `(len(names),)`, float32; nan where one is not defined.

    QED needs logP and TPSA; when they are asked for together, they are computed once.
    """
    known: dict[str, float] = {}
    if "qed" in names:
        parts = QED.properties(mol)
        known = {"qed": _or_nan(QED.qed, mol, qedProperties=parts), "logp": parts.ALOGP, "tpsa": parts.PSA}
    values = [known[n] if n in known else _or_nan(DESCRIPTORS.get(n) or _rest_of_rdkit()[n], mol) for n in names]
    with np.errstate(over="ignore"):
        array = np.array(values, dtype=np.float32)
    return np.where(np.isfinite(array), array, np.nan)


def descriptor_table(smiles: Sequence[str], names: Sequence[str]) -> np.ndarray:
    """The named descriptors of molecules `(n, len(names))`, float32; nan rows where one does not parse."""
    table = np.full((len(smiles), len(names)), np.nan, dtype=np.float32)
    for row, text in enumerate(smiles):
        mol = parse_smiles(text)
        if mol is not None:
            table[row] = descriptors(mol, names)
    return table


def _or_nan(descriptor: Callable[..., float], mol: Chem.Mol, **how: Any) -> float:
    """A descriptor; nan where it cannot be computed, such as QED of a molecule with a thousand donors."""
    try:
        return descriptor(mol, **how)
    except (ValueError, RuntimeError, ArithmeticError):
        return float("nan")
