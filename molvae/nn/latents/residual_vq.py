"""Residual vector quantization: each slot is a sum of codes (Zeghidour et al. 2021; Lee et al. 2022)."""

from typing import Annotated, ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from molvae.config import Depth, Size, Weight
from molvae.nn.latents.base import Latent, LatentOutput, LatentSettings, LogPrior
from molvae.nn.latents.codes import CodeLatent, straight_through
from molvae.nn.latents.vq import Codebooks
from molvae.nn.slots import SlotLinear


class ResidualVQLatent(CodeLatent):
    """Each vector e is quantized in steps: c_1 is the code nearest to e, c_2 the one nearest to e − c_1, and so on.

    z is made of the sums c_1 + … + c_d, which take K^d values with d · K codes. The codes are moving averages as in
    `VQLatent`. A molecule has M · d code indices, those of a slot one after the other; in the prior, each place has a
    codebook of its own.

    Args:
        h_dim: size of h.
        n_vectors: number of slots of z.
        depth: number of codes per slot (d); M = n_vectors · depth.
        n_codes: number of codes in each codebook (K).
        code_dim: size of a code (S); Z = n_vectors · code_dim.
        commitment: weight of the commitment loss, which pulls a vector toward the sum of its codes.
        decay: decay of the codebooks' moving averages.
        dead_below: see `VQLatent`.
        h_slots: number of slots of h: 1 or n_vectors.
    """

    def __init__(
        self,
        h_dim: int,
        *,
        n_vectors: int = 8,
        depth: int = 2,
        n_codes: int = 256,
        code_dim: int = 8,
        commitment: float = 0.25,
        decay: float = 0.95,
        dead_below: float = 0.05,
        h_slots: int = 1,
    ) -> None:
        super().__init__()
        self.n_vectors, self.n_codes = n_vectors, n_codes
        self.n_slots = n_vectors * depth
        self.commitment = commitment
        self.latent_dim = n_vectors * code_dim
        self.to_slots = SlotLinear(h_dim, self.latent_dim, n_slots=h_slots)
        self.steps = nn.ModuleList(
            Codebooks(n_vectors, n_codes, code_dim, decay=decay, dead_below=dead_below) for _ in range(depth)
        )

    def forward(
        self, h: Tensor, *, log_prior: LogPrior | None = None, generator: torch.Generator | None = None
    ) -> LatentOutput:
        """Compute the quantized latents of a batch; the codebooks are updated in training mode only."""
        with torch.autocast(h.device.type, enabled=False):  # bfloat16 cannot distinguish close codes
            vectors = self._vectors(h)
            indices, total = self._quantize(vectors.detach(), learn=self.training)
            commitment = self.commitment * F.mse_loss(vectors, total)
            z = straight_through(vectors, total).transpose(0, 1).flatten(1)
        return self.output(z, indices, commitment, log_prior=log_prior)

    def codes_to_z(self, indices: Tensor) -> Tensor:
        """The latent z `(B, Z)` of code indices `(B, M)`."""
        by_step = indices.unflatten(1, (self.n_vectors, -1)).unbind(2)
        codes = [books.look_up(step.T) for books, step in zip(self._steps(), by_step, strict=True)]
        return torch.stack(codes).sum(0).transpose(0, 1).flatten(1)

    def posterior(self, h: Tensor) -> Tensor:
        """Code indices `(B, M)`; the posterior is a point mass."""
        with torch.autocast(h.device.type, enabled=False):
            return self._quantize(self._vectors(h), learn=False)[0]

    def _steps(self) -> list[Codebooks]:
        return [books for books in self.steps if isinstance(books, Codebooks)]

    def _vectors(self, h: Tensor) -> Tensor:
        """The vectors that h `(B, H)` is mapped to, `(n_vectors, B, S)`."""
        return self.to_slots(h.float()).unflatten(1, (self.n_vectors, -1)).transpose(0, 1)

    @torch.no_grad()
    def _quantize(self, vectors: Tensor, *, learn: bool) -> tuple[Tensor, Tensor]:
        """Code indices `(B, M)` of vectors `(n_vectors, B, S)`, and the sums of their codes."""
        total, chosen = torch.zeros_like(vectors), []
        for books in self._steps():
            rest = vectors - total
            if learn:
                books.start(rest)
            indices = books.nearest(rest)
            codes = books.look_up(indices)
            if learn:
                books.follow(rest, indices, codes)
            total = total + codes
            chosen.append(indices.T)
        return torch.stack(chosen, dim=2).flatten(1), total


class ResidualVQLatentConfig(LatentSettings):
    """Residual VQ: each slot of z is a sum of `depth` codes; train it with a constant beta of 1."""

    member: ClassVar[type[Latent]] = ResidualVQLatent

    kind: Literal["residual_vq"] = "residual_vq"
    n_vectors: Size = 8
    """Number of slots of z."""
    depth: Depth = 2
    """Number of codes that are added up in each slot."""
    n_codes: Annotated[int, Field(ge=2, le=65_536)] = 256
    code_dim: Size = 8
    commitment: Weight = 0.25
    decay: Annotated[float, Field(gt=0, lt=1)] = 0.95
    dead_below: Weight = 0.05
    """Codes that are used less often than this per batch, on average, are replaced by vectors of the batch."""

    @property
    def z_dim(self) -> int:
        """Size of z (Z)."""
        return self.n_vectors * self.code_dim

    @property
    def code_slots(self) -> int:
        """Number of slots of z."""
        return self.n_vectors

    def build(self, h_dim: int, *, h_slots: int = 1) -> ResidualVQLatent:
        """Build the latent, with untrained weights."""
        return ResidualVQLatent(h_dim, h_slots=h_slots, **self.arguments())
