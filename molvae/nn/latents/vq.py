"""A latent with vector quantization (van den Oord et al. 2017): M slots per molecule, each one of K codes."""

from typing import Annotated, ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from molvae.config import Size, Weight
from molvae.nn.latents.base import Latent, LatentOutput, LatentSettings, LogPrior
from molvae.nn.latents.codes import CodeLatent, straight_through
from molvae.nn.slots import SlotLinear
from molvae.processes import add_up, count, gather, in_step

REVIVED = 16  # at most this many codes of a codebook restart per batch
KMEANS_STEPS = 10
SMOOTHING = 1e-5  # Laplace smoothing of the code counts


class VQLatent(CodeLatent):
    """VQ-VAE latent (van den Oord et al. 2017): h is mapped to M vectors, each replaced by the nearest of K codes.

    Gradients pass through the replacement unchanged (straight-through estimator).

    Args:
        h_dim: size of h.
        n_slots: number of codes per molecule (M).
        n_codes: number of codes in a codebook (K).
        code_dim: size of a code (S); Z = M · code_dim.
        commitment: weight of the commitment loss, which pulls vectors toward their codes.
        decay: decay of the codebooks' moving averages.
        dead_below: codes that are used less often than this per batch, on average, are dead: they are moved to the
            vectors of the batch that are farthest from their codes.
        shared: whether all slots share one codebook; otherwise each slot has its own.
        h_slots: number of slots of h: 1 or n_slots.
    """

    def __init__(
        self,
        h_dim: int,
        *,
        n_slots: int = 16,
        n_codes: int = 256,
        code_dim: int = 8,
        commitment: float = 0.25,
        decay: float = 0.95,
        dead_below: float = 0.05,
        shared: bool = False,
        h_slots: int = 1,
    ) -> None:
        super().__init__()
        self.n_slots = n_slots
        self.n_codes = n_codes
        self.shared = shared
        self.commitment = commitment
        self.latent_dim = n_slots * code_dim
        self.to_slots = SlotLinear(h_dim, self.latent_dim, n_slots=h_slots)
        self.codebooks = Codebooks(1 if shared else n_slots, n_codes, code_dim, decay=decay, dead_below=dead_below)

    def forward(
        self, h: Tensor, *, log_prior: LogPrior | None = None, generator: torch.Generator | None = None
    ) -> LatentOutput:
        """Compute the quantized latents of a batch; the codebooks are updated in training mode only."""
        with torch.autocast(h.device.type, enabled=False):  # bfloat16 cannot distinguish close codes
            vectors = self._vectors(h)
            if self.training:
                self.codebooks.start(vectors.detach())
            indices = self.codebooks.nearest(vectors)
            codes = self.codebooks.look_up(indices)
            if self.training:
                self.codebooks.follow(vectors.detach(), indices, codes)
            commitment = self.commitment * F.mse_loss(codes, vectors)
            z = self._joined(straight_through(vectors, codes))
        return self.output(z, self._per_molecule(indices), commitment, log_prior=log_prior)

    def codes_to_z(self, indices: Tensor) -> Tensor:
        """The latent z `(B, Z)` of code indices `(B, M)`."""
        tables = 1 if self.shared else self.n_slots
        return self._joined(self.codebooks.look_up(indices.unflatten(1, (-1, tables)).flatten(0, 1).T))

    def codebook(self) -> Tensor:
        """The codes `(K, S)` of the codebook that all slots share."""
        return self.codebooks.codes[0]

    def posterior(self, h: Tensor) -> Tensor:
        """Code indices `(B, M)`; the posterior is a point mass."""
        with torch.autocast(h.device.type, enabled=False):
            return self._per_molecule(self.codebooks.nearest(self._vectors(h)))

    def _vectors(self, h: Tensor) -> Tensor:
        """The vectors that h `(B, H)` is mapped to, grouped by codebook: `(books, n, S)`."""
        slots = self.to_slots(h.float()).unflatten(1, (self.n_slots, -1))
        return slots.flatten(0, 1).unsqueeze(0) if self.shared else slots.transpose(0, 1)

    def _joined(self, vectors: Tensor) -> Tensor:
        """The inverse of the grouping in `_vectors`: `(books, n, S)` → `(B, Z)`."""
        if self.shared:
            return vectors[0].unflatten(0, (-1, self.n_slots)).flatten(1)
        return vectors.transpose(0, 1).flatten(1)

    def _per_molecule(self, indices: Tensor) -> Tensor:
        """Indices grouped by codebook `(books, n)` → by molecule `(B, M)`."""
        return indices.view(-1, self.n_slots) if self.shared else indices.T.contiguous()


