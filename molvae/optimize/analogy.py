"""Latent arithmetic: what is to C as A is to B, and other sums and differences of molecules."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rdkit import Chem

from molvae.chem.parse import canonical_smiles
from molvae.chem.similarity import ecfp4_counts
from molvae.errors import InputError
from molvae.inference.loaded import LoadedModel
from molvae.inference.sampling import decode
from molvae.optimize.bridge import new_sound
from molvae.optimize.moves import Moves

DRAWS = 200  # decodings of the sum, with noise that grows up to `JITTER`
JITTER = 0.5  # in units of the latents of the terms around their mean
WEIGHTS = {"edit": 0.35, "swap": 0.25, "cross": 0.4}
ROUNDS, PARENTS = 4, 20  # of changes to the best found so far
MOST_TERMS = 20


@dataclass(frozen=True)
class Term:
    """A molecule of an expression, canonical, and whether it counts 1 or -1."""

    smiles: str
    sign: int


def parse_expression(text: str) -> list[Term]:
    """The terms of an expression such as "CCO - CC + c1ccccc1", with spaces around each + and -.

    Raises:
        InputError: when it is no such expression, or a molecule does not parse.

    >>> [(term.smiles, term.sign) for term in parse_expression("CCO - CC + C")]
    [('CCO', 1), ('CC', -1), ('C', 1)]
    """
    parts = re.split(r"\s+([+-])\s+", text.strip())
    terms = []
    for sign, smiles in zip(["+", *parts[1::2]], parts[::2], strict=True):
        canonical = canonical_smiles(smiles) if smiles else None
        if canonical is None:
            raise InputError(
                f"{smiles!r} in {text!r} does not parse as a molecule; expected SMILES with + or - between spaces, as "
                "in 'A - B + C'"
            )
        terms.append(Term(canonical, 1 if sign == "+" else -1))
    if not 2 <= len(terms) <= MOST_TERMS:
        raise InputError(f"{text!r} has {len(terms)} molecules; expected 2 to {MOST_TERMS}, as in 'A - B + C'")
    return terms


def arithmetic(vae: LoadedModel, terms: Sequence[Term], z: np.ndarray, *, n: int, seed: int) -> list[tuple[str, float]]:
    """Sound molecules that are nearest to a sum of molecules, none of its terms, the nearest first.

    The sum of the latents is decoded, greedily and with growing noise; a latent of codes, which has no sums, gives
    nothing there. The model then changes the terms and the best of what was found, by edits and crossings. How near a
    molecule is, is the cosine between its ECFP4 counts and the same sum of the terms' counts, negative ones as 0.

    Args:
        vae: the model.
        terms: the molecules.
        z: their latents `(len(terms), Z)`.
        n: how many molecules, at most.
        seed: of the draws.

    Returns:
        SMILES and nearness in [0, 1].
    """
    rng = np.random.default_rng(seed)
    signs = np.array([term.sign for term in terms], dtype=np.float64)
    known = [term.smiles for term in terms]
    wanted = np.maximum(signs @ ecfp4_counts(known).astype(np.float64), 0.0)
    pool: list[str] = []
    if not vae.model.latent.discrete:
        spread = np.abs(z - z.mean(0)).mean(0)
        noise = np.linspace(0, JITTER, DRAWS)[:, None] * spread * rng.standard_normal((DRAWS, z.shape[1]))
        points = (signs @ z + noise).astype(np.float32)
        found = [*decode(vae, points[:1]), *decode(vae, points, greedy=False, seed=int(rng.integers(2**62)))]
        pool = new_sound([smiles for smiles in found if smiles], known)
    moves, values = Moves(vae, weights=WEIGHTS), _nearness(pool, wanted)
    starts = [term.smiles for term in terms if term.sign > 0]
    for _ in range(ROUNDS):
        best = [pool[i] for i in np.argsort(-values, kind="stable")[:PARENTS]]
        parents = [smiles for smiles in (*starts, *best) for _ in range(DRAWS // (len(starts) + len(best)))]
        new = new_sound([child.smiles for child in moves.children(parents, rng)], [*known, *pool])
        pool, values = pool + new, np.concatenate([values, _nearness(new, wanted)])
    order = np.argsort(-values, kind="stable")[:n]
    return [(pool[i], float(values[i])) for i in order]


def _nearness(smiles: Sequence[str], wanted: np.ndarray) -> np.ndarray:
    """Cosine of each molecule's ECFP4 counts with the wanted ones, `(n,)`."""
    usable = [s for s in smiles if Chem.MolFromSmiles(s) is not None]
    if not usable:
        return np.zeros(0)
    counts = ecfp4_counts(usable).astype(np.float64)
    lengths = np.linalg.norm(counts, axis=1) * np.linalg.norm(wanted)
    return counts @ wanted / np.maximum(lengths, 1e-12)
