"""FactorVAE (Kim and Mnih 2018): a critic estimates the total correlation of z."""

from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from molvae.nn.critics.base import Critic, CriticSettings, Seen, perceptron


class TotalCorrelationCritic(Critic):
    """D tells z ~ q(z) from z̄ ~ Π q(z_i), which are z with every dimension shuffled over the batch.

    Its logit is then the density ratio log q(z) / Π q(z_i), the mean of which estimates the total correlation; that is
    the model's penalty, with weight γ: L = ELBO − γ · TC.

    Args:
        latent_dim: size of z (Z).
        hidden_dim: width of the critic.
    """

    def __init__(self, latent_dim: int, *, hidden_dim: int = 256) -> None:
        super().__init__()
        self.network = perceptron(latent_dim, hidden_dim)

    def forward(self, z: Tensor) -> Tensor:
        """Log density ratio of z `(B, Z)`: `(B,)`."""
        return self.network(z.float()).squeeze(1)

    def penalty(self, seen: Seen) -> Tensor:
        """The estimate of the total correlation, nats."""
        return self.constant(seen.z).mean()

    def loss(self, seen: Seen) -> Tensor:
        """Cross-entropy between z and shuffled z."""
        return 0.5 * (F.softplus(-self(seen.z)).mean() + F.softplus(self(shuffled(seen.z))).mean())


def shuffled(z: Tensor) -> Tensor:
    """Z `(B, Z)` with every dimension shuffled over the batch, independently of the others."""
    return z.gather(0, torch.rand_like(z).argsort(0))


class TotalCorrelationConfig(CriticSettings):
    """FactorVAE: the weight is γ."""

    member: ClassVar[type[Critic]] = TotalCorrelationCritic

    kind: Literal["total_correlation"] = "total_correlation"

    def build(self, latent_dim: int, vocabulary_size: int) -> TotalCorrelationCritic:
        """Build the critic, with untrained weights."""
        return TotalCorrelationCritic(latent_dim, hidden_dim=self.hidden_dim)
