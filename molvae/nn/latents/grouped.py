"""A Gaussian latent in groups of dimensions, each with its own floor of the KL (cf. Vahdat and Kautz 2020)."""

from typing import ClassVar, Literal

import torch
from pydantic import model_validator
from torch import Tensor

from molvae.config import Size, Weight
from molvae.nn.latents.base import (
    ACTIVE_NATS,
    ACTIVE_VARIANCE,
    ContinuousLatentSettings,
    Latent,
    LatentOutput,
    LatentSummary,
    LogPrior,
)
from molvae.nn.latents.gaussian import GaussianLatent, gaussian_kl, mutual_information, reparametrize


class GroupedLatent(GaussianLatent):
    """z is cut into G equal groups; the regularizer is Σ_g max(free_nats, Σ_{i ∈ g} KL_i), KL_i the mean of the batch.

    A group below its floor is not pulled toward the prior, and one above it pays for all it carries, so that no group
    is given up for another. Free bits per dimension (Kingma et al. 2016) are the case of groups of one.

    Args:
        h_dim: size of h.
        latent_dim: size of z (Z).
        n_groups: number of groups (G).
        free_nats: floor of each group, nats.
        n_slots: number of slots of h.
    """

    def __init__(
        self, h_dim: int, *, latent_dim: int = 128, n_groups: int = 8, free_nats: float = 2.0, n_slots: int = 1
    ) -> None:
        super().__init__(h_dim, latent_dim=latent_dim, n_slots=n_slots)
        self.n_groups, self.free_nats = n_groups, free_nats

    def forward(
        self, h: Tensor, *, log_prior: LogPrior | None = None, generator: torch.Generator | None = None
    ) -> LatentOutput:
        """Compute the latents of a batch; without a jointly trained prior only."""
        mean, logvar = self.moments(h)
        z = reparametrize(mean, logvar, generator=generator) if self.training else mean
        kl = gaussian_kl(mean, logvar).mean(0).view(self.n_groups, -1).sum(1)
        regularizer = kl.clamp(min=self.free_nats).sum()
        diagnostics = {"kl": kl.detach().sum(), "kl_least": kl.detach().min()}
        return LatentOutput(z, mean, regularizer, regularizer.new_zeros(()), diagnostics)

    @torch.no_grad()
    def summarize(self, h: Tensor) -> LatentSummary:
        """KL per dimension, active dimensions, both also by group, and mutual information of n molecules."""
        mean, logvar = self.moments(h)
        kl = gaussian_kl(mean, logvar).mean(0).cpu()
        active = (kl > ACTIVE_NATS) & (mean.var(0).cpu() > ACTIVE_VARIANCE)
        parts = zip(kl.chunk(self.n_groups), active.chunk(self.n_groups), strict=True)
        levels = {f"group{g}": (float(part.sum()), int(used.sum())) for g, (part, used) in enumerate(parts)}
        return LatentSummary(kl, int(active.sum()), mutual_information(mean.cpu(), logvar.cpu()), levels)


class GroupedLatentConfig(ContinuousLatentSettings):
    """A Gaussian latent with a floor of the KL of each group of dimensions."""

    member: ClassVar[type[Latent]] = GroupedLatent

    kind: Literal["grouped"] = "grouped"
    n_groups: Size = 8
    free_nats: Weight = 2.0
    """Floor of the KL of each group, nats."""

    @model_validator(mode="after")
    def _groups_divide(self) -> "GroupedLatentConfig":
        if self.latent_dim % self.n_groups:
            raise ValueError(f"{self.n_groups} groups do not divide the {self.latent_dim} latent dimensions")
        return self

    @property
    def no_joint_prior(self) -> str | None:
        """The floors are those of the KL to N(0, I)."""
        return "free_nats belong to N(0, I); fit the prior of a grouped latent afterwards with fit: two-stage"
