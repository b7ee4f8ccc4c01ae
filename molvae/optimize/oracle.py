"""The objective behind a counter: unique molecules cost a call each, known ones nothing."""

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from rdkit import Chem

from molvae.chem.parse import parse_smiles
from molvae.errors import ConfigError, ScoreError
from molvae.optimize.objective import Objective
from molvae.optimize.record import Call, History
from molvae.optimize.score import Molecule

SYSTEMATIC = 10  # molecules without a score in one batch that are no accident


@dataclass(frozen=True)
class Candidate:
    """A molecule that a search proposes, and how it was made."""

    smiles: str
    origin: str


class Oracle:
    """Scores candidates until the budget is used up.

    Args:
        objective: what is wanted.
        budget: calls allowed, those already in the history counted.
        history: where calls go; a new, empty one if none is given.

    Attributes:
        seconds: time spent in the objective.
        refusals: molecules that a constraint kept from being scored, by reason.
    """

    def __init__(self, objective: Objective, budget: int, *, history: History | None = None) -> None:
        if budget < 1:
            raise ConfigError(f"got a budget of {budget} calls; expected at least 1")
        self.objective = objective
        self.budget = budget
        self.history = History(objective.names) if history is None else history
        self.seconds = 0.0
        self.refusals: Counter[str] = Counter()
        self._refused: dict[str, str] = {}

    @property
    def n_refused(self) -> int:
        """Molecules that a constraint kept from being scored."""
        return len(self._refused)

    def refusal(self, smiles: str) -> str | None:
        """Why a molecule was refused, `None` if it was not."""
        return self._refused.get(smiles)

    @property
    def remaining(self) -> int:
        """Calls left."""
        return max(self.budget - len(self.history), 0)

    def admits(self, smiles: str) -> Molecule | None:
        """The molecule, if it would cost a call: it parses, is new, and meets the constraints."""
        if smiles in self.history or smiles in self._refused:
            return None
        mol = parse_smiles(smiles) if smiles else None
        if mol is None:
            return None
        canonical = Chem.MolToSmiles(mol)
        if canonical in self.history or canonical in self._refused:
            return None
        reason = self.objective.constraints.refusal(mol)
        if reason is not None:
            self._refused[canonical] = reason
            self.refusals[reason] += 1
            return None
        return Molecule(canonical, mol)

    def __call__(self, candidates: Iterable[Candidate]) -> list[Call]:
        """Score the candidates that are new, as many as the budget allows, and return these calls.

        Candidates that do not parse, that were scored before or that a constraint refuses cost nothing.

        Raises:
            ScoreError: when the objective fails altogether: on the whole first batch, or on a whole large one. These
                calls are not counted.
        """
        new: dict[str, tuple[Molecule, str]] = {}
        for candidate in candidates:
            if len(new) == self.remaining:
                break
            molecule = self.admits(candidate.smiles)
            if molecule is not None:
                new.setdefault(molecule.smiles, (molecule, candidate.origin))
        if not new:
            return []
        molecules = [molecule for molecule, _ in new.values()]
        start = time.perf_counter()
        raw = self.objective.raw_values(molecules)
        self.seconds += time.perf_counter() - start
        scores = np.asarray(self.objective.scores(raw))
        self._check(raw)
        made = [
            Call(number, molecule.smiles, float(score), tuple(map(float, values)), origin)
            for number, ((molecule, origin), score, values) in enumerate(
                zip(new.values(), scores, raw, strict=True), start=len(self.history) + 1
            )
        ]
        self.history.add(made)
        return made

    def _check(self, raw: np.ndarray) -> None:
        """Raise `ScoreError` when the objective fails altogether on a batch, with raw values `(n, C)`."""
        failure = self.objective.failure(raw)
        if failure is None:
            return
        first = bool(np.isnan(self.history.scores).all())  # also of no calls
        if (first and failure.raised) or (len(raw) >= SYSTEMATIC and (first or failure.raised)):
            which = f"the {len(raw)} molecules of the {'first' if not len(self.history) else 'last'} batch"
            raise ScoreError(f"none of {which} has a score: {failure.why}")
