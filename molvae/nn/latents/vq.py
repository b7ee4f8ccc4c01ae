"""Vector quantization: M slots of K codes per molecule (van den Oord et al. 2017)."""

from typing import Annotated, ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from molvae.config import Positive
from molvae.nn.latents.base import ACTIVE_NATS, Latent, LatentOutput, LatentSettings, LatentSummary, LogPrior
from molvae.nn.priors.standard import UniformCodePrior
from molvae.nn.slots import SlotLinear

REVIVED = 16  # codes of a codebook at most, per batch
KMEANS_STEPS = 10
SMOOTHING = 1e-5  # Laplace's, of the codes' counts


class VQLatent(Latent):
    """h → M vectors, each replaced by the nearest of its slot's K codes; gradients pass straight through.

    Args:
        h_dim: size of h.
        n_slots: M; h consists of as many parts, or of one.
        n_codes: K, a codebook of its own in every slot.
        code_dim: size of a code; Z = M · code_dim.
        commitment: weight of the pull of h toward its codes.
        decay: of the codebooks' moving averages.
        dead_below: codes that a batch uses less often than this, on average, start again at the vectors of the batch
            that are farthest from their codes.
        shared: one codebook for all slots, in place of one each.
        h_slots: parts that h consists of: 1 or n_slots.
    """

    discrete: ClassVar[bool] = True
    feature_kinds: ClassVar[tuple[str, ...]] = ("mean", "codes")

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
        """Quantized latents of a batch; the codebooks learn in training mode only.

        The posterior is a point, so the KL to a learned prior is the negative log-likelihood of its codes, through
        which no gradient reaches the encoder.
        """
        with torch.autocast(h.device.type, enabled=False):  # bfloat16 cannot tell close codes apart
            vectors = self._vectors(h)
            if self.training:
                self.codebooks.start(vectors.detach())
            indices = self.codebooks.nearest(vectors)
            codes = self.codebooks.look_up(indices)
            if self.training:
                self.codebooks.follow(vectors.detach(), indices, codes)
            commitment = self.commitment * F.mse_loss(codes, vectors)
            z = self._joined(vectors + (codes - vectors).detach())
        indices = self._per_molecule(indices)
        diagnostics = {"perplexity": code_entropy(indices, self.n_codes).exp().mean()}
        auxiliary = commitment.new_zeros(())
        if log_prior is not None:
            auxiliary = -log_prior(indices).mean()
            diagnostics["kl"] = auxiliary.detach()
        return LatentOutput(z, z, commitment, auxiliary, diagnostics)

    def codes_to_z(self, indices: Tensor) -> Tensor:
        """Latents `(B, Z)` of code indices `(B, M)`."""
        tables = 1 if self.shared else self.n_slots
        return self._joined(self.codebooks.look_up(indices.unflatten(1, (-1, tables)).flatten(0, 1).T))

    def codebook(self) -> Tensor:
        """The codes `(K, S)` that all slots share."""
        return self.codebooks.codes[0]

    def standard_prior(self) -> UniformCodePrior:
        """Every code of every slot is as likely as the others."""
        return UniformCodePrior(self.n_slots, self.n_codes)

    def posterior(self, h: Tensor) -> Tensor:
        """Code indices `(B, M)`: the posterior is a point."""
        with torch.autocast(h.device.type, enabled=False):
            return self._per_molecule(self.codebooks.nearest(self._vectors(h)))

    def sample_posterior(
        self, parameters: Tensor, *, generator: torch.Generator | None = None, same_noise: bool = False
    ) -> Tensor:
        """The code indices themselves."""
        return parameters

    def entropy(self, parameters: Tensor) -> Tensor:
        """0: the posterior is a point."""
        return torch.zeros(len(parameters), device=parameters.device)

    def log_posterior(self, parameters: Tensor, target: Tensor) -> Tensor:
        """0: the posterior is a point."""
        return torch.zeros(len(parameters), device=parameters.device)

    def to_z(self, target: Tensor) -> Tensor:
        """Latents `(B, Z)` of code indices `(B, M)`."""
        return self.codes_to_z(target)

    @torch.no_grad()
    def summarize(self, h: Tensor) -> LatentSummary:
        """Entropy per slot, slots in use, and the entropy of whole codes, on molecules whose h `(n, H)` these are."""
        indices = self.posterior(h).cpu()
        entropy = code_entropy(indices, self.n_codes)
        _, counts = indices.unique(dim=0, return_counts=True)
        share = counts.double() / len(indices)
        return LatentSummary(entropy, int((entropy > ACTIVE_NATS).sum()), float(-(share * share.log()).sum()))

    def features(self, kind: str, h: Tensor) -> Tensor:
        """Latents `(B, Z)`, or code indices `(B, M)`."""
        return self.posterior(h) if kind == "codes" else super().features(kind, h)

    def feature_names(self, kind: str) -> list[str]:
        """A name per dimension, or per slot."""
        if kind == "codes":
            return [f"code{i}" for i in range(self.n_slots)]
        return super().feature_names(kind)

    def extra_repr(self) -> str:
        """Settings for `repr`."""
        return f"n_slots={self.n_slots}, n_codes={self.n_codes}"

    def _vectors(self, h: Tensor) -> Tensor:
        """Slot vectors of h `(B, H)`, by codebook: `(books, n, S)`."""
        slots = self.to_slots(h.float()).unflatten(1, (self.n_slots, -1))
        return slots.flatten(0, 1).unsqueeze(0) if self.shared else slots.transpose(0, 1)

    def _joined(self, vectors: Tensor) -> Tensor:
        """What `_vectors` took apart: `(books, n, S)` → `(B, Z)`."""
        if self.shared:
            return vectors[0].unflatten(0, (-1, self.n_slots)).flatten(1)
        return vectors.transpose(0, 1).flatten(1)

    def _per_molecule(self, indices: Tensor) -> Tensor:
        """`(books, n)` → `(B, M)`."""
        return indices.view(-1, self.n_slots) if self.shared else indices.T.contiguous()


