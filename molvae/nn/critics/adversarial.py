"""The adversarial autoencoder (Makhzani et al. 2015): a critic tells q(z) from the prior."""

from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from molvae.nn.critics.base import Critic, CriticSettings, Seen, perceptron


class AdversarialCritic(Critic):
    """D tells draws of N(0, I) from z; the encoder makes z that it takes for such draws.

    The critic minimizes −E_p log D(z) − E_q log(1 − D(z)), the model −E_q log D(z), which has the larger gradient where
    the critic is sure (Goodfellow et al. 2014). With an autoencoder latent and beta 0, nothing else shapes z.

    Args:
        latent_dim: size of z (Z).
        hidden_dim: width of the critic.
    """

    def __init__(self, latent_dim: int, *, hidden_dim: int = 256) -> None:
        super().__init__()
        self.network = perceptron(latent_dim, hidden_dim)

    def forward(self, z: Tensor) -> Tensor:
        """The logit of z `(B, Z)` being drawn from the prior: `(B,)`."""
        return self.network(z.float()).squeeze(1)

    def penalty(self, seen: Seen) -> Tensor:
        """−E log D(z)."""
        return F.softplus(-self.constant(seen.z)).mean()

    def loss(self, seen: Seen) -> Tensor:
        """Cross-entropy between draws of the prior and z."""
        drawn = torch.randn_like(seen.z)
        return 0.5 * (F.softplus(-self(drawn)).mean() + F.softplus(self(seen.z)).mean())


class AdversarialConfig(CriticSettings):
    """An adversarial autoencoder."""

    member: ClassVar[type[Critic]] = AdversarialCritic

    kind: Literal["adversarial"] = "adversarial"

    def build(self, latent_dim: int, vocabulary_size: int) -> AdversarialCritic:
        """Build the critic, with untrained weights."""
        return AdversarialCritic(latent_dim, hidden_dim=self.hidden_dim)
