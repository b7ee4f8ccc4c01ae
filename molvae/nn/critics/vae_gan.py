"""VAE-GAN (Larsen et al. 2016): a critic on decoded molecules, and a reconstruction loss in its features."""

from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from molvae.config import Weight
from molvae.data.vocabulary import PAD
from molvae.nn.critics.base import Critic, CriticSettings, Seen

WIDTH = 5  # tokens that a filter reads


class DecodedCritic(Critic):
    """D tells molecules from decoded ones by filters over their tokens; its features f are their means and maxima.

    Decoded tokens are drawn from the decoder's logits given the true tokens before them (teacher forcing), by
    straight-through Gumbel-softmax, so that the critic gets one token at each place and the decoder a gradient. The
    model minimizes −E log D(x̃) + similarity · ‖f(x) − f(x̃)‖²; Larsen et al. put the second term in place of the
    reconstruction loss, here it stands beside it.

    Args:
        vocabulary_size: number of token ids (V).
        hidden_dim: number of filters.
        similarity: weight of the distance of features.
    """

    def __init__(self, vocabulary_size: int, *, hidden_dim: int = 256, similarity: float = 1.0) -> None:
        super().__init__()
        self.similarity = similarity
        self.embedding = nn.Linear(vocabulary_size, hidden_dim, bias=False)
        self.filters = nn.Conv1d(hidden_dim, hidden_dim, WIDTH, padding=WIDTH // 2)
        self.to_features = nn.Linear(2 * hidden_dim, hidden_dim)
        self.to_logit = nn.Linear(hidden_dim, 1)

    def forward(self, tokens: Tensor, known: Tensor) -> Tensor:
        """Features, then the logit of being no decoded molecule.

        Args:
            tokens: `(B, T, V)`, one-hot.
            known: `(B, T)` bool, False for padding.

        Returns:
            `(B, D + 1)`.
        """
        mask = known.unsqueeze(1)
        states = F.leaky_relu(self.filters(self.embedding(tokens).transpose(1, 2) * mask), 0.2) * mask
        mean = states.sum(2) / mask.sum(2).clamp(min=1)
        features = F.leaky_relu(self.to_features(torch.cat([mean, states.amax(2)], dim=1)), 0.2)
        return torch.cat([features, self.to_logit(features)], dim=1)

    def penalty(self, seen: Seen) -> Tensor:
        """−E log D(x̃) + similarity · ‖f(x) − f(x̃)‖², the latter as a mean over features."""
        decoded = self.constant(*self._decoded(seen))
        wanted = self.constant(*self._true(seen)).detach()
        adversarial = F.softplus(-decoded[:, -1]).mean()
        return adversarial + self.similarity * F.mse_loss(decoded[:, :-1], wanted[:, :-1])

    def loss(self, seen: Seen) -> Tensor:
        """Cross-entropy between molecules and decoded ones."""
        true, decoded = self(*self._true(seen))[:, -1], self(*self._decoded(seen))[:, -1]
        return 0.5 * (F.softplus(-true).mean() + F.softplus(decoded).mean())

    def _true(self, seen: Seen) -> tuple[Tensor, Tensor]:
        targets = seen.token_ids[:, 1:]
        return F.one_hot(targets, seen.logits.shape[-1]).float(), targets != PAD

    def _decoded(self, seen: Seen) -> tuple[Tensor, Tensor]:
        noise = -torch.empty_like(seen.logits, dtype=torch.float32).exponential_().log()
        soft = (seen.logits.float() + noise).softmax(-1)
        hard = F.one_hot(soft.argmax(-1), soft.shape[-1]).float()
        return soft + (hard - soft).detach(), seen.token_ids[:, 1:] != PAD


class VAEGANConfig(CriticSettings):
    """VAE-GAN; it judges tokens, so that any latent can be used."""

    member: ClassVar[type[Critic]] = DecodedCritic
    of_z: ClassVar[bool] = False

    kind: Literal["vae_gan"] = "vae_gan"
    similarity: Weight = 1.0
    """Weight of the squared distance of features, relative to the adversarial term."""

    def build(self, latent_dim: int, vocabulary_size: int) -> DecodedCritic:
        """Build the critic, with untrained weights."""
        return DecodedCritic(vocabulary_size, hidden_dim=self.hidden_dim, similarity=self.similarity)
