"""Objectives: scores, each transformed to [0, 1] and weighted, joined by a mean."""

import copy
import difflib
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

import numpy as np
from pydantic import Field

from molvae.config import Section, parse_config, read_yaml
from molvae.errors import ConfigError, MolvaeError, ScoreError
from molvae.optimize.constraints import Constraints
from molvae.optimize.scores import SCORES, SINGLE_VALUES, AnyScore, Molecule
from molvae.optimize.transforms import Transform

log = logging.getLogger(__name__)

Mean = Literal["geometric", "arithmetic", "pareto"]


class ObjectiveConfig(Section):
    """An objective as YAML."""

    scores: Annotated[tuple[AnyScore, ...], Field(min_length=1)]
    mean: Mean = "geometric"
    """How scores are joined; `pareto` searches for the whole trade-off and reports the arithmetic mean as the score."""
    constraints: Constraints = Constraints()


class Scorer(Protocol):
    """Anything that gives the raw values of a batch of molecules."""

    def __call__(self, molecules: Sequence[Molecule]) -> Sequence[float]:
        """One value per molecule, nan where there is none."""
        ...


@dataclass(frozen=True)
class Component:
    """One score of an objective.

    Attributes:
        name: of its column in output tables.
        scorer: gives raw values.
        transform: from raw values to [0, 1]; `None` keeps them.
        weight: in the mean.
        descriptor: which of `SINGLE_VALUES` it is; `None` for other scores.
    """

    name: str
    scorer: Scorer
    transform: Transform | None = None
    weight: float = 1.0
    descriptor: str | None = None


@dataclass(frozen=True)
class Objective:
    """Scores and how they are joined.

    Attributes:
        components: at least one (C).
        mean: how they are joined.
        constraints: what must hold before a molecule is scored.
        description: plain values that identify the objective; stored in the record of a run.

    >>> objective = Objective.of_callable(lambda smiles: [len(s) / 10 for s in smiles])
    >>> objective.scores(objective.raw_values([Molecule("CCO", None)]))
    array([0.3])
    """

    components: tuple[Component, ...]
    mean: Mean = "geometric"
    constraints: Constraints = field(default_factory=Constraints)
    description: Any = None

    @classmethod
    def of_config(cls, config: ObjectiveConfig) -> "Objective":
        """The objective that a configuration describes."""
        names = _distinct([score.name or score.label for score in config.scores])
        components = (
            Component(name, score.values, score.transform, score.weight, score.single_value)
            for name, score in zip(names, config.scores, strict=True)
        )
        return cls(tuple(components), config.mean, config.constraints, config.model_dump(mode="json"))

    @classmethod
    def of_callable(cls, function: Callable[[list[str]], Sequence[float]], *, name: str = "value") -> "Objective":
        """An objective of one Python function from SMILES to numbers, the larger the better."""
        return cls((Component(name, _CallableScorer(function)),), "arithmetic", description={"callable": name})

    def with_constraints(self, constraints: Constraints) -> "Objective":
        """The same objective, with these constraints in place of its own of the same kind."""
        own, given = ({n: getattr(c, n) for n in c.model_fields_set} for c in (self.constraints, constraints))
        joined = Constraints.model_validate(own | given)
        description = {"objective": self.description, "constraints": joined.model_dump(mode="json")}
        return replace(self, constraints=joined, description=description)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the components."""
        return tuple(c.name for c in self.components)

    def raw_values(self, molecules: Sequence[Molecule]) -> np.ndarray:
        """Every component's raw values, `(n, C)`; nan where there is none."""
        columns = []
        for component in self.components:
            values = np.asarray(list(component.scorer(molecules)), dtype=np.float64)
            if values.shape != (len(molecules),):
                raise ScoreError(
                    f"the score {component.name!r} gave {values.size} values for {len(molecules)} molecules; "
                    "expected one per molecule"
                )
            columns.append(values)
        return np.stack(columns, axis=1)

    def transformed(self, raw: np.ndarray) -> np.ndarray:
        """Components as the mean sees them, `(n, C)`, from raw values `(n, C)`."""
        columns = [
            raw[:, i] if component.transform is None else component.transform(raw[:, i])
            for i, component in enumerate(self.components)
        ]
        return np.stack(columns, axis=1)

    def scores(self, raw: np.ndarray) -> np.ndarray:
        """The scores `(n,)` of raw values `(n, C)`; nan where a component is nan.

        In a geometric mean a negative component counts as 0.
        """
        values = self.transformed(raw)
        weights = np.array([c.weight for c in self.components])
        weights = weights / weights.sum()
        if self.mean == "geometric":
            return np.prod(np.maximum(values, 0.0) ** weights, axis=1)
        return values @ weights


class _CallableScorer:
    """A user's function; a molecule on which it raises gets nan."""

    def __init__(self, function: Callable[[list[str]], Sequence[float]]) -> None:
        self.function = function

    def __call__(self, molecules: Sequence[Molecule]) -> list[float]:
        smiles = [m.smiles for m in molecules]
        try:
            return [float(v) for v in self.function(smiles)]
        except MolvaeError:
            raise
        except Exception as error:  # the function is the user's: whatever it raises must not end a long run
            if len(molecules) == 1:
                log.warning("the score of %s failed: %r", smiles[0], error)
                return [math.nan]
        return [value for molecule in molecules for value in self([molecule])]


def load_objective(path: str | Path) -> Objective:
    """Read an objective's YAML.

    Raises:
        ConfigError: for an unreadable file, a misspelled score or key, or a bad value, naming it.
    """
    values = read_yaml(path, expected="a list `scores`, each with a `kind`")
    return Objective.of_config(parse_objective(values, where=str(path)))


def parse_objective(values: dict[str, Any], *, where: str) -> ObjectiveConfig:
    """Validate plain values; `kind: logp` is short for `kind: descriptor` with `descriptor: logp`."""
    listed = values.get("scores")
    if isinstance(listed, list):
        values = copy.copy(values)  # which keeps the places of its values
        values["scores"] = [_spelled_out(score, f"{where}: scores.{i}") for i, score in enumerate(listed)]
    return parse_config(ObjectiveConfig, values, where=where)


def _spelled_out(score: Any, where: str) -> Any:
    if not isinstance(score, dict):
        raise ConfigError(f"{where}: got {score!r}; expected keys such as `kind: qed`")
    kind = score.get("kind")
    if kind in SINGLE_VALUES:
        return score | {"kind": "descriptor", "descriptor": kind}
    if kind not in (*SCORES, "descriptor"):
        near = difflib.get_close_matches(str(kind), SCORES, n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise ConfigError(f"{where}: unknown score {kind!r}{hint}; expected one of: {', '.join(SCORES)}")
    return score


def _distinct(names: Sequence[str]) -> list[str]:
    """Names, with a number appended to those that occur more than once."""
    return [name if names.count(name) == 1 else f"{name}_{names[: i + 1].count(name)}" for i, name in enumerate(names)]
