"""Walks away from one molecule that are made of the model's own changes, through any latent."""

import numpy as np
from rdkit import Chem
from torch import Tensor

from molvae.chem.kept import Kept
from molvae.chem.similarity import ecfp4_bits, tanimoto_matrix
from molvae.inference.loaded import LoadedModel
from molvae.inference.paths import Step
from molvae.optimize.bridge import new_sound
from molvae.optimize.moves import moves_of

WEIGHTS = {"edit": 0.4, "swap": 0.35, "cross": 0.15, "noise": 0.1}
FALL = 0.75  # of the similarity to the start, over a walk of reach 1
LOWEST = 0.1  # lowest similarity that a walk aims at
NEAR = 0.08  # a step whose similarity comes this near to its aim is taken at once
SMOOTH = 0.5  # weight of the distance from the step before, relative to that from the aim
SIZE = 0.3  # weight of the change in size, in natural logarithms of the number of heavy atoms


def neighborhood(
    vae: LoadedModel,
    start: str,
    *,
    walks: int,
    steps: int,
    reach: float,
    similarity: tuple[float, float] | None = None,
    keep: Kept | None = None,
    condition: Tensor | None = None,
    seed: int | None = None,
    children: int = 24,
    rounds: int = 4,
) -> list[Step]:
    """Walks of sound molecules that the model makes one from another, each less similar to the start than the last.

    A step's aim is a Tanimoto similarity (ECFP4) to the start that falls evenly along the walk. `Moves` makes children
    of the molecules that the walks have reached (edits, swaps, crossings, noise). The next step is one of all children
    made so far that no walk has taken and that are less similar to the start than the step before: the one that is
    nearest to the aim, to the step before, and to the start in size.

    Args:
        vae: the model.
        start: canonical SMILES that the model can encode.
        walks: how many walks.
        steps: molecules per walk, the start counted.
        reach: how far the similarity falls: 1 is a fall by 0.75.
        similarity: the lowest and the highest similarity to the start that a step may have; the walks then fall from
            the highest to the lowest, whatever `reach` is.
        keep: a part that all molecules have; the start must have it.
        condition: `(1, C)`; by default no property is asked for.
        seed: of the children.
        children: how many per walk and round.
        rounds: how often children are made for a step, at most.

    Returns:
        Walk by walk; a step that nothing was found for has the status "none", and the walk goes on from the one before.
    """
    moves, rng = moves_of(vae, weights=WEIGHTS, condition=condition, keep=keep), np.random.default_rng(seed)
    low, high = (0.0, 1.0) if similarity is None else similarity
    pool, bits, sizes = [start], ecfp4_bits([start]), _sizes([start])
    at, taken, distances = np.zeros(walks, dtype=int), [0], np.linspace(0.0, reach, steps)
    aims = np.maximum(1.0 - FALL * distances[1:], LOWEST)
    if similarity is not None:
        edge = (high - low) / (2 * (steps - 1))
        aims = np.linspace(high - edge, low + edge, steps - 1)
        distances = np.concatenate([[0.0], (1.0 - aims) / FALL])
    rows = [[Step(walk + 1, 0.0, start, "start")] for walk in range(walks)]
    for distance, aim in zip(distances[1:], aims, strict=True):
        for _ in range(rounds):
            made = moves.children([pool[i] for i in at for _ in range(children)], rng)
            new = new_sound([c.smiles for c in made], pool)
            pool, bits = pool + new, np.concatenate([bits, ecfp4_bits(new)])
            sizes = np.concatenate([sizes, _sizes(new)])
            chosen = _choose(bits, sizes, at, taken, aim, (low, high), rng)
            to_start = tanimoto_matrix(bits, bits[:1])[:, 0]
            if all(i is not None and abs(to_start[i] - aim) < NEAR for i in chosen):
                break
        for walk, i in enumerate(chosen):
            if i is None:
                rows[walk].append(Step(walk + 1, float(distance), "", "none"))
                continue
            at[walk] = i
            taken.append(i)
            rows[walk].append(Step(walk + 1, float(distance), pool[i], "new"))
    return [step for row in rows for step in row]


def _choose(
    bits: np.ndarray,
    sizes: np.ndarray,
    at: np.ndarray,
    taken: list[int],
    aim: float,
    within: tuple[float, float],
    rng: np.random.Generator,
) -> list[int | None]:
    """Index of the next molecule of each walk, all different, `None` if there is none; walks choose in random order."""
    to_start, to_last = tanimoto_matrix(bits, bits[:1])[:, 0], tanimoto_matrix(bits, bits[at])
    grown = np.abs(np.log(sizes / sizes[0]))
    free = (within[0] <= to_start) & (to_start <= within[1])
    free[taken] = False
    chosen: list[int | None] = [None] * len(at)
    for walk in rng.permutation(len(at)):
        may = free & (to_start < to_start[at[walk]])
        if may.any():
            cost = np.abs(to_start - aim) + SMOOTH * (1.0 - to_last[:, walk]) + SIZE * grown
            best = int(np.where(may, cost, np.inf).argmin())
            chosen[walk], free[best] = best, False
    return chosen


def _sizes(smiles: list[str]) -> np.ndarray:
    """Heavy atoms of each molecule, `(n,)`."""
    return np.array([Chem.MolFromSmiles(text).GetNumHeavyAtoms() for text in smiles], dtype=np.float64)
