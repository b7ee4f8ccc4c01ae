"""`evolution`: children of the best molecules, made in the latent; each is encoded again before it has children."""

from collections.abc import Sequence

import numpy as np

from molvae.optimize.finetune import Finetuning
from molvae.optimize.moves import Moves
from molvae.optimize.oracle import Candidate, Oracle
from molvae.optimize.search import best_first, draw_by_rank, fitness, labels

MAX_ROUNDS = 10  # of making children until enough of them are new


class Evolution:
    """A population of the best molecules so far; parents are drawn by rank.

    Args:
        moves: makes children.
        population: molecules that may have children.
        finetuning: tunes the model on the best molecules as the run goes on; `None` leaves it as it is.
    """

    def __init__(self, moves: Moves, *, population: int = 2000, finetuning: Finetuning | None = None) -> None:
        self.moves = moves
        self.population = population
        self.finetuning = finetuning

    def propose(self, oracle: Oracle, n: int, rng: np.random.Generator) -> list[Candidate]:
        """See `Search`."""
        if self.finetuning is not None and self.finetuning.tune(oracle, rng):
            self.moves.forget()
        values = fitness(oracle, rng)
        alive = best_first(values, self.population)
        if not len(alive):
            return self.moves.random(n, rng)
        smiles = [oracle.history.calls[i].smiles for i in alive]
        return new_children(self.moves, oracle, smiles, values[alive], n, rng)


def new_children(
    moves: Moves, oracle: Oracle, smiles: Sequence[str], values: np.ndarray, n: int, rng: np.random.Generator
) -> list[Candidate]:
    """Children of parents drawn by rank, at most `n`, that would each cost a call.

    Args:
        moves: makes children.
        oracle: says which are new and admitted.
        smiles: molecules that may have children.
        values: `(len(smiles),)`, larger is better.
        n: how many children are wanted.
        rng: draws.
    """
    found: dict[str, Candidate] = {}
    for _ in range(MAX_ROUNDS):
        parents = [smiles[i] for i in draw_by_rank(values, n, rng)]
        for child in moves.children(parents, rng, labels=labels(oracle, parents)):
            if child.smiles not in found and oracle.admits(child.smiles) is not None:
                found[child.smiles] = child
        if len(found) >= n:
            break
    return list(found.values())[:n]
