"""How little a new member takes: a latent and a decoder that nobody needs, which keep every contract.

In the package each would be its own file, and a line in `molvae.nn.registry`.
"""

from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from molvae.config import Positive
from molvae.nn.decoders.base import Decoder, DecoderSettings, State
from molvae.nn.latents.base import Latent, LatentOutput, LatentSettings, LatentSummary, LogPrior
from molvae.nn.priors.standard import StandardPrior


class PointLatent(Latent):
    """z is a linear map of h: an autoencoder without a posterior to draw from."""

    def __init__(self, h_dim: int, latent_dim: int) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.to_z_from_h = nn.Linear(h_dim, latent_dim)

    def forward(
        self, h: Tensor, *, log_prior: LogPrior | None = None, generator: torch.Generator | None = None
    ) -> LatentOutput:
        z = self.to_z_from_h(h).float()
        return LatentOutput(z, z, z.square().mean(), z.new_zeros(()), {})

    def standard_prior(self) -> StandardPrior:
        return StandardPrior(self.latent_dim)

    def posterior(self, h: Tensor) -> Tensor:
        return self.to_z_from_h(h).float()

    def sample_posterior(
        self, parameters: Tensor, *, generator: torch.Generator | None = None, same_noise: bool = False
    ) -> Tensor:
        return parameters

    def entropy(self, parameters: Tensor) -> Tensor:
        return parameters.new_zeros(len(parameters))

    def log_posterior(self, parameters: Tensor, target: Tensor) -> Tensor:
        return parameters.new_zeros(len(parameters))

    def to_z(self, target: Tensor) -> Tensor:
        return target

    def summarize(self, h: Tensor) -> LatentSummary:
        spread = self.posterior(h).detach().var(0)
        return LatentSummary(spread, int((spread > 0.01).sum()), 0.0)


class PointLatentConfig(LatentSettings):
    member: ClassVar[type[Latent]] = PointLatent

    kind: Literal["point"] = "point"
    latent_dim: Positive = 5

    @property
    def z_dim(self) -> int:
        return self.latent_dim

    def build(self, h_dim: int, *, h_slots: int = 1) -> PointLatent:
        return PointLatent(h_dim, self.latent_dim)


class WindowDecoder(Decoder):
    """The next token from z, the token before and how many came before it."""

    def __init__(self, vocabulary_size: int, latent_dim: int, *, hidden_dim: int, condition_dim: int = 0) -> None:
        super().__init__(vocabulary_size, hidden_dim, token_dropout=0.3)
        self.from_token = nn.Embedding(vocabulary_size, hidden_dim)
        self.from_place = nn.Parameter(torch.randn(64, hidden_dim))
        self.from_z = nn.Linear(latent_dim + condition_dim, hidden_dim)

    def hidden(self, z: Tensor, inputs: Tensor, *, condition: Tensor | None = None) -> Tensor:
        (given,) = self.begin(z, condition=condition)
        return torch.tanh(self.from_token(inputs) + self.from_place[: inputs.shape[1]] + given.unsqueeze(1))

    def begin(self, z: Tensor, *, condition: Tensor | None = None) -> State:
        return (self.from_z(z if condition is None else torch.cat([z, condition], dim=1)),)

    def step(self, tokens: Tensor, state: State, place: int) -> tuple[Tensor, State]:
        return torch.tanh(self.from_token(tokens) + self.from_place[place] + state[0]), state


class WindowDecoderConfig(DecoderSettings):
    member: ClassVar[type[Decoder]] = WindowDecoder

    kind: Literal["window"] = "window"
    hidden_dim: Positive = 16

    def build(self, vocabulary_size: int, latent_dim: int, *, condition_dim: int = 0) -> WindowDecoder:
        return WindowDecoder(vocabulary_size, latent_dim, hidden_dim=self.hidden_dim, condition_dim=condition_dim)
