"""`random`: draws from the prior and nothing else, the baseline of the other searches."""

import numpy as np

from molvae.optimize.moves import Moves
from molvae.optimize.oracle import Candidate, Oracle


class RandomDraws:
    """Molecules drawn from the prior, whatever the scores are.

    Args:
        moves: the model behind them.
    """

    def __init__(self, moves: Moves) -> None:
        self.moves = moves

    def propose(self, oracle: Oracle, n: int, rng: np.random.Generator) -> list[Candidate]:
        """See `Search`."""
        return self.moves.random(n, rng)
