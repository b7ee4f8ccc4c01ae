"""Named scores of single molecules, as an objective's YAML lists them; each class is also the configuration."""

import math
import re
import shlex
import subprocess
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, field_validator
from rdkit import Chem
from rdkit.Chem import GraphDescriptors

from molvae.chem.descriptors import DESCRIPTORS
from molvae.chem.matching import MAX_PATTERN, SECONDS, has_match, parse_smarts
from molvae.chem.parse import parse_smiles, silence_rdkit
from molvae.chem.similarity import SimilarityTo
from molvae.chem.standard_form import Element, check_element
from molvae.config import Seconds
from molvae.errors import ScoreError
from molvae.optimize.external import ChempropScore, HttpScore, TdcScore
from molvae.optimize.programs import OUTPUT_PER_MOLECULE, run_program
from molvae.optimize.score import Molecule, Score
from molvae.optimize.transforms import Gaussian, PositiveNumber

SINGLE_VALUES: dict[str, Callable[[Chem.Mol], float]] = DESCRIPTORS | {"bertz": GraphDescriptors.BertzCT}
"""The scores without parameters: molvae's descriptors, and Bertz's complexity."""

Fingerprint = Literal["ecfp4", "ecfp6", "fcfp4", "ap", "pharmacophore"]


class RdkitScore(Score):
    """Base of the scores that RDKit computes molecule by molecule."""

    def of(self, mol: Chem.Mol) -> float:
        """The raw value of one molecule."""
        raise NotImplementedError

    def values(self, molecules: Sequence[Molecule]) -> list[float]:
        """Raw values; nan where RDKit gives up."""
        with silence_rdkit():
            return [self._of_or_nan(m.mol) for m in molecules]

    def _of_or_nan(self, mol: Chem.Mol) -> float:
        try:
            return float(self.of(mol))
        except (ValueError, RuntimeError, ZeroDivisionError, OverflowError):
            return math.nan


class DescriptorScore(RdkitScore):
    """One of `SINGLE_VALUES`; YAML may name it directly: `kind: logp`."""

    kind: Literal["descriptor"] = "descriptor"
    descriptor: str

    @field_validator("descriptor")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in SINGLE_VALUES:
            raise ValueError(f"unknown descriptor; expected one of: {', '.join(SINGLE_VALUES)}")
        return value

    @property
    def label(self) -> str:
        """The descriptor's name."""
        return self.descriptor

    @property
    def single_value(self) -> str:
        """The descriptor's name."""
        return self.descriptor

    def of(self, mol: Chem.Mol) -> float:
        """The descriptor."""
        return SINGLE_VALUES[self.descriptor](mol)


class _TargetScore(RdkitScore):
    to: str
    fingerprint: Fingerprint = "ecfp4"

    _check_to = field_validator("to")(lambda value: check_molecule(value))

    def of(self, mol: Chem.Mol) -> float:
        """Similarity in [0, 1]."""
        return self._similarity(mol)

    @cached_property
    def _similarity(self) -> SimilarityTo:
        return SimilarityTo(self.to, self.fingerprint)


class SimilarityScore(_TargetScore):
    """Tanimoto similarity to a molecule.

    >>> SimilarityScore(to="CCO").of(parse_smiles("OCC"))
    1.0
    """

    kind: Literal["similarity"] = "similarity"

    @property
    def label(self) -> str:
        """Its kind and the fingerprint, as an objective may compare a molecule by two fingerprints."""
        return f"similarity_{self.fingerprint}"


class RediscoveryScore(_TargetScore):
    """Similarity to a molecule that is to be found again (Brown et al. 2019): 1 means found, up to stereochemistry."""

    kind: Literal["rediscovery"] = "rediscovery"


class MedianScore(RdkitScore):
    """Geometric mean of the similarities to two molecules (Brown et al. 2019)."""

    kind: Literal["median"] = "median"
    between: tuple[str, str]
    fingerprint: Fingerprint = "ecfp4"

    _check_between = field_validator("between")(lambda value: tuple(check_molecule(v) for v in value))

    def of(self, mol: Chem.Mol) -> float:
        """The mean in [0, 1]."""
        first, second = (similarity(mol) for similarity in self._similarities)
        return math.sqrt(first * second)

    @cached_property
    def _similarities(self) -> tuple[SimilarityTo, SimilarityTo]:
        first, second = (SimilarityTo(smiles, self.fingerprint) for smiles in self.between)
        return first, second


class SmartsScore(RdkitScore):
    """1 when a substructure is there (or, with `present: false`, is not), else 0."""

    kind: Literal["smarts"] = "smarts"
    pattern: str
    present: bool = True
    seconds_per_pattern: Annotated[Seconds, Field(exclude=True)] = SECONDS
    """For one molecule, after which the run ends; it changes no result."""

    _check_pattern = field_validator("pattern")(lambda value: check_smarts(value))

    def of(self, mol: Chem.Mol) -> float:
        """0 or 1."""
        return float(has_match(mol, self._query, seconds=self.seconds_per_pattern) == self.present)

    @cached_property
    def _query(self) -> Chem.Mol:
        return parse_smarts(self.pattern)


