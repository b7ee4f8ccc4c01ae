"""Vector quantization whose codes are learned by gradient descent (van den Oord et al. 2017)."""

from typing import Annotated, ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from molvae.config import Size, Weight
from molvae.nn.latents.base import Latent, LatentOutput, LatentSettings, LogPrior
from molvae.nn.latents.codes import CodeLatent, rotated, straight_through
from molvae.nn.slots import SlotLinear


class GradientVQLatent(CodeLatent):
    """VQ-VAE with a codebook loss in place of moving averages (van den Oord et al. 2017, equation 3).

    The regularizer is ‖sg[e] − c‖² + commitment · ‖e − sg[c]‖², averaged over dimensions, for a vector e and its
    nearest code c, where sg stops the gradient: the first term moves the codes, the second the vectors.

    Args:
        h_dim: size of h.
        n_slots: number of codes per molecule (M).
        n_codes: number of codes in a codebook (K).
        code_dim: size of a code (S); Z = M · code_dim.
        commitment: weight of the second term.
        shared: whether all slots share one codebook; otherwise each slot has its own.
        gradient: how gradients pass from the codes to the vectors: "straight_through", unchanged; or "rotation", turned
            as the vector is turned onto its code (Fifty et al. 2024).
        h_slots: number of slots of h: 1 or n_slots.
    """

    started: Tensor

    def __init__(
        self,
        h_dim: int,
        *,
        n_slots: int = 16,
        n_codes: int = 256,
        code_dim: int = 8,
        commitment: float = 0.25,
        shared: bool = False,
        gradient: Literal["straight_through", "rotation"] = "straight_through",
        h_slots: int = 1,
    ) -> None:
        super().__init__()
        self.n_slots, self.n_codes, self.shared = n_slots, n_codes, shared
        self.commitment, self.gradient = commitment, gradient
        self.latent_dim = n_slots * code_dim
        self.to_slots = SlotLinear(h_dim, self.latent_dim, n_slots=h_slots)
        self.codes = nn.Parameter(torch.randn(1 if shared else n_slots, n_codes, code_dim))
        self.register_buffer("started", torch.tensor(False))

    def forward(
        self, h: Tensor, *, log_prior: LogPrior | None = None, generator: torch.Generator | None = None
    ) -> LatentOutput:
        """Compute the quantized latents of a batch."""
        with torch.autocast(h.device.type, enabled=False):  # bfloat16 cannot distinguish close codes
            vectors = self._vectors(h)
            if self.training:
                self._start(vectors.detach())
            indices = self._nearest(vectors)
            codes = self._look_up(indices)
            loss = F.mse_loss(codes, vectors.detach()) + self.commitment * F.mse_loss(vectors, codes.detach())
            z = (rotated if self.gradient == "rotation" else straight_through)(vectors, codes).flatten(1)
        return self.output(z, indices, loss, log_prior=log_prior)

    def codes_to_z(self, indices: Tensor) -> Tensor:
        """The latent z `(B, Z)` of code indices `(B, M)`."""
        return self._look_up(indices).flatten(1)

    def codebook(self) -> Tensor:
        """The codes `(K, S)` of the codebook that all slots share."""
        return self.codes[0]

    def posterior(self, h: Tensor) -> Tensor:
        """Code indices `(B, M)`; the posterior is a point mass."""
        with torch.autocast(h.device.type, enabled=False):
            return self._nearest(self._vectors(h))

    def _vectors(self, h: Tensor) -> Tensor:
        return self.to_slots(h.float()).unflatten(1, (self.n_slots, -1))  # (B, M, S)

    def _nearest(self, vectors: Tensor) -> Tensor:
        """The index of the code nearest to each vector: `(B, M, S)` → `(B, M)`."""
        with torch.no_grad():
            products = torch.einsum("bms,mks->bmk", vectors, self.codes.expand(self.n_slots, -1, -1))
            return (self.codes.square().sum(-1) - 2 * products).argmin(-1)

    def _look_up(self, indices: Tensor) -> Tensor:
        """The codes `(B, M, S)` of code indices `(B, M)`."""
        tables = torch.arange(self.n_slots, device=indices.device) % len(self.codes)
        return self.codes[tables, indices]

    @torch.no_grad()
    def _start(self, vectors: Tensor) -> None:
        """Start the codes at vectors of the first batch; does nothing later."""
        if self.started:
            return
        books = vectors.flatten(0, 1).unsqueeze(0) if self.shared else vectors.transpose(0, 1)
        picks = torch.randint(books.shape[1], (len(books), self.n_codes), device=books.device)
        picked = books.gather(1, picks.unsqueeze(-1).expand(-1, -1, books.shape[-1]))
        self.codes.copy_(picked + 1e-3 * torch.randn_like(picked))
        self.started.fill_(True)


class GradientVQLatentConfig(LatentSettings):
    """VQ codes learned by gradient descent; train it with a constant beta of 1."""

    member: ClassVar[type[Latent]] = GradientVQLatent

    kind: Literal["vq_gradient"] = "vq_gradient"
    n_slots: Size = 16
    n_codes: Annotated[int, Field(ge=2, le=65_536)] = 256
    code_dim: Size = 8
    commitment: Weight = 0.25
    shared: bool = False
    """Whether all slots share one codebook."""
    gradient: Literal["straight_through", "rotation"] = "straight_through"
    """How gradients pass from codes to vectors: unchanged, or by the rotation trick."""

    @property
    def z_dim(self) -> int:
        """Size of z (Z)."""
        return self.n_slots * self.code_dim

    @property
    def code_slots(self) -> int:
        """Number of codes per molecule (M)."""
        return self.n_slots

    def build(self, h_dim: int, *, h_slots: int = 1) -> GradientVQLatent:
        """Build the latent, with untrained weights."""
        return GradientVQLatent(h_dim, h_slots=h_slots, **self.arguments())
