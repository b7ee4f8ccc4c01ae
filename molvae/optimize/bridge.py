"""Paths between two molecules through a latent of codes, where a straight line has no molecules on it."""

import numpy as np

from molvae.chem.kept import Kept
from molvae.chem.parse import parse_smiles
from molvae.chem.similarity import ecfp4_bits, tanimoto_matrix
from molvae.chem.soundness import is_sound
from molvae.inference.loaded import LoadedModel
from molvae.optimize.moves import moves_of

WEIGHTS = {"cross": 0.5, "edit": 0.3, "swap": 0.2}
TOWARD = 0.15  # scale of the Gumbel noise on the choice of parents, in log similarity
TINY = 1e-3  # similarity of molecules that share nothing
STAYING = 0.15  # cost of showing a molecule twice: as much as a step of similarity 0.47


def bridge(
    vae: LoadedModel,
    start: str,
    end: str,
    *,
    steps: int,
    keep: Kept | None = None,
    seed: int = 0,
    rounds: int = 10,
    children: int = 200,
) -> list[str]:
    """The smoothest path of sound molecules that the model makes between two.

    `Moves` makes children of the two ends and of their children, by crossings above all; molecules near the way between
    the ends are chosen as parents more often. Among the paths through all these molecules on which every step is nearer
    to the end, the one with the smallest steps is taken: the least sum of cubed Tanimoto distances (ECFP4), by dynamic
    programming.

    Args:
        vae: the model.
        start: canonical SMILES that the model can encode.
        end: another.
        steps: molecules on the path, both ends counted; where fewer were found, some are repeated.
        keep: a part that all molecules have; both ends must have it.
        seed: of the children.
        rounds: how often children are made.
        children: how many per round.

    Returns:
        `steps` canonical SMILES, from `start` to `end`.
    """
    if start == end:
        return [start] * steps
    moves, rng = moves_of(vae, weights=WEIGHTS, keep=keep), np.random.default_rng(seed)
    pool, bits = [start, end], ecfp4_bits([start, end])
    for _ in range(rounds):
        to_ends = np.log(tanimoto_matrix(bits, bits[:2]) + TINY)
        share = rng.uniform(size=(children, 1))
        near = (1 - share) * to_ends[:, 0] + share * to_ends[:, 1] + TOWARD * rng.gumbel(size=(children, len(pool)))
        made = moves.children([pool[i] for i in near.argmax(1)], rng)
        new = new_sound([c.smiles for c in made], pool)
        pool, bits = pool + new, np.concatenate([bits, ecfp4_bits(new)])
    return [pool[i] for i in _smoothest(tanimoto_matrix(bits, bits), steps)]


def new_sound(smiles: list[str], known: list[str]) -> list[str]:
    """The sound molecules that are not known yet, each once."""
    old = set(known)
    return [s for s in dict.fromkeys(smiles) if s not in old and (m := parse_smiles(s)) is not None and is_sound(m)]


def _smoothest(similarity: np.ndarray, steps: int) -> list[int]:
    """Indices of the path of `steps` molecules from 0 to 1 that comes ever nearer to the end, in small steps."""
    progress = similarity[:, 1] - similarity[:, 0]
    cost = np.where(progress[None, :] > progress[:, None], (1 - similarity) ** 3, np.inf)
    np.fill_diagonal(cost, STAYING)
    least, came_from = np.where(np.arange(len(cost)) == 0, 0.0, np.inf), []
    for _ in range(steps - 1):
        total = least[:, None] + cost
        came_from.append(total.argmin(0))
        least = total.min(0)
    path = [1]
    for before in reversed(came_from):
        path.append(int(before[path[-1]]))
    return path[::-1]