class Codebooks(nn.Module):
    """Codebooks whose codes are moving averages of the vectors assigned to them (van den Oord et al. 2017, appendix A).

    Args:
        n_books: number of independent codebooks (G).
        n_codes: number of codes per codebook (K).
        dim: size of a code (S).
        decay: decay of the moving averages.
        dead_below: codes that are used less often than this per batch, on average, are moved to other vectors.
    """

    codes: Tensor
    sums: Tensor
    counts: Tensor
    started: Tensor

    def __init__(self, n_books: int, n_codes: int, dim: int, *, decay: float, dead_below: float) -> None:
        super().__init__()
        self.decay = decay
        self.dead_below = dead_below
        self.register_buffer("codes", torch.zeros(n_books, n_codes, dim))
        self.register_buffer("sums", torch.zeros(n_books, n_codes, dim))
        self.register_buffer("counts", torch.zeros(n_books, n_codes))
        self.register_buffer("started", torch.tensor(False))

    def nearest(self, vectors: Tensor) -> Tensor:
        """The index of the code nearest to each vector: `(G, n, S)` → `(G, n)` int64."""
        codes = self.codes
        distant = torch.cat([-2 * codes, codes.square().sum(-1, keepdim=True)], dim=-1)  # ‖x − c‖² − ‖x‖² of (x, 1)
        scores = F.pad(vectors, (0, 1), value=1.0) @ distant.transpose(-1, -2)
        return scores.min(-1).indices  # twice as fast as argmin

    def look_up(self, indices: Tensor) -> Tensor:
        """The codes `(G, n, S)` with indices `(G, n)`."""
        books = torch.arange(len(self.codes), device=indices.device).unsqueeze(1)
        return self.codes[books, indices]

    @torch.no_grad()
    def start(self, vectors: Tensor) -> None:
        """Initialize new codebooks by k-means on their first vectors `(G, n, S)`; does nothing later."""
        if self.started:
            return
        n_codes = self.codes.shape[1]
        vectors = torch.cat([part.to(vectors.device) for part in gather(vectors.cpu())], dim=1)
        picked = in_step(torch.rand(vectors.shape[:2], device=vectors.device)).argsort(1)
        picked = picked.repeat(1, -(-n_codes // vectors.shape[1]))[:, :n_codes]
        self.codes.copy_(vectors.gather(1, picked.unsqueeze(-1).expand(-1, -1, vectors.shape[-1])))
        for _ in range(KMEANS_STEPS):
            counts, sums = self._totals(vectors, self.nearest(vectors))  # of all processes, which have the same
            means = sums / counts.clamp(min=1).unsqueeze(-1)
            self.codes.copy_(torch.where(counts.unsqueeze(-1) > 0, means, self.codes))
        counts, _ = self._totals(vectors, self.nearest(vectors))
        self.counts.copy_(counts)
        self.sums.copy_(self.codes * counts.unsqueeze(-1))
        self.started.fill_(True)

    @torch.no_grad()
    def follow(self, vectors: Tensor, indices: Tensor, codes: Tensor) -> None:
        """Move the codes toward the vectors `(G, n, S)` assigned to them, and dead codes to other vectors."""
        counts, sums = self._totals(vectors, indices)
        add_up(counts, sums)
        self.counts.lerp_(counts, 1 - self.decay)
        self.sums.lerp_(sums, 1 - self.decay)
        total = self.counts.sum(-1, keepdim=True)
        smoothed = (self.counts + SMOOTHING) / (total + self.counts.shape[1] * SMOOTHING) * total
        self.codes.copy_(self.sums / smoothed.unsqueeze(-1))
        if self.dead_below:
            self._revive(vectors, codes)

    def _totals(self, vectors: Tensor, indices: Tensor) -> tuple[Tensor, Tensor]:
        """The number of vectors assigned to each code, `(G, K)`, and their sum, `(G, K, S)`."""
        n_books, n_codes, dim = self.codes.shape
        flat = (indices + n_codes * torch.arange(n_books, device=indices.device).unsqueeze(1)).flatten()
        counts = torch.bincount(flat, minlength=n_books * n_codes).to(vectors.dtype)
        sums = vectors.new_zeros(n_books * n_codes, dim).index_add_(0, flat, vectors.flatten(0, 1))
        return counts.view(n_books, n_codes), sums.view(n_books, n_codes, dim)

    def _revive(self, vectors: Tensor, codes: Tensor) -> None:
        """Move dead codes to the vectors that are farthest from their codes, of the batches of all processes."""
        distances = (vectors - codes).square().sum(-1)
        if count() > 1 and bool((self.counts < self.dead_below).any()):  # the counts are those of all processes
            vectors, distances = _farthest(vectors, distances)
        for book, (own, distance) in enumerate(zip(vectors, distances, strict=True)):
            dead = (self.counts[book] < self.dead_below).nonzero().squeeze(1)[:REVIVED]
            far = distance.topk(min(len(dead), len(own))).indices
            dead = dead[: len(far)]
            self.codes[book, dead] = own[far]
            self.sums[book, dead] = own[far]
            self.counts[book, dead] = 1.0


def _farthest(vectors: Tensor, distances: Tensor) -> tuple[Tensor, Tensor]:
    """The vectors `(G, n, S)` of all processes that are farthest from their codes, and their distances `(G, n)`."""
    far = distances.topk(min(REVIVED, distances.shape[1]), dim=1)
    own = vectors.gather(1, far.indices.unsqueeze(-1).expand(-1, -1, vectors.shape[-1]))
    found = gather((own.cpu(), far.values.cpu()))
    return tuple(torch.cat(parts, dim=1).to(vectors.device) for parts in zip(*found, strict=True))  # type: ignore[return-value]


class VQLatentConfig(LatentSettings):
    """A VQ latent; train it with a constant beta of 1, since beta then weights the commitment loss."""

    member: ClassVar[type[Latent]] = VQLatent

    kind: Literal["vq"] = "vq"
    n_slots: Size = 16
    n_codes: Annotated[int, Field(ge=2, le=65_536)] = 256
    code_dim: Size = 8
    commitment: Weight = 0.25
    decay: Annotated[float, Field(gt=0, lt=1)] = 0.95
    dead_below: Weight = 0.05
    """Codes that are used less often than this per batch, on average, are replaced by vectors of the batch."""
    shared: bool = False
    """Whether all slots share one codebook."""

    @property
    def z_dim(self) -> int:
        """Size of z (Z)."""
        return self.n_slots * self.code_dim

    @property
    def code_slots(self) -> int:
        """Number of codes per molecule (M)."""
        return self.n_slots

    def build(self, h_dim: int, *, h_slots: int = 1) -> VQLatent:
        """Build the latent, with untrained weights."""
        return VQLatent(h_dim, h_slots=h_slots, **self.arguments())
