"""What a molecule must be to be worth an oracle call: sound, similar to a start, within windows, a part kept."""

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated

from pydantic import Field, field_validator
from rdkit import Chem

from molvae.chem.parse import silence_rdkit
from molvae.chem.similarity import SimilarityTo
from molvae.chem.standardize import is_sound
from molvae.config import Fraction, Section
from molvae.optimize.scores import SINGLE_VALUES, check_molecule, check_smarts


class SimilarityConstraint(Section):
    """Tanimoto similarity of ECFP4 bits (2,048), as the published constrained benchmarks compute it."""

    to: str
    at_least: Fraction = 0.4

    _check_to = field_validator("to")(lambda value: check_molecule(value))

    def holds(self, mol: Chem.Mol) -> bool:
        """Whether the molecule is similar enough."""
        return self._similarity(mol) >= self.at_least

    @cached_property
    def _similarity(self) -> SimilarityTo:
        return SimilarityTo(self.to)


class Constraints(Section):
    """All must hold.

    >>> Constraints(windows={"logp": (1, 3)}).hold(Chem.MolFromSmiles("CCCCCC"))
    True
    """

    similar_to: SimilarityConstraint | None = None
    keeps: tuple[str, ...] = ()
    """SMARTS that must all be present, such as a scaffold."""
    windows: Mapping[str, Annotated[tuple[float | None, float | None], Field()]] = {}
    """Descriptor → lowest and highest value allowed; `null` leaves a side open."""

    sound: bool = True
    """No unpaired electrons, and no charge that protons could balance."""

    _check_keeps = field_validator("keeps")(lambda value: tuple(check_smarts(v) for v in value))

    @field_validator("windows")
    @classmethod
    def _windows_are_sound(
        cls, value: Mapping[str, tuple[float | None, float | None]]
    ) -> Mapping[str, tuple[float | None, float | None]]:
        for name, (low, high) in value.items():
            if name not in SINGLE_VALUES:
                raise ValueError(f"unknown descriptor {name!r}; expected one of: {', '.join(SINGLE_VALUES)}")
            if low is not None and high is not None and low > high:
                raise ValueError(f"the window of {name} is empty: {low:g} is above {high:g}")
        return value

    def hold(self, mol: Chem.Mol) -> bool:
        """Whether a molecule may be scored at all."""
        if self.sound and not is_sound(mol):
            return False
        if self.similar_to is not None and not self.similar_to.holds(mol):
            return False
        with silence_rdkit():
            if not all(mol.HasSubstructMatch(query) for query in self._queries):
                return False
            return all(_inside(SINGLE_VALUES[name](mol), *window) for name, window in self.windows.items())

    @cached_property
    def _queries(self) -> list[Chem.Mol]:
        return [Chem.MolFromSmarts(pattern) for pattern in self.keeps]


def _inside(value: float, low: float | None, high: float | None) -> bool:
    return (low is None or value >= low) and (high is None or value <= high)
