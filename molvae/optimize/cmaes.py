"""`cmaes`: a Gaussian in the latent moves to high scores (Hansen and Ostermeier 2001), with the package cma."""

from typing import Any

import numpy as np

from molvae.errors import MissingExtraError
from molvae.optimize.moves import Moves
from molvae.optimize.oracle import Candidate, Oracle
from molvae.optimize.search import best_first, fitness

STEP = 1.0  # first step size, in units of the latents' spread
ELITE = 50  # molecules whose spread scales the latent
WORST = 1e3  # cost of a latent that decodes to no molecule that may be scored


class CMAES:
    """CMA-ES in the latent (Hansen and Ostermeier 2001).

    The distribution starts at the best molecule of the history; a resumed run starts it anew there.

    Args:
        moves: the model behind it.

    Raises:
        MissingExtraError: when cma is not installed.
    """

    def __init__(self, moves: Moves) -> None:
        try:
            import cma
        except ImportError as error:
            raise MissingExtraError("the method cmaes needs the package cma: pip install 'molvae[optimize]'") from error
        self._cma = cma
        self.moves = moves
        self._strategy: Any = None
        self._asked: list[tuple[np.ndarray, str]] = []

    def propose(self, oracle: Oracle, n: int, rng: np.random.Generator) -> list[Candidate]:
        """See `Search`."""
        values = fitness(oracle, rng)
        best = best_first(values, ELITE)
        if not len(best):
            return self.moves.random(n, rng)
        if self._strategy is not None:
            self._tell(oracle, values)
        if self._strategy is None or self._strategy.stop():
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
        return [Candidate(smiles, "cmaes") for smiles in decoded if smiles]

    def _begin(self, oracle: Oracle, best: np.ndarray, n: int, rng: np.random.Generator) -> None:
        encoded = [e for e in self.moves.encode([oracle.history.calls[i].smiles for i in best]) if e is not None]
        latents = np.stack([e.z for e in encoded]) if encoded else np.stack(self.moves.from_prior(ELITE, rng))
        self._center, self._scale = latents[0], latents.std(axis=0) + 1e-3 if len(latents) > 1 else 1.0
        options = {"popsize": max(n, 4), "seed": int(rng.integers(1, 2**31)), "verbose": -9, "CMA_diagonal": True}
        self._strategy = self._cma.CMAEvolutionStrategy(np.zeros(latents.shape[1]), STEP, options)

    def _tell(self, oracle: Oracle, values: np.ndarray) -> None:
        costs = []
        for _, smiles in self._asked:
            value = values[oracle.history[smiles].number - 1] if smiles in oracle.history else -np.inf
            costs.append(-value if np.isfinite(value) else WORST)
        self._strategy.tell([point for point, _ in self._asked], costs)
