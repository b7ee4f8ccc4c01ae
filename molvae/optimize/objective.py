"""Objectives: scores, each transformed to [0, 1] and weighted, joined by a mean."""

import copy
import difflib
import logging
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

import numpy as np
import pandas as pd
from pydantic import Field

from molvae.config import Section, parse_config, read_yaml
from molvae.errors import ConfigError, MolvaeError, ScoreError
from molvae.optimize.constraints import Constraints
from molvae.optimize.score import Molecule
from molvae.optimize.scores import SCORES, SINGLE_VALUES, AnyScore
from molvae.optimize.transforms import Transform

log = logging.getLogger(__name__)

Mean = Literal["geometric", "arithmetic", "pareto"]
COLUMNS = ("smiles", "score", "call", "origin", "front")
"""Columns of the results beside those of the scores."""


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
class Failure:
    """Why a whole batch of molecules has no score.

    Attributes:
        why: in a sentence.
        raised: whether the user's function raised, or gave something else than numbers.
    """

    why: str
    raised: bool = False


@dataclass(frozen=True)
class Objective:
    """Scores and how they are joined.

    Attributes:
        components: at least one (C); their names differ from each other and from `COLUMNS`.
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

    def __post_init__(self) -> None:
        if not self.components:
            raise ConfigError("the objective has no scores; expected at least one")
        for name, n in Counter(self.names).items():
            if name in COLUMNS:
                raise ConfigError(
                    f"a score cannot be called {name!r}, which is a column of the results; give it another `name`"
                )
            if n > 1:
                raise ConfigError(f"{n} scores are called {name!r}; give each a `name` of its own")
            if not name.strip() or not name.isprintable():
                raise ConfigError(f"a score cannot be called {name!r}; expected a name of printable characters")

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
        """Every component's raw values, `(n, C)`; nan where there is none or an infinite one."""
        columns = []
        for component in self.components:
            values = np.asarray(list(component.scorer(molecules)), dtype=np.float64)
            if values.shape != (len(molecules),):
                raise ScoreError(
                    f"the score {component.name!r} gave {values.size} values for {len(molecules)} molecules; "
                    "expected one per molecule"
                )
            if n_infinite := int(np.isinf(values).sum()):
                log.warning(
                    "%d of %d molecules have an infinite %s, which is no score", n_infinite, len(values), component.name
                )
            columns.append(np.where(np.isfinite(values), values, np.nan))
        return np.stack(columns, axis=1)

    def transformed(self, raw: np.ndarray) -> np.ndarray:
        """Components as the mean sees them, `(n, C)`, from raw values `(n, C)`."""
        with np.errstate(over="ignore"):  # an infinite value is no score, see `scores`
            columns = [
                raw[:, i] if component.transform is None else component.transform(raw[:, i])
                for i, component in enumerate(self.components)
            ]
        return np.stack(columns, axis=1)

    def scores(self, raw: np.ndarray) -> np.ndarray:
        """The scores `(n,)` of raw values `(n, C)`, finite; nan where a component is nan.

        In a geometric mean a negative component counts as 0.
        """
        values = self.transformed(raw)
        weights = np.array([c.weight for c in self.components])
        weights = weights / weights.sum()
        geometric = self.mean == "geometric"
        scores = np.prod(np.maximum(values, 0.0) ** weights, axis=1) if geometric else values @ weights
        return np.where(np.isfinite(scores), scores, np.nan)

    def failure(self, raw: np.ndarray) -> "Failure | None":
        """Why no molecule of the last call of `raw_values` has a score, by the values it gave; `None` when one has."""
        if not len(raw) or not np.isnan(self.scores(raw)).all():
            return None
        for i, component in enumerate(self.components):
            if np.isnan(raw[:, i]).all():
                why = getattr(component.scorer, "failure", None)
                if why is not None:
                    return Failure(
                        f"{component.name} failed on each, such as {why} "
                        "(a function is given a list of SMILES and returns a number for each)",
                        raised=True,
                    )
                return Failure(f"{component.name} has no value for any of them")
        return Failure("each lacks the value of one of the scores")

    def zeros(self, raw: np.ndarray) -> str | None:
        """Why every molecule scores 0, by their raw values `(n, C)`; `None` when one does not."""
        with_score = raw[~np.isnan(self.scores(raw))]
        if not len(with_score) or self.scores(with_score).any():
            return None
        reasons = []
        for i, (component, values) in enumerate(zip(self.components, self.transformed(with_score).T, strict=True)):
            low, high = with_score[:, i].min(), with_score[:, i].max()
            span = f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"
            if component.transform is not None and not values.any():
                reasons.append(f"the transform {component.transform.kind} makes 0 of {component.name} = {span}")
            elif not values.any():
                reasons.append(f"{component.name} is 0 for all of them")
            elif self.mean == "geometric" and not np.maximum(values, 0).any():
                reasons.append(
                    f"{component.name} is {span}, and a geometric mean counts what is negative as 0 "
                    "(give it a `transform`)"
                )
        return "; ".join(reasons) or "in each of them one of the scores is 0"


