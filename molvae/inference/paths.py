"""Straight and spherical lines between two latents, and straight walks away from one.

Molecules are decoded at places along the way, anchored to the molecules that the way starts from and leads to: at an
end, just this molecule is decoded. Each place is decoded greedily and then by draws, and of what was found, the path
with the smallest steps is taken.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from molvae.chem.parse import parse_smiles
from molvae.chem.similarity import ecfp4_bits, tanimoto_matrix
from molvae.chem.soundness import is_sound
from molvae.inference.loaded import LoadedModel
from molvae.inference.sampling import anchors_of, decode
from molvae.nn.decoders.base import Anchors

ENOUGH = 24  # molecules that are looked for at each place
DRAWS = 40  # draws per place, at most
SPREAD_DRAWS = 256  # draws of the prior from which its spread is estimated
JITTER = 0.5  # noise on a latent in the last draw, in units of a step

Status = Literal["start", "new", "copy", "none"]


@dataclass(frozen=True)
class Step:
    """One step of a walk away from a molecule.

    Attributes:
        walk: number of the walk, from 1.
        distance: from the start along the walk, up to its `reach`.
        smiles: canonical; "" where there is none.
        status: "start"; "new", a sound molecule that no step before has; "copy", the start or an earlier step again;
            "none", where no sound molecule was found.
    """

    walk: int
    distance: float
    smiles: str
    status: Status


def interpolate_latents(
    a: np.ndarray, b: np.ndarray, fractions: np.ndarray, *, method: Literal["linear", "spherical"]
) -> np.ndarray:
    """Latents between `a` and `b`, both `(Z,)`, at each fraction; `(len(fractions), Z)` float32.

    "spherical" follows the great circle, with linearly changing length (Shoemake 1985; White 2016).
    Where the great circle is not defined (one of them is 0, or they are parallel or opposite) the line is straight.
    """
    t = fractions[:, None]
    straight = (1 - t) * a + t * b
    length_a, length_b = np.linalg.norm(a), np.linalg.norm(b)
    if method == "linear" or min(length_a, length_b) < 1e-6:
        return straight.astype(np.float32)
    angle = np.arccos(float(np.clip(a @ b / (length_a * length_b), -1.0, 1.0)))
    if np.sin(angle) < 1e-6:
        return straight.astype(np.float32)
    direction = (np.sin((1 - t) * angle) * a / length_a + np.sin(t * angle) * b / length_b) / np.sin(angle)
    return (((1 - t) * length_a + t * length_b) * direction).astype(np.float32)


def line(
    vae: LoadedModel,
    start: str,
    end: str,
    z: np.ndarray,
    fractions: np.ndarray,
    *,
    method: Literal["linear", "spherical"],
    seed: int = 0,
) -> list[str]:
    """Sound molecules between two, all different and other than the two; "" at fractions where none was found.

    Args:
        vae: a model.
        start: the molecule at fraction 0, canonical.
        end: the molecule at fraction 1.
        z: their latents `(2, Z)`.
        fractions: in (0, 1), rising.
        method: of the line between the latents.
        seed: of the draws.
    """
    places = interpolate_latents(z[0], z[1], fractions, method=method)
    weights = torch.from_numpy(np.stack([1 - fractions, fractions], axis=1).astype(np.float32)).to(vae.device)
    ends = _joined([anchors_of(vae, [smiles], z[i : i + 1]) for i, smiles in enumerate((start, end))])
    anchors = ends[torch.zeros(len(places), dtype=torch.int64, device=vae.device)].weighted(weights)
    jitter = JITTER / (len(places) + 1) * np.linalg.norm(z[1] - z[0]) / np.sqrt(z.shape[1])
    found, _ = _sound_molecules(vae, places, anchors=anchors, jitter=jitter, known={start, end}, seed=seed)
    return _smoothest(start, _shared_out(found), end)


def straight_walks(
    vae: LoadedModel,
    start: str,
    z: np.ndarray,
    *,
    walks: int,
    steps: int,
    reach: float,
    condition: Tensor | None = None,
    seed: int | None = None,
) -> list[Step]:
    """Straight walks from a molecule's latent in random directions, walk by walk.

    Args:
        vae: a model with a continuous latent.
        start: the molecule, canonical.
        z: its latent `(Z,)`.
        walks: how many, each in its own direction.
        steps: molecules per walk, the start counted.
        reach: length of a walk, in units of the prior's spread.
        condition: `(1, C)`; by default nothing is asked for.
        seed: of the directions and the draws.
    """
    rng = np.random.default_rng(seed)
    generator = vae.generator(int(rng.integers(2**62)))
    spread = vae.sample_z(SPREAD_DRAWS, condition=condition, generator=generator).std(0).cpu().numpy()
    directions = spread * rng.standard_normal((walks, len(z)))
    distances = np.linspace(0.0, reach, steps)
    places = (z + distances[None, 1:, None] * directions[:, None, :]).reshape(walks * (steps - 1), -1)
    anchor = anchors_of(vae, [start], z[None].astype(np.float32), condition=condition)
    anchors = anchor[torch.zeros(len(places), dtype=torch.int64, device=vae.device)]
    jitter = JITTER * reach / (steps - 1) * spread
    found, likeliest = _sound_molecules(
        vae, places, anchors=anchors, jitter=jitter, known={start}, condition=condition, seed=int(rng.integers(2**62))
    )
    own = _shared_out(found)
    rows = []
    for walk in range(walks):
        rows.append(Step(walk + 1, 0.0, start, "start"))
        mine = slice(walk * (steps - 1), (walk + 1) * (steps - 1))
        for i, smiles in enumerate(_smoothest(start, own[mine])):
            status: Status = "new"
            if not smiles:
                smiles = likeliest[mine][i]
                status = "copy" if smiles else "none"
            rows.append(Step(walk + 1, float(distances[i + 1]), smiles, status))
    return rows


def _sound_molecules(
    vae: LoadedModel,
    z: np.ndarray,
    *,
    anchors: Anchors,
    jitter: np.ndarray | float,
    known: Collection[str],
    condition: Tensor | None = None,
    seed: int | None = None,
) -> tuple[list[Counter[str]], list[str]]:
    """What latents decode to: greedily first, then by draws, until there are enough molecules for each.

    Args:
        vae: the model.
        z: `(n, Z)`.
        anchors: with n rows.
        jitter: `(Z,)`, standard deviation of the noise on a latent in the last draw; it grows up to there.
        known: molecules that do not count.
        condition: `(1, C)`; by default nothing is asked for.
        seed: of the draws.

    Returns:
        For each latent, how often each sound molecule that is not known was decoded; and the greedily decoded one,
        known or not, "" where it is no sound molecule.
    """
    rng = np.random.default_rng(seed)
    found: list[Counter[str]] = [Counter() for _ in z]
    likeliest = [""] * len(z)
    for attempt in range(DRAWS + 1):
        few = [row for row, molecules in enumerate(found) if len(molecules) < ENOUGH]
        if not few:
            break
        noise = attempt / DRAWS * jitter * rng.standard_normal((len(few), z.shape[1]))
        decoded = decode(
            vae,
            z[few] + noise,
            greedy=attempt == 0,
            condition=condition,
            anchors=anchors[torch.tensor(few, device=vae.device)],
            seed=int(rng.integers(2**62)),
        )
        for row, smiles in zip(few, decoded, strict=True):
            mol = parse_smiles(smiles) if smiles else None
            if mol is None or not is_sound(mol):
                continue
            if attempt == 0:
                likeliest[row] = smiles
            if smiles not in known:
                found[row][smiles] += 1
    return found, likeliest


def _shared_out(found: Sequence[Counter[str]]) -> list[list[str]]:
    """Give each molecule to one of the places where it was found, the one that has fewest so far.

    >>> _shared_out([Counter("ab"), Counter("abc")])
    [['a', 'b'], ['c']]
    """
    where: dict[str, list[int]] = {}
    for place, molecules in enumerate(found):
        for smiles in molecules:
            where.setdefault(smiles, []).append(place)
    own: list[list[str]] = [[] for _ in found]
    for smiles, places in sorted(where.items(), key=lambda item: len(item[1])):
        own[min(places, key=lambda place: (len(own[place]), -found[place][smiles]))].append(smiles)
    return own


def _smoothest(start: str, layers: Sequence[Sequence[str]], end: str | None = None) -> list[str]:
    """One molecule of each layer, "" for an empty one, so that the path from `start` (to `end`) has the smallest steps.

    The sum of cubed Tanimoto distances (ECFP4) is minimized by dynamic programming.
    """
    stops = [[start], *(layer for layer in layers if layer), *([] if end is None else [[end]])]
    bits = [ecfp4_bits(stop) for stop in stops]
    cost, came_from = np.zeros(1), []
    for before, here in pairwise(bits):
        total = cost[:, None] + (1 - tanimoto_matrix(before, here)) ** 3
        came_from.append(total.argmin(0))
        cost = total.min(0)
    at, path = int(cost.argmin()), []
    for stop, previous in zip(reversed(stops[1:]), reversed(came_from), strict=True):
        path.append(stop[at])
        at = int(previous[at])
    molecules = iter(reversed(path))
    return [next(molecules) if layer else "" for layer in layers]


def _joined(anchors: Iterable[Anchors]) -> Anchors:
    """One row with all the anchors of several rows."""
    parts = list(anchors)
    width = max(part.token_ids.shape[2] for part in parts)
    ids, additions = (
        torch.cat([torch.nn.functional.pad(x, (0, width - x.shape[2])) for x in tensors], dim=1)
        for tensors in ([p.token_ids for p in parts], [p.additions for p in parts])
    )
    return Anchors(ids, additions)
