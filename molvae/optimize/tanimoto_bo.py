"""`tanimoto-bo`: a Gaussian process on fingerprints chooses among the VAE's proposals near good molecules."""

from dataclasses import dataclass

import numpy as np

from molvae.optimize.evolution import new_children
from molvae.optimize.finetune import Finetuning
from molvae.optimize.gaussian_process import KernelCache, TanimotoGP, count_bits
from molvae.optimize.moves import Moves
from molvae.optimize.oracle import Candidate, Oracle
from molvae.optimize.search import best_first, draw_by_rank, fitness, labels

MIN_FOR_MODEL = 10  # scored molecules needed to fit a Gaussian process
SMALLEST_BETA, LARGEST_BETA = 0.01, 3.0  # weight of the standard deviation; each choice draws its own between them


@dataclass(frozen=True)
class _Proposal:
    candidate: Candidate
    bits: np.ndarray
    mean: float
    std: float


class TanimotoBO:
    """Bayesian optimization with proposals by evolution in the latent (after Tripp and Hernández-Lobato 2023).

    The upper confidence bound of a Gaussian process decides which children are worth a call, and which have children
    themselves before any of them is scored; this costs time but no calls. Its `beta`, the weight of the standard
    deviation, is drawn anew for each choice: a small one stays near good molecules, a large one explores.

    Args:
        moves: makes children.
        generations: generations of children before a batch is chosen.
        children: how many per generation, and never fewer than one and a half times the batch.
        points: scored molecules that the Gaussian process is fitted to, at most.
        population: scored molecules that may have children.
        finetuning: see `Evolution`.
    """

    def __init__(
        self,
        moves: Moves,
        *,
        generations: int = 4,
        children: int = 225,
        points: int = 2000,
        population: int = 1000,
        finetuning: Finetuning | None = None,
    ) -> None:
        self.moves = moves
        self.generations = generations
        self.children = children
        self.points = points
        self.population = population
        self.finetuning = finetuning
        self._cache = KernelCache()

    def propose(self, oracle: Oracle, n: int, rng: np.random.Generator) -> list[Candidate]:
        """See `Search`."""
        if self.finetuning is not None and self.finetuning.tune(oracle, rng):
            self.moves.forget()
        values = fitness(oracle, rng)
        alive = best_first(values, len(values))
        if not len(alive) or (len(alive) >= MIN_FOR_MODEL and values[alive[0]] == values[alive[-1]]):
            return self.moves.random(n, rng)  # there is nothing to climb yet
        parents = alive[: self.population]
        known = [oracle.history.calls[i].smiles for i in parents]
        if len(alive) < MIN_FOR_MODEL:
            return new_children(self.moves, oracle, known, values[parents], n, rng)
        process = self._process(oracle, values, alive)
        proposals = self._climb(oracle, process, known, values[parents], max(self.children, 3 * n // 2), rng)
        left = list(proposals.values())
        beta = _betas(min(n, len(left)), rng)
        chosen = process.batch(np.array([p.bits for p in left]), beta) if left else []
        return [left[i].candidate for i in chosen]

    def _process(self, oracle: Oracle, values: np.ndarray, alive: np.ndarray) -> TanimotoGP:
        """Fit to at most `points` molecules: half of them the best, half the latest of the others."""
        chosen = alive
        if len(alive) > self.points:
            best = alive[: self.points // 2]
            rest = np.setdiff1d(alive, best)
            chosen = np.concatenate([best, rest[-(self.points - len(best)) :]])
        smiles = [oracle.history.calls[i].smiles for i in chosen]
        bits, kernel = self._cache.of(smiles)
        return TanimotoGP(bits, values[chosen], kernel=kernel)

    def _climb(
        self,
        oracle: Oracle,
        process: TanimotoGP,
        known: list[str],
        known_values: np.ndarray,
        n: int,
        rng: np.random.Generator,
    ) -> dict[str, _Proposal]:
        proposals: dict[str, _Proposal] = {}
        for _ in range(self.generations):
            beta = _betas(1, rng)[0]
            smiles = known + list(proposals)
            bounds = np.array([p.mean + beta * p.std for p in proposals.values()])
            drawn = draw_by_rank(np.concatenate([known_values, bounds]), n, rng)
            parents = [smiles[i] for i in drawn]
            children: dict[str, Candidate] = {}
            mols = []
            for child in self.moves.children(parents, rng, labels=labels(oracle, parents)):
                if child.smiles in children or child.smiles in proposals:
                    continue
                molecule = oracle.admits(child.smiles)
                if molecule is not None:
                    children[child.smiles] = child
                    mols.append(molecule.mol)
            if children:
                bits = count_bits(mols)
                means, stds = process.predict(bits)
                for child, row, mean, std in zip(children.values(), bits, means, stds, strict=True):
                    proposals[child.smiles] = _Proposal(child, row, float(mean), float(std))
        return proposals


def _betas(n: int, rng: np.random.Generator) -> np.ndarray:
    return np.exp(rng.uniform(np.log(SMALLEST_BETA), np.log(LARGEST_BETA), size=n))
