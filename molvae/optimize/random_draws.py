"""`random`: draws from the prior and nothing else; what the other searches have to beat."""

import numpy as np

from molvae.optimize.moves import Moves
from molvae.optimize.oracle import Candidate, Oracle


class RandomDraws:
    """Molecules of the prior, whatever the scores say.

    Args:
        moves: the model behind them.
    """

    def __init__(self, moves: Moves) -> None:
        self.moves = moves

    def propose(self, oracle: Oracle, n: int, rng: np.random.Generator) -> list[Candidate]:
        """See `Search`."""
        return self.moves.random(n, rng)
