"""What latents of codes share: M code indices per molecule, and gradients that pass the choice of a code."""

from typing import ClassVar

import torch
from torch import Tensor

from molvae.nn.latents.base import ACTIVE_NATS, Latent, LatentOutput, LatentSummary, LogPrior
from molvae.nn.priors.standard import UniformCodePrior


class CodeLatent(Latent):
    """Base of latents whose targets are code indices `(B, M)`; a subclass defines `posterior` and `codes_to_z`.

    Here the posterior is a point mass on the indices; a subclass that draws them overrides what depends on that.
    """

    discrete: ClassVar[bool] = True
    feature_kinds: ClassVar[tuple[str, ...]] = ("mean", "codes")

    def codes_to_z(self, indices: Tensor) -> Tensor:
        """The latent z `(B, Z)` of code indices `(B, M)`."""
        raise NotImplementedError

    def output(
        self, z: Tensor, indices: Tensor, regularizer: Tensor, *, log_prior: LogPrior | None = None
    ) -> LatentOutput:
        """The output for z `(B, Z)` and its indices `(B, M)`.

        The KL from a point mass to a learned prior is the negative log-likelihood of the codes. It trains the prior;
        code indices have no gradient, so it does not train the encoder.
        """
        diagnostics = {"perplexity": code_entropy(indices, self.n_codes).exp().mean()}
        auxiliary = regularizer.new_zeros(())
        if log_prior is not None:
            auxiliary = -log_prior(indices).mean()
            diagnostics["kl"] = auxiliary.detach()
        return LatentOutput(z, z, regularizer, auxiliary, diagnostics, codes=indices)

    def standard_prior(self) -> UniformCodePrior:
        """The uniform distribution over all codes."""
        return UniformCodePrior(self.n_slots, self.n_codes)

    def sample_posterior(
        self, parameters: Tensor, *, generator: torch.Generator | None = None, same_noise: bool = False
    ) -> Tensor:
        """The code indices themselves, since the posterior is a point mass."""
        return parameters

    def entropy(self, parameters: Tensor) -> Tensor:
        """0, since the posterior is a point mass."""
        return torch.zeros(len(parameters), device=parameters.device)

    def log_posterior(self, parameters: Tensor, target: Tensor) -> Tensor:
        """0, since the posterior is a point mass."""
        return torch.zeros(len(parameters), device=parameters.device)

    def to_z(self, target: Tensor) -> Tensor:
        """The latent z `(B, Z)` of code indices `(B, M)`."""
        return self.codes_to_z(target)

    def likeliest(self, h: Tensor) -> Tensor:
        """The most probable code indices `(B, M)`; those of the point mass."""
        return self.posterior(h)

    def central_target(self, h: Tensor) -> Tensor:
        """The most probable code indices `(B, M)`."""
        return self.likeliest(h)

    @torch.no_grad()
    def summarize(self, h: Tensor) -> LatentSummary:
        """Entropy per slot, active slots and joint entropy of all slots, of n molecules with the given h `(n, H)`."""
        indices = self.likeliest(h).cpu()
        entropy = code_entropy(indices, self.n_codes)
        _, counts = indices.unique(dim=0, return_counts=True)
        share = counts.double() / len(indices)
        return LatentSummary(entropy, int((entropy > ACTIVE_NATS).sum()), float(-(share * share.log()).sum()))

    def features(self, kind: str, h: Tensor) -> Tensor:
        """The latent z `(B, Z)`, or code indices `(B, M)`."""
        return self.likeliest(h) if kind == "codes" else super().features(kind, h)

    def feature_names(self, kind: str) -> list[str]:
        """A name for each dimension, or for each slot."""
        if kind == "codes":
            return [f"code{i}" for i in range(self.n_slots)]
        return super().feature_names(kind)

    def extra_repr(self) -> str:
        """Settings for `repr`."""
        return f"n_slots={self.n_slots}, n_codes={self.n_codes}"


def code_entropy(indices: Tensor, n_codes: int) -> Tensor:
    """Entropy of the code frequencies of each slot, nats, `(M,)`, from code indices `(n, M)`."""
    counts = torch.stack([torch.bincount(slot, minlength=n_codes) for slot in indices.T])
    share = counts.double() / len(indices)
    return -torch.special.xlogy(share, share).sum(1).float()


def straight_through(vectors: Tensor, codes: Tensor) -> Tensor:
    """The codes, through which gradients pass to the vectors unchanged (Bengio et al. 2013), both `(…, S)`."""
    return vectors + (codes - vectors).detach()


def rotated(vectors: Tensor, codes: Tensor) -> Tensor:
    """The codes as rotated and scaled vectors, so that gradients are rotated back (Fifty et al. 2024), both `(…, S)`.

    With unit vectors ê of e and q̂ of q and r = (ê + q̂)/‖ê + q̂‖, the result is ‖q‖/‖e‖ · (e − 2 r rᵀe + 2 q̂ êᵀe), in
    which all but e is constant: it equals q, and its gradient depends on the angle between both.
    """
    with torch.no_grad():
        length, wanted = (v.norm(dim=-1, keepdim=True).clamp(min=1e-6) for v in (vectors, codes))
        here, there = vectors / length, codes / wanted
        middle = torch.nn.functional.normalize(here + there, dim=-1)
    turned = (
        vectors
        - 2 * middle * (middle * vectors).sum(-1, keepdim=True)
        + 2 * there * (here * vectors).sum(-1, keepdim=True)
    )
    return wanted / length * turned
