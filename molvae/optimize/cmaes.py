"""`cmaes`: a Gaussian in the latent moves to high scores (Hansen and Ostermeier 2001), with the package cma."""

from typing import Any

import numpy as np

from molvae.errors import MissingExtraError
from molvae.optimize.moves import MIN_FOR_SPREAD, Moves
from molvae.optimize.oracle import Candidate, Oracle
from molvae.optimize.search import best_first, fitness

STEPS = (1.0, 0.5, 0.35, 0.25, 0.18, 0.12)  # first step sizes to choose from, in units of the latents' spread
TRIED = 20  # latents decoded to choose a step size
ELITE = 50  # molecules whose spread scales the latent
WORST = 1e3  # cost of a latent that decodes to no molecule that may be scored


class CMAES:
    """CMA-ES in the latent (Hansen and Ostermeier 2001).

    The distribution starts at the best molecule of the history, with the step size that gives the most new molecules:
    latents too far from it decode to nothing, those too near to the molecule itself. It starts anew there when a round
    gave no new molecule, and in a resumed run.

    Args:
        moves: the model behind it.

    Raises:
        MissingExtraError: when cma is not installed.
    """

    def __init__(self, moves: Moves) -> None:
        try:
            import cma
        except ImportError as error:
            raise MissingExtraError.of("the method cmaes needs the package cma", "optimize") from error
        self._cma = cma
        self.moves = moves
        self._strategy: Any = None
        self._asked: list[tuple[np.ndarray, str]] = []
        self._found = True  # whether the last round had a new molecule

    def propose(self, oracle: Oracle, n: int, rng: np.random.Generator) -> list[Candidate]:
        """See `Search`."""
        values = fitness(oracle, rng)
        best = best_first(values, ELITE)
        if not len(best):
            return self.moves.random(n, rng)
        if self._strategy is not None:
            self._tell(oracle, values)
        if self._strategy is None or self._strategy.stop() or not self._found:
            self._begin(oracle, best, n, rng)
        points = self._strategy.ask()
        latents = self._center + self._scale * np.array(points)
        decoded = self.moves.decode(latents, rng)
        known = [oracle.admits(smiles) is None for smiles in decoded]
        if any(known):  # another draw at the same latent may be new
            again = self.moves.decode(latents[known], rng, greedy=False)
            for i, smiles in zip(np.flatnonzero(known), again, strict=True):
                decoded[i] = smiles or decoded[i]
        self._asked = list(zip(points, decoded, strict=True))
        self._found = any(smiles and oracle.admits(smiles) is not None for smiles in decoded)
        return [Candidate(smiles, "cmaes") for smiles in decoded if smiles]

    def _begin(self, oracle: Oracle, best: np.ndarray, n: int, rng: np.random.Generator) -> None:
        encoded = [e for e in self.moves.encode([oracle.history.calls[i].smiles for i in best]) if e is not None]
        latents = [e.z for e in encoded]
        if len(latents) < MIN_FOR_SPREAD:
            latents += self.moves.from_prior(ELITE, rng)
        self._center, self._scale = latents[0], np.std(latents, axis=0) + 1e-3
        options = {"popsize": max(n, 4), "seed": int(rng.integers(1, 2**31)), "verbose": -9, "CMA_diagonal": True}
        self._strategy = self._cma.CMAEvolutionStrategy(np.zeros(len(self._center)), self._step(oracle, rng), options)

    def _step(self, oracle: Oracle, rng: np.random.Generator) -> float:
        """The one of `STEPS` at which the most latents decode to new molecules."""
        moved = rng.standard_normal((TRIED, len(self._center))) * self._scale
        made = [self.moves.decode(self._center + step * moved, rng) for step in STEPS]
        return STEPS[int(np.argmax([len({s for s in smiles if oracle.admits(s) is not None}) for smiles in made]))]

    def _tell(self, oracle: Oracle, values: np.ndarray) -> None:
        costs = []
        for _, smiles in self._asked:
            value = values[oracle.history[smiles].number - 1] if smiles in oracle.history else -np.inf
            costs.append(-value if np.isfinite(value) else WORST)
        self._strategy.tell([point for point, _ in self._asked], costs)