class IsomerScore(RdkitScore):
    """Nearness to a molecular formula, as in GuacaMol (Brown et al. 2019).

    It is the geometric mean of Gaussians of every element's count and of the number of atoms.

    >>> IsomerScore(formula="C2H6O").of(parse_smiles("CCO"))
    1.0
    """

    kind: Literal["isomer"] = "isomer"
    formula: str

    @field_validator("formula")
    @classmethod
    def _is_a_formula(cls, value: str) -> str:
        if not re.fullmatch(r"([A-Z][a-z]?[0-9]{0,3}){1,30}", value):
            raise ValueError("this is no molecular formula such as C7H8N2O2")
        for element in parse_formula(value):
            check_element(element)
        return value

    @property
    def label(self) -> str:
        """Its kind and the formula."""
        return f"isomer_{self.formula}"

    def of(self, mol: Chem.Mol) -> float:
        """Geometric mean, 1 for an isomer."""
        n_hydrogens = sum(atom.GetTotalNumHs() for atom in mol.GetAtoms())
        symbols = [atom.GetSymbol() for atom in mol.GetAtoms()] + ["H"] * n_hydrogens
        parts = [gaussian(np.array(symbols.count(element))) for element, gaussian in self._counts.items()]
        parts.append(self._total(np.array(len(symbols))))
        return math.prod(float(p) for p in parts) ** (1.0 / len(parts))

    @cached_property
    def _counts(self) -> dict[str, Gaussian]:
        return {element: Gaussian(mu=n, sigma=1.0) for element, n in parse_formula(self.formula).items()}

    @cached_property
    def _total(self) -> Gaussian:
        return Gaussian(mu=sum(parse_formula(self.formula).values()), sigma=2.0)


class AtomsScore(RdkitScore):
    """How many atoms of an element there are."""

    kind: Literal["atoms"] = "atoms"
    element: Element

    @property
    def label(self) -> str:
        """Its kind and the element."""
        return f"atoms_{self.element}"

    def of(self, mol: Chem.Mol) -> float:
        """A count; implicit hydrogens are counted too."""
        if self.element == "H":
            return float(sum(atom.GetTotalNumHs(includeNeighbors=True) for atom in mol.GetAtoms()))
        return float(sum(atom.GetSymbol() == self.element for atom in mol.GetAtoms()))


class ProgramScore(Score):
    """An external program that reads SMILES on standard input, one per line, and writes one number per line.

    It is started once for every batch. "nan" is a number: it means that this molecule has no value. What it writes is
    read as UTF-8, bytes that are none are replaced. When it takes too long or writes too much, or when molvae is
    interrupted, it is ended together with the programs that it started.
    """

    kind: Literal["program"] = "program"
    command: str
    timeout: PositiveNumber | None = None
    """Seconds for one batch."""

    def values(self, molecules: Sequence[Molecule]) -> list[float]:
        """What the program writes.

        Raises:
            ScoreError: when it cannot be started, fails, takes too long, or writes too much or anything but one number
                per molecule.
        """
        text = "".join(f"{m.smiles}\n" for m in molecules)
        try:
            done = run_program(
                shlex.split(self.command), text, timeout=self.timeout, most=OUTPUT_PER_MOLECULE * len(molecules)
            )
        except OSError as error:
            raise ScoreError(f"the program {self.command!r} cannot be started: {error.strerror or error}") from error
        except subprocess.TimeoutExpired as error:
            raise ScoreError(
                f"the program {self.command!r} took longer than {self.timeout:g} seconds for {len(molecules)} molecules"
            ) from error
        if done.truncated:
            raise ScoreError(
                f"the program {self.command!r} wrote more than {OUTPUT_PER_MOLECULE // 1000} kB per molecule; "
                "expected one number per line"
            )
        if done.exit_code:
            said = done.stderr.strip().splitlines()
            why = f": {said[-1].strip()[:500]}" if said else " without a message"
            raise ScoreError(f"the program {self.command!r} failed with exit code {done.exit_code}{why}")
        lines = done.stdout.split("\n")[:-1] if done.stdout.endswith("\n") else done.stdout.splitlines()
        if len(lines) != len(molecules):
            raise ScoreError(
                f"the program {self.command!r} wrote {len(lines)} lines for {len(molecules)} molecules; "
                "expected one per molecule"
            )
        try:
            return [float(line) for line in lines]
        except ValueError as error:
            bad = next(line for line in lines if not _is_number(line))
            shown = bad if len(bad) <= 80 else f"{bad[:79]}…"
            raise ScoreError(f"the program {self.command!r} wrote {shown!r}; expected one number per line") from error


AnyScore = Annotated[
    DescriptorScore
    | SimilarityScore
    | RediscoveryScore
    | MedianScore
    | SmartsScore
    | IsomerScore
    | AtomsScore
    | ProgramScore
    | HttpScore
    | TdcScore
    | ChempropScore,
    Field(discriminator="kind"),
]
KINDS = ("similarity", "rediscovery", "median", "smarts", "isomer", "atoms", "program", "http", "tdc", "chemprop")
SCORES: tuple[str, ...] = (*SINGLE_VALUES, *KINDS)
"""Every name that `kind:` may have."""


def parse_formula(formula: str) -> dict[str, int]:
    """Elements and their counts.

    >>> parse_formula("C2H6O")
    {'C': 2, 'H': 6, 'O': 1}
    """
    return {element: int(n or 1) for element, n in re.findall(r"([A-Z][a-z]?)(\d*)", formula)}


def check_molecule(value: str) -> str:
    """The SMILES itself; raises `ValueError` when it does not parse."""
    if parse_smiles(value) is None:
        raise ValueError("this does not parse as a molecule")
    return value


def check_smarts(value: str) -> str:
    """The SMARTS itself; raises `ValueError` when it does not parse."""
    if parse_smarts(value) is None:
        raise ValueError(f"this does not parse as SMARTS, or is longer than {MAX_PATTERN:,} characters")
    return value


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