class _CallableScorer:
    """A user's function; a molecule on which it raises gets nan.

    Attributes:
        failure: why molecules of the last batch have no number, `None` if all have one.
    """

    def __init__(self, function: Callable[[list[str]], Any]) -> None:
        self.function = function
        self.failure: str | None = None

    def __call__(self, molecules: Sequence[Molecule]) -> list[float]:
        smiles = [m.smiles for m in molecules]
        try:
            values, failures = self._score(smiles)
        except MolvaeError:
            raise
        except Exception:  # the function is the user's: whatever it raises on one molecule must not end a long run
            values, failures = self._score_singly(smiles)
        self.failure = failures[0] if failures else None
        if failures and len(failures) < len(smiles):
            log.warning("%d of %d molecules have no score, such as %s", len(failures), len(smiles), failures[0])
        return values

    def _score(self, smiles: list[str]) -> tuple[list[float], list[str]]:
        """Numbers, nan where there is none, and a sentence for each value that is not missing and yet no number."""
        values, failures = [], []
        for text, value in zip(smiles, _one_each(self.function(smiles), len(smiles)), strict=True):
            values.append(_as_number(value))
            if math.isnan(values[-1]) and not _is_missing(value):
                failures.append(f"{text}: it gave {_short(value)}, no finite number")
        return values, failures

    def _score_singly(self, smiles: list[str]) -> tuple[list[float], list[str]]:
        values, failures = [], []
        for text in smiles:
            try:
                value, why = self._score([text])
            except MolvaeError:
                raise
            except Exception as error:
                value, why = [math.nan], [f"{text}: {_short(error)}"]
            values += value
            failures += why
        return values, failures


def _one_each(given: Any, n: int) -> list[Any]:
    """What a function gave for n molecules, as a list of n.

    Raises:
        ScoreError: when it is no list, array, Series, … of n values, or an array of another shape than `(n,)` or
            `(n, 1)`.
    """
    if hasattr(given, "detach"):
        given = given.detach().cpu()  # a tensor, which may be on a GPU and have a gradient
    shape = getattr(given, "shape", None)
    if isinstance(given, str | bytes | Mapping | Set) or not isinstance(given, Iterable) or shape == ():
        raise ScoreError(f"the objective gave {_short(given)} for {n} molecules; expected one number per molecule")
    if shape is not None and len(shape) > 1:
        if tuple(shape[1:]) != (1,):
            raise ScoreError(f"the objective gave an array of shape {tuple(shape)}; expected ({n},) or ({n}, 1)")
        given = np.asarray(given)[:, 0]
    values = given.to_pylist() if hasattr(given, "to_pylist") else list(given)
    if len(values) != n:
        raise ScoreError(f"the objective gave {len(values)} values for {n} molecules; expected one number per molecule")
    return values


def _as_number(value: Any) -> float:
    """A finite number; nan for anything else."""
    try:
        if isinstance(value, list | tuple | np.ndarray) and len(value) == 1:
            value = value[0]
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan
    return number if math.isfinite(number) else math.nan


def _is_missing(value: Any) -> bool:
    return value is None or (not isinstance(value, list | tuple | np.ndarray | str) and bool(pd.isna(value)))


def _short(value: object) -> str:
    """The first line of a representation."""
    text = repr(value) if not isinstance(value, Exception) else f"{type(value).__name__}: {value}"
    line = " ".join(text.split())
    return line if len(line) <= 200 else f"{line[:199]}…"


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
