"""The condition: desired properties, embedded as an input of the decoder and the learned prior."""

from collections.abc import Sequence
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from molvae.config import Section, Size


class PropertyCondition(nn.Module):
    """Embeds properties as the condition c; each property has a learned embedding for "not given".

    Labels may be missing in training, and known ones are hidden at random, so that any subset of the properties can be
    asked for later.

    Args:
        names: the P properties.
        mean: mean of each property, in its own unit.
        std: standard deviation of each property, in its own unit.
        dim: size of c (C).
        dropout: probability with which each label is hidden in training; in addition, all labels of a molecule are
            hidden with half this probability.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, names: Sequence[str], *, mean: Sequence[float], std: Sequence[float], dim: int = 32, dropout: float = 0.3
    ) -> None:
        super().__init__()
        self.names = tuple(names)
        self.dim = dim
        self.dropout = dropout
        self.unknown = nn.Parameter(torch.randn(len(self.names), dim) / 10)
        self.first = nn.Parameter(torch.randn(len(self.names), 2, dim) / 2)  # slope and offset of each property
        self.network = nn.Linear(dim, dim)
        self.register_buffer("mean", torch.tensor(list(mean), dtype=torch.float32))
        self.register_buffer("std", torch.tensor(list(std), dtype=torch.float32))

    def forward(self, values: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Embed properties.

        Args:
            values: `(B, P)` in the properties' own units, nan where a value is unknown or not asked for.
            generator: random numbers for the choice of the labels hidden in training.

        Returns:
            c: `(B, C)`.
        """
        if self.training and self.dropout:
            chance = torch.rand(values.shape, generator=generator, device=values.device)
            everything = torch.rand((len(values), 1), generator=generator, device=values.device)
            hidden = (chance < self.dropout) | (everything < self.dropout / 2)
            values = values.masked_fill(hidden, torch.nan)
        scaled = ((values - self.mean) / self.std).unsqueeze(-1)  # (B, P, 1)
        known = torch.isfinite(scaled)
        slope, offset = self.first.unbind(1)
        features = torch.tanh(scaled.nan_to_num() * slope + offset)
        return self.network(torch.where(known, features, self.unknown).sum(1))

    def nothing_known(self, n: int) -> Tensor:
        """`n` rows of values in which no property is given, `(n, P)`."""
        return torch.full((n, len(self.names)), torch.nan, device=self.mean.device)

    def extra_repr(self) -> str:
        """Settings for `repr`."""
        return f"names={self.names}, dropout={self.dropout}"


class ConditionConfig(Section):
    """Properties that decoder and learned prior are conditioned on, so that they can be asked for in sampling."""

    properties: tuple[str, ...] = Field(min_length=1)
    """Each of them must be a property of the heads."""
    dim: Size = 32
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.3
    """Probability with which a label is hidden in training, so that any subset of the properties can be asked for."""
