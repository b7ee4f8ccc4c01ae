"""`bo`: Bayesian optimization in a trust region of the latent (TuRBO, Eriksson et al. 2019), on botorch."""

import warnings
from typing import Any

import numpy as np
import torch

from molvae.errors import MissingExtraError
from molvae.optimize.moves import Moves
from molvae.optimize.oracle import Candidate, Oracle
from molvae.optimize.search import best_first, fitness

FITTED_BEST, FITTED_OTHERS = 300, 200  # molecules the Gaussian process is fitted to: the best, and some of the others
FIRST = 30  # molecules with a score before there is a Gaussian process
CANDIDATES = 2000  # latents that Thompson sampling chooses among
PERTURBED = 20  # dimensions in which a candidate differs from the center, on average
DECODES = 4  # decodings of a latent, at most: greedy first, then drawn
LONGEST, FIRST_LENGTH, SHORTEST = 1.6, 0.8, 0.5**7  # side of the region, in units of 4 sd of the latents
SUCCESSES, FAILURES = 3, 4  # rounds in a row before the region grows or shrinks
MARGIN = 1e-3  # a success improves the best score by this share
FIT_STEPS = 75  # of fitting the Gaussian process, at most


class TuRBO:
    """TuRBO: a Gaussian process on z, trusted only near the best molecule (Eriksson et al. 2019).

    The region grows with success and shrinks without, at once when a round gave no new molecule. Batches are drawn by
    Thompson sampling. A latent whose molecule is known already is decoded again. The process is fitted to the best
    molecules and a random part of the others, as its cost grows with the cube of their number. A resumed run starts
    with a region of the initial size.

    Args:
        moves: the model behind it.

    Raises:
        MissingExtraError: when botorch is not installed.
    """

    def __init__(self, moves: Moves) -> None:
        try:
            import botorch  # noqa: F401
        except ImportError as error:
            raise MissingExtraError.of("the method bo needs the package botorch", "optimize") from error
        self.moves = moves
        self.length = FIRST_LENGTH
        self._successes = self._failures = 0
        self._best = -np.inf

    def propose(self, oracle: Oracle, n: int, rng: np.random.Generator) -> list[Candidate]:
        """See `Search`."""
        values = fitness(oracle, rng)
        alive = best_first(values, len(values))
        if len(alive) < FIRST:
            return self.moves.random(n, rng)
        chosen = np.concatenate([alive[:FITTED_BEST], rng.permutation(alive[FITTED_BEST:])[:FITTED_OTHERS]])
        encoded = self.moves.encode([oracle.history.calls[i].smiles for i in chosen])
        kept = [(e.z, values[i]) for e, i in zip(encoded, chosen, strict=True) if e is not None]
        if len(kept) < FIRST:
            return self.moves.random(n, rng)
        latents, scores = (np.array(part, dtype=np.float64) for part in zip(*kept, strict=True))
        self._resize(float(scores.max()))
        z = self._choose(latents, scores, 2 * n, rng)
        fresh: dict[str, Candidate] = {}
        for attempt in range(DECODES):
            decoded = self.moves.decode(z, rng, greedy=attempt == 0)
            admitted = [oracle.admits(smiles) is not None if smiles else False for smiles in decoded]
            fresh |= {s: Candidate(s, "bo") for s, new in zip(decoded, admitted, strict=True) if new}
            z = z[~np.array(admitted)]
            if len(fresh) >= n or not len(z):
                break
        if not fresh:  # too far from every molecule, or too near to one
            self.length = self.length / 2 if self.length > SHORTEST else FIRST_LENGTH
        return list(fresh.values())[:n]

    def _resize(self, best: float) -> None:
        """Grow or shrink the region by the success of the last rounds; one that has become too small starts anew."""
        if np.isfinite(self._best):
            better = best > self._best + MARGIN * abs(self._best)
            self._successes, self._failures = (self._successes + 1, 0) if better else (0, self._failures + 1)
            if self._successes == SUCCESSES:
                self.length, self._successes = min(2 * self.length, LONGEST), 0
            elif self._failures == FAILURES:
                self.length, self._failures = self.length / 2, 0
            if self.length < SHORTEST:
                self.length = FIRST_LENGTH
        self._best = max(best, self._best)

    def _choose(self, latents: np.ndarray, scores: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
        """`n` latents of the region around the best, by Thompson sampling."""
        from botorch.generation import MaxPosteriorSampling
        from botorch.settings import validate_input_scaling
        from linear_operator.utils.warnings import NumericalWarning
        from torch.quasirandom import SobolEngine

        mean, spread = latents.mean(0), 4 * latents.std(0) + 1e-6
        x = torch.from_numpy((latents - mean) / spread)
        y = torch.from_numpy((scores - scores.mean()) / (scores.std(ddof=1) or 1.0)).unsqueeze(1)
        dim, center = x.shape[1], x[int(scores.argmax())]
        with torch.random.fork_rng(devices=[]), validate_input_scaling(False), warnings.catch_warnings():
            warnings.simplefilter("ignore", NumericalWarning)  # of the jitter that a covariance needs now and then
            torch.manual_seed(int(rng.integers(2**31)))
            model = _fitted(x, y)
            sobol = SobolEngine(dim, scramble=True, seed=int(rng.integers(2**31)))
            steps = self.length * (sobol.draw(CANDIDATES).double() - 0.5)
            moved = torch.rand(CANDIDATES, dim) < min(1.0, PERTURBED / dim)
            moved[torch.arange(CANDIDATES), torch.randint(dim, (CANDIDATES,))] = True
            candidates = center + steps * moved
            with torch.no_grad():
                picked = MaxPosteriorSampling(model, replacement=False)(candidates, num_samples=min(n, CANDIDATES))
        return (picked.numpy() * spread + mean).astype(np.float32)


def _fitted(x: torch.Tensor, y: torch.Tensor) -> Any:
    """A Gaussian process of latents `(m, Z)` and standardized scores `(m, 1)`."""
    from botorch.fit import fit_gpytorch_mll
    from botorch.models import SingleTaskGP
    from gpytorch.mlls import ExactMarginalLogLikelihood

    model = SingleTaskGP(x, y, outcome_transform=None)
    fit_gpytorch_mll(
        ExactMarginalLogLikelihood(model.likelihood, model), optimizer_kwargs={"options": {"maxiter": FIT_STEPS}}
    )
    return model