class Codebooks(nn.Module):
    """Codes that follow the vectors they stand for by moving averages (van den Oord et al. 2017, appendix A).

    Args:
        n_books: independent codebooks (G).
        n_codes: K.
        dim: S.
        decay: of the moving averages.
        dead_below: codes that a batch uses less often than this, on average, start again.
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
        """Index of the code nearest to each vector, `(G, n, S)` → `(G, n)` int64."""
        codes = self.codes
        return torch.baddbmm(codes.square().sum(-1).unsqueeze(1), vectors, codes.mT, alpha=-2.0).argmin(-1)

    def look_up(self, indices: Tensor) -> Tensor:
        """Codes `(G, n, S)` of indices `(G, n)`."""
        books = torch.arange(len(self.codes), device=indices.device).unsqueeze(1)
        return self.codes[books, indices]

    @torch.no_grad()
    def start(self, vectors: Tensor) -> None:
        """Let the codes of a new codebook start at clusters of its first vectors `(G, n, S)` (k-means)."""
        if self.started:
            return
        n_codes = self.codes.shape[1]
        picked = torch.rand(vectors.shape[:2], device=vectors.device).argsort(1)
        picked = picked.repeat(1, -(-n_codes // vectors.shape[1]))[:, :n_codes]
        self.codes.copy_(vectors.gather(1, picked.unsqueeze(-1).expand(-1, -1, vectors.shape[-1])))
        for _ in range(KMEANS_STEPS):
            counts, sums = self._totals(vectors, self.nearest(vectors))
            means = sums / counts.clamp(min=1).unsqueeze(-1)
            self.codes.copy_(torch.where(counts.unsqueeze(-1) > 0, means, self.codes))
        counts, _ = self._totals(vectors, self.nearest(vectors))
        self.counts.copy_(counts)
        self.sums.copy_(self.codes * counts.unsqueeze(-1))
        self.started.fill_(True)

    @torch.no_grad()
    def follow(self, vectors: Tensor, indices: Tensor, codes: Tensor) -> None:
        """Move the codes toward the vectors `(G, n, S)` that they stood for; dead codes start again."""
        counts, sums = self._totals(vectors, indices)
        self.counts.lerp_(counts, 1 - self.decay)
        self.sums.lerp_(sums, 1 - self.decay)
        total = self.counts.sum(-1, keepdim=True)
        smoothed = (self.counts + SMOOTHING) / (total + self.counts.shape[1] * SMOOTHING) * total
        self.codes.copy_(self.sums / smoothed.unsqueeze(-1))
        if self.dead_below:
            self._revive(vectors, codes)

    def _totals(self, vectors: Tensor, indices: Tensor) -> tuple[Tensor, Tensor]:
        """How many vectors chose each code, `(G, K)`, and their sum, `(G, K, S)`."""
        n_books, n_codes, dim = self.codes.shape
        flat = (indices + n_codes * torch.arange(n_books, device=indices.device).unsqueeze(1)).flatten()
        counts = torch.bincount(flat, minlength=n_books * n_codes).to(vectors.dtype)
        sums = vectors.new_zeros(n_books * n_codes, dim).index_add_(0, flat, vectors.flatten(0, 1))
        return counts.view(n_books, n_codes), sums.view(n_books, n_codes, dim)

    def _revive(self, vectors: Tensor, codes: Tensor) -> None:
        """Let dead codes start again at those of the vectors that lie farthest from their codes."""
        distances = (vectors - codes).square().sum(-1)
        for book, (own, distance) in enumerate(zip(vectors, distances, strict=True)):
            dead = (self.counts[book] < self.dead_below).nonzero().squeeze(1)[:REVIVED]
            far = distance.topk(min(len(dead), len(own))).indices
            dead = dead[: len(far)]
            self.codes[book, dead] = own[far]
            self.sums[book, dead] = own[far]
            self.counts[book, dead] = 1.0


def code_entropy(indices: Tensor, n_codes: int) -> Tensor:
    """Entropy of each slot's code frequencies `(M,)`, nats, from code indices `(n, M)`."""
    counts = torch.stack([torch.bincount(slot, minlength=n_codes) for slot in indices.T])
    share = counts.double() / len(indices)
    return -torch.special.xlogy(share, share).sum(1).float()


class VQLatentConfig(LatentSettings):
    """M slots of K codes; give the training a constant beta of 1, which then weighs the commitment loss."""

    member: ClassVar[type[Latent]] = VQLatent

    kind: Literal["vq"] = "vq"
    n_slots: Positive = 16
    n_codes: Annotated[int, Field(ge=2)] = 256
    code_dim: Positive = 8
    commitment: Annotated[float, Field(ge=0)] = 0.25
    decay: Annotated[float, Field(gt=0, lt=1)] = 0.95
    dead_below: Annotated[float, Field(ge=0)] = 0.05
    """Codes that a batch uses less often than this, on average, are replaced by vectors of the batch."""
    shared: bool = False
    """One codebook for all slots."""

    @property
    def z_dim(self) -> int:
        """Z."""
        return self.n_slots * self.code_dim

    @property
    def code_slots(self) -> int:
        """M."""
        return self.n_slots

    def build(self, h_dim: int, *, h_slots: int = 1) -> VQLatent:
        """The latent, untrained."""
        return VQLatent(h_dim, h_slots=h_slots, **self.arguments())
