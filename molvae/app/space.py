"""A map of the latent that one can point at: molecules on its two main axes, and draws from any place of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from molvae.chem.descriptors import descriptor_table
from molvae.errors import InputError
from molvae.generator import MoleculeGenerator

SIZE = (760, 520)  # pixels
MARGIN = 20
MOST = 2000  # molecules on a map
TRIES = 4  # draws for each molecule that is asked for


@dataclass(frozen=True)
class Space:
    """Molecules in the plane of the two main axes of their latents.

    Attributes:
        smiles: the n molecules, in the model's standard form.
        z: their latents `(n, Z)`.
        axes: orthonormal directions `(2, Z)`.
        pixels: where they are drawn `(n, 2)`.
        scale: pixels per unit of each axis `(2,)`.
        logp: their logP `(n,)`, which colors them.
    """

    smiles: list[str]
    z: np.ndarray
    axes: np.ndarray
    pixels: np.ndarray
    scale: np.ndarray
    logp: np.ndarray

    @classmethod
    def of(cls, vae: MoleculeGenerator, molecules: Sequence[str]) -> Self:
        """Encode molecules and lay out the map.

        Raises:
            InputError: when the model can use fewer than three of them.
        """
        encoded = vae.encode_rows(molecules[:MOST])
        smiles = [str(s) for s, valid in zip(encoded.smiles, encoded.valid, strict=True) if valid]
        if len(smiles) < 3:
            raise InputError(f"the model can read {len(smiles)} of {len(molecules)} molecules; expected at least 3")
        z = encoded.z[encoded.valid]
        axes = np.linalg.svd(z - z.mean(0), full_matrices=False)[2][:2]
        points = (z - z.mean(0)) @ axes.T
        low, span = points.min(0), np.maximum(np.ptp(points, axis=0), 1e-9)
        scale = (np.array(SIZE) - 2 * MARGIN) / span
        logp = descriptor_table(smiles, ("logp",))[:, 0]
        return cls(smiles, z, axes, (points - low) * scale + MARGIN, scale, logp)

    def nearest(self, x: float, y: float) -> int:
        """The molecule that is drawn nearest to a place in pixels."""
        return int(((self.pixels - (x, y)) ** 2).sum(1).argmin())

    def sample_at(
        self, vae: MoleculeGenerator, x: float, y: float, *, n: int, temperature: float | None = None, seed: int = 0
    ) -> list[str]:
        """Up to n distinct molecules that are decoded there.

        The plane has two of the latent's dimensions; the others are those of the molecule that is drawn nearest.
        """
        near = self.nearest(x, y)
        offset = (np.array([x, y]) - self.pixels[near]) / self.scale
        z = np.repeat((self.z[near] + offset @ self.axes)[None], TRIES * n, axis=0).astype(np.float32)
        drawn = vae.decode(z, greedy=False, temperature=temperature, seed=seed)
        return [smiles for smiles in dict.fromkeys(drawn) if smiles][:n]
