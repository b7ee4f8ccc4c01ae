"""Finite scalar quantization (Mentzer et al. 2024): codes are the points of a fixed grid."""

import math
from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field, field_validator
from torch import Tensor

from molvae.config import Size
from molvae.nn.latents.base import Latent, LatentOutput, LatentSettings, LogPrior
from molvae.nn.latents.codes import CodeLatent, straight_through
from molvae.nn.slots import SlotLinear

Level = Annotated[int, Field(ge=2, le=256)]
EDGE = 1e-3  # keeps the outermost levels from being rounded beyond


class FSQLatent(CodeLatent):
    """Every dimension of a slot is bounded and rounded to one of L_i values; the slot has K = Π L_i codes.

    ẑ_i = round(f(v_i)), f(v) = (L_i − 1)/2 · tanh(v) for odd L_i (shifted by ½ for even), with straight-through
    gradients; z_i = ẑ_i / ⌊L_i / 2⌋ lies in [−1, 1]. No codebook is learned, so there is no commitment
    loss, no dead code and nothing to regularize.

    Args:
        h_dim: size of h.
        n_slots: number of slots (M).
        levels: L_i, the number of values of each dimension of a slot; Z = M · len(levels).
        h_slots: number of slots of h: 1 or n_slots.
    """

    levels: Tensor
    places: Tensor
    shared: bool = True

    def __init__(
        self, h_dim: int, *, n_slots: int = 16, levels: Sequence[int] = (8, 5, 5, 5), h_slots: int = 1
    ) -> None:
        super().__init__()
        self.n_slots = n_slots
        self.n_codes = math.prod(levels)
        self.latent_dim = n_slots * len(levels)
        self.to_slots = SlotLinear(h_dim, self.latent_dim, n_slots=h_slots)
        self.register_buffer("levels", torch.tensor(list(levels)), persistent=False)
        steps = [math.prod(levels[:i]) for i in range(len(levels))]
        self.register_buffer("places", torch.tensor(steps), persistent=False)

    def forward(
        self, h: Tensor, *, log_prior: LogPrior | None = None, generator: torch.Generator | None = None
    ) -> LatentOutput:
        """Compute the quantized latents of a batch; the regularizer is 0."""
        with torch.autocast(h.device.type, enabled=False):
            bounded = self._bounded(h)
            rounded = straight_through(bounded, bounded.round())
            z = (rounded / (self.levels // 2)).flatten(1)
        return self.output(z, self._indices(rounded.detach()), z.new_zeros(()), log_prior=log_prior)

    def codes_to_z(self, indices: Tensor) -> Tensor:
        """The latent z `(B, Z)` of code indices `(B, M)`."""
        return self.codebook()[indices].flatten(1)

    def codebook(self) -> Tensor:
        """All points of the grid, `(K, S)`, which all slots share."""
        codes = torch.arange(self.n_codes, device=self.levels.device).unsqueeze(1)
        return (codes // self.places % self.levels - self.levels // 2) / (self.levels // 2)

    def posterior(self, h: Tensor) -> Tensor:
        """Code indices `(B, M)`; the posterior is a point mass."""
        with torch.autocast(h.device.type, enabled=False):
            return self._indices(self._bounded(h).round())

    def _bounded(self, h: Tensor) -> Tensor:
        """The slots of h before rounding, `(B, M, S)`; what rounds to −⌊L/2⌋ … ⌈L/2⌉ − 1."""
        vectors = self.to_slots(h.float()).unflatten(1, (self.n_slots, -1))
        half = (self.levels - 1) * (1 + EDGE) / 2
        offset = torch.where(self.levels % 2 == 0, 0.5, 0.0)
        return (vectors + torch.atanh(offset / half)).tanh() * half - offset

    def _indices(self, rounded: Tensor) -> Tensor:
        """Code indices `(B, M)` of rounded slots `(B, M, S)`."""
        return ((rounded.long() + self.levels // 2) * self.places).sum(-1)


class FSQLatentConfig(LatentSettings):
    """Finite scalar quantization; nothing is regularized, so beta has no effect."""

    member: ClassVar[type[Latent]] = FSQLatent

    kind: Literal["fsq"] = "fsq"
    n_slots: Size = 16
    levels: Annotated[tuple[Level, ...], Field(min_length=1, max_length=16)] = (8, 5, 5, 5)
    """Number of values of each dimension of a slot; their product is the number of codes."""

    @field_validator("levels")
    @classmethod
    def _few_codes(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if math.prod(value) > 65_536:
            raise ValueError(f"expected at most 65,536 codes, and these levels make {math.prod(value):,}")
        return value

    @property
    def z_dim(self) -> int:
        """Size of z (Z)."""
        return self.n_slots * len(self.levels)

    @property
    def code_slots(self) -> int:
        """Number of codes per molecule (M)."""
        return self.n_slots

    def build(self, h_dim: int, *, h_slots: int = 1) -> FSQLatent:
        """Build the latent, with untrained weights."""
        return FSQLatent(h_dim, h_slots=h_slots, **self.arguments())
