"""What must hold before a molecule is scored: soundness, similarity to a molecule, windows, substructures."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Annotated, Any

from pydantic import Field, field_validator
from rdkit import Chem

from molvae.chem.kept import Kept
from molvae.chem.matching import SECONDS, has_match, parse_smarts
from molvae.chem.parse import silence_rdkit
from molvae.chem.similarity import SimilarityTo
from molvae.chem.soundness import unsoundness
from molvae.config import Fraction, Number, Seconds, Section, parse_config
from molvae.optimize.scores import SINGLE_VALUES, check_molecule, check_smarts
from molvae.scoring.structural_filters import structural_alert


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
    """Constraints on molecules; all must hold.

    >>> Constraints(windows={"logp": (1, 3)}).hold(Chem.MolFromSmiles("CCCCCC"))
    True
    """

    similar_to: SimilarityConstraint | None = None
    keep: str | None = None
    """A part that every molecule has, as a SMILES with `*` where it grows (`molvae.chem.kept`); the search makes only
    such molecules."""
    keeps: tuple[str, ...] = ()
    """SMARTS that must all be present, such as a scaffold."""
    seconds_per_pattern: Annotated[Seconds, Field(exclude=True)] = SECONDS
    """For one of `keeps` and one molecule, after which the run ends; it changes no result."""
    windows: Mapping[str, tuple[Number | None, Number | None]] = {}
    """Descriptor → lowest and highest value allowed; `null` leaves a side open."""

    sound: bool = True
    """No unpaired electrons, no charge that protons could balance, and none of `chem.soundness.UNSOUND`."""

    alerts: bool = True
    """None of the structural alerts of `scoring.structural_filters`: the MCF of MOSES, and PAINS."""

    _check_keeps = field_validator("keeps")(lambda value: tuple(check_smarts(v) for v in value))

    @field_validator("keep")
    @classmethod
    def _keep_is_a_part(cls, value: str | None) -> str | None:
        if value is not None:
            Kept(value)
        return value

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
        return self.refusal(mol) is None

    def refusal(self, mol: Chem.Mol) -> str | None:
        """Why a molecule may not be scored, `None` where it may."""
        wrong = unsoundness(mol) if self.sound else None
        if wrong is not None:
            return f"not sound: {wrong}"
        alert = structural_alert(mol) if self.alerts else None
        if alert is not None:
            return f"structural alert {alert}"
        if self.similar_to is not None and not self.similar_to.holds(mol):
            return f"similarity below {self.similar_to.at_least:g}"
        if self.kept is not None and not self.kept.holds(mol):
            return "without the part to keep"
        with silence_rdkit():
            for pattern, query in zip(self.keeps, self._queries, strict=True):
                if not has_match(mol, query, seconds=self.seconds_per_pattern):
                    return f"without {pattern}"
            for name, window in self.windows.items():
                if not _inside(SINGLE_VALUES[name](mol), *window):
                    return f"{name} outside its window"
        return None

    @cached_property
    def kept(self) -> Kept | None:
        """The part to keep."""
        return None if self.keep is None else Kept(self.keep)

    @cached_property
    def _queries(self) -> list[Chem.Mol]:
        return [parse_smarts(pattern) for pattern in self.keeps]


def _inside(value: float, low: float | None, high: float | None) -> bool:
    return (low is None or value >= low) and (high is None or value <= high)


def constraints(
    *,
    similar_to: str | None = None,
    min_similarity: float = 0.4,
    keep: str | None = None,
    contains: Sequence[str] = (),
    window: Mapping[str, tuple[float | None, float | None]] | None = None,
    sound: bool | None = None,
    alerts: bool | None = None,
    seconds_per_pattern: float | None = None,
) -> Constraints:
    """The constraints that a request names; what it does not name stays as the objective has it.

    Args:
        similar_to: only molecules similar to this one.
        min_similarity: the least ECFP4 Tanimoto similarity to it.
        keep: a part that every molecule has, as in `MoleculeGenerator.draw`; only such molecules are made.
        contains: SMARTS that must all be found.
        window: descriptor → lowest and highest value, `None` for an open side.
        sound: see `Constraints`.
        alerts: see `Constraints`.
        seconds_per_pattern: see `Constraints`.

    Raises:
        ConfigError: for a value that cannot be used, naming it.
    """
    values: dict[str, Any] = {"keep": keep, "sound": sound, "alerts": alerts, "windows": window or None}
    values |= {"keeps": tuple(contains) or None, "seconds_per_pattern": seconds_per_pattern}
    if similar_to:
        values["similar_to"] = {"to": similar_to, "at_least": min_similarity}
    given = {name: value for name, value in values.items() if value is not None}
    return parse_config(Constraints, given, where="the constraints")
