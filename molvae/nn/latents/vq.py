"""Vector quantization: M slots of K codes per molecule (van den Oord et al. 2017), on vector-quantize-pytorch."""

import torch
from torch import Tensor
from vector_quantize_pytorch import VectorQuantize

from molvae.nn.latents.base import ACTIVE_NATS, Latent, LatentOutput, LatentSummary, LogPrior
from molvae.nn.slots import SlotLinear

REVIVED = 16  # codes of a codebook at most, a batch


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
        self.dead_below = dead_below
        self.latent_dim = n_slots * code_dim
        self.to_slots = SlotLinear(h_dim, self.latent_dim, n_slots=h_slots)
        self.quantize = VectorQuantize(
            dim=self.latent_dim,
            heads=n_slots,
            separate_codebook_per_head=n_slots > 1 and not shared,
            codebook_dim=code_dim,
            codebook_size=n_codes,
            commitment_weight=commitment,
            decay=decay,
            threshold_ema_dead_code=0,  # that revival copies random vectors every step: codes would lose their meaning
            kmeans_init=True,
            rotation_trick=False,
        )

    def forward(
        self, h: Tensor, *, log_prior: LogPrior | None = None, generator: torch.Generator | None = None
    ) -> LatentOutput:
        """Quantized latents of a batch; the codebooks learn in training mode only.

        The posterior is a point, so the KL to a learned prior is the negative log-likelihood of its codes, through
        which no gradient reaches the encoder.
        """
        z, indices, commitment = self._quantized(h)
        diagnostics = {"perplexity": code_entropy(indices, self.n_codes).exp().mean()}
        auxiliary = commitment.new_zeros(())
        if log_prior is not None:
            auxiliary = -log_prior(indices).mean()
            diagnostics["kl"] = auxiliary.detach()
        return LatentOutput(z, z, commitment, auxiliary, diagnostics)

    def code_indices(self, h: Tensor) -> Tensor:
        """Which code each slot picks, `(B, M)` int64."""
        return self._quantized(h)[1]

    def codes_to_z(self, indices: Tensor) -> Tensor:
        """Latents `(B, Z)` of code indices `(B, M)`."""
        return self.quantize.get_output_from_indices(indices.unsqueeze(1)).flatten(1)

    def codebook(self) -> Tensor:
        """The codes `(K, S)` that all slots share."""
        return self.quantize._codebook.embed[0]

    def posterior_parameters(self, h: Tensor) -> Tensor:
        """Code indices `(B, M)`."""
        return self.code_indices(h)

    def prior_target(self, parameters: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """What a learned prior models: the code indices themselves."""
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
        """Entropy a slot, slots in use, and the entropy of whole codes, on molecules whose h `(n, H)` these are."""
        indices = self.code_indices(h).cpu()
        entropy = code_entropy(indices, self.n_codes)
        _, counts = indices.unique(dim=0, return_counts=True)
        share = counts.double() / len(indices)
        return LatentSummary(entropy, int((entropy > ACTIVE_NATS).sum()), float(-(share * share.log()).sum()))

    def extra_repr(self) -> str:
        """Settings for `repr`."""
        return f"n_slots={self.n_slots}, n_codes={self.n_codes}"

    def _quantized(self, h: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        with torch.autocast(h.device.type, enabled=False):  # bfloat16 cannot tell close codes apart
            vectors = self.to_slots(h.float())
            z, indices, commitment = self.quantize(vectors.unsqueeze(1))
            if self.training and self.dead_below:
                self._revive(vectors.detach(), z.detach().flatten(1))
        return z.flatten(1), indices.reshape(len(h), self.n_slots), commitment.sum()

    @torch.no_grad()
    def _revive(self, vectors: Tensor, codes: Tensor) -> None:
        """Let dead codes start again at those of the slot vectors `(B, Z)` that lie farthest from their codes."""
        book = self.quantize._codebook
        parts, places = (t.unflatten(1, (self.n_slots, -1)).transpose(0, 1) for t in (vectors, codes))
        if len(book.embed) == 1:  # one codebook for all slots
            parts, places = parts.flatten(0, 1).unsqueeze(0), places.flatten(0, 1).unsqueeze(0)
        for number, (own, place) in enumerate(zip(parts, places, strict=True)):
            dead = (book.cluster_size[number] < self.dead_below).nonzero().squeeze(1)[:REVIVED]
            far = (own - place).square().sum(1).topk(min(len(dead), len(own))).indices
            dead = dead[: len(far)]
            book.embed[number, dead] = own[far]
            book.embed_avg[number, dead] = own[far]
            book.cluster_size[number, dead] = 1.0


def code_entropy(indices: Tensor, n_codes: int) -> Tensor:
    """Entropy of each slot's code frequencies `(M,)`, nats, from code indices `(n, M)`."""
    counts = torch.stack([torch.bincount(slot, minlength=n_codes) for slot in indices.T])
    share = counts.double() / len(indices)
    return -torch.special.xlogy(share, share).sum(1).float()
