"""The interface of every search, and what searches share: fitness, and parents drawn by rank."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from molvae.optimize.oracle import Candidate, Oracle


class Search(Protocol):
    """A way to propose molecules.

    Those that need only the history of calls go on from there when a run is resumed; the others (`REMEMBERING`, and
    those that fine-tune) are repeated from the beginning with the calls that were made.
    """

    def propose(self, oracle: Oracle, n: int, rng: np.random.Generator) -> list[Candidate]:
        """About `n` candidates; the oracle is asked which are new and admitted, and is not called."""
        ...


def fitness(oracle: Oracle, rng: np.random.Generator) -> np.ndarray:
    """What a search maximizes, one number per call so far, `(n,)`, -inf where there is no score.

    With several objectives at once it is another weighting of them each time (augmented Chebyshev with random weights,
    Knowles 2006), so that over the rounds the whole Pareto front is approached.
    """
    if oracle.objective.mean != "pareto":
        values = oracle.history.scores
    else:
        components = oracle.objective.transformed(oracle.history.raw)
        weights = rng.dirichlet(np.ones(components.shape[1]))
        values = (weights * components).min(axis=1) + 0.05 * components @ weights
    return np.where(np.isfinite(values), values, -np.inf)


def draw_by_rank(values: np.ndarray, n: int, rng: np.random.Generator, *, smallest: float = 1e-3) -> np.ndarray:
    """Indices `(n,)` of good values: each is drawn uniformly from the best share, whose size is log-uniform.

    So the best few and the whole population are drawn from equally often (Tripp and Hernández-Lobato 2023).

    Args:
        values: `(m,)`, larger is better.
        n: how many to draw.
        rng: draws.
        smallest: smallest share of the population that is drawn from.
    """
    order = np.argsort(-values, kind="stable")
    share = np.exp(rng.uniform(np.log(smallest), 0.0, size=n))
    size = np.ceil(share * len(order)).astype(int)
    return order[np.floor(rng.random(n) * size).astype(int)]


def best_first(values: np.ndarray, keep: int) -> np.ndarray:
    """Indices of the `keep` largest values that are not -inf, best first."""
    order = np.argsort(-values, kind="stable")[:keep]
    return order[np.isfinite(values[order])]


def labels(oracle: Oracle, smiles: Sequence[str]) -> dict[str, object]:
    """The names of molecules in an `origin`: the number of their call, or "a proposal" if they were not scored."""
    return {s: f"#{oracle.history[s].number}" if s in oracle.history else "a proposal" for s in smiles}
