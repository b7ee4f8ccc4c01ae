"""Straight and spherical lines between two latents, and straight walks away from one."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import numpy as np
from torch import Tensor

from molvae.chem.parse import parse_smiles
from molvae.chem.soundness import is_sound
from molvae.inference.loaded import LoadedModel
from molvae.inference.sampling import decode

RETRIES = 20  # draws for a latent whose greedy decoding is no sound molecule
SPREAD_DRAWS = 256  # draws of the prior from which its spread is estimated
JITTER = 0.3  # noise on a latent in the last retry, in units of a step

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
    vae: LoadedModel, a: np.ndarray, b: np.ndarray, fractions: np.ndarray, *, method: Literal["linear", "spherical"]
) -> list[str]:
    """Sound molecules on the line between two latents `(Z,)`, "" at fractions where none was found."""
    found, _ = decode_sound(vae, interpolate_latents(a, b, fractions, method=method), seed=0)
    return found


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
    places = z + distances[None, 1:, None] * directions[:, None, :]
    latents = places.reshape(walks * (steps - 1), -1)
    jitter = JITTER * reach / (steps - 1) * spread
    found, likeliest = decode_sound(vae, latents, known={start}, jitter=jitter, condition=condition, seed=seed)
    rows = []
    for walk in range(walks):
        rows.append(Step(walk + 1, 0.0, start, "start"))
        for step in range(1, steps):
            place = walk * (steps - 1) + step - 1
            smiles, status = found[place], "new"
            if not smiles:
                smiles, status = likeliest[place], "copy" if likeliest[place] else "none"
            rows.append(Step(walk + 1, float(distances[step]), smiles, status))  # type: ignore[arg-type]
    return rows


def decode_sound(
    vae: LoadedModel,
    z: np.ndarray,
    *,
    known: Collection[str] | None = None,
    jitter: np.ndarray | float = 0.0,
    condition: Tensor | None = None,
    retries: int = RETRIES,
    seed: int | None = None,
) -> tuple[list[str], list[str]]:
    """Decode latents to sound molecules: greedily and, where that gives none, by draws until one is found.

    Args:
        vae: the model.
        z: `(n, Z)`.
        known: molecules not to return; nor is any molecule returned twice. `None` allows any.
        jitter: `(Z,)`, standard deviation of the noise on a latent in the last retry; it grows up to there.
        condition: `(1, C)`; by default nothing is asked for.
        retries: draws per latent, at most.
        seed: of the draws.

    Returns:
        The molecules, "" where none was found; and the greedily decoded ones where they are sound, known or not,
        else "".
    """
    rng = np.random.default_rng(seed)
    seen = set(known or ())
    found, likeliest = [""] * len(z), [""] * len(z)
    for attempt in range(retries + 1):
        missing = [row for row, smiles in enumerate(found) if not smiles]
        if not missing:
            break
        noise = attempt / retries * jitter * rng.standard_normal((len(missing), z.shape[1]))
        decoded = decode(
            vae, z[missing] + noise, greedy=attempt == 0, condition=condition, seed=int(rng.integers(2**62))
        )
        for row, smiles in zip(missing, decoded, strict=True):
            mol = parse_smiles(smiles) if smiles else None
            if mol is None or not is_sound(mol):
                continue
            if attempt == 0:
                likeliest[row] = smiles
            if known is None or smiles not in seen:
                found[row] = smiles
                seen.add(smiles)
    return found, likeliest
