"""Target properties as an input: what decoder and prior may be told about the molecule wanted."""

from collections.abc import Sequence
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from molvae.config import Positive, Section


class PropertyCondition(nn.Module):
    """Properties → c; a property that is not given has an embedding of its own.

    Labels may be missing in training too (semi-supervised), and known ones are hidden at random, so that any subset
    can be asked for later.

    Args:
        names: the properties (P).
        mean: of each, in its own unit.
        std: of each, in its own unit.
        dim: size of c (C).
        dropout: share of the labels hidden in training, each on its own; for half as many molecules all of them.
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
        self.first = nn.Parameter(torch.randn(len(self.names), 2, dim) / 2)  # slope and offset of every property
        self.network = nn.Linear(dim, dim)
        self.register_buffer("mean", torch.tensor(list(mean), dtype=torch.float32))
        self.register_buffer("std", torch.tensor(list(std), dtype=torch.float32))

    def forward(self, values: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Embed target properties.

        Args:
            values: `(B, P)` in the properties' own units, nan where nothing is known or asked.
            generator: of the labels hidden in training.

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
        """`n` rows of values that ask for nothing, `(n, P)`."""
        return torch.full((n, len(self.names)), torch.nan, device=self.mean.device)

    def extra_repr(self) -> str:
        """Settings for `repr`."""
        return f"names={self.names}, dropout={self.dropout}"


class ConditionConfig(Section):
    """Properties that decoder and learned prior are told, so that they can be asked for when sampling."""

    properties: tuple[str, ...] = Field(min_length=1)
    """Among those of the heads."""
    dim: Positive = 32
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.3
    """Share of the labels hidden in training, so that any subset of them can be asked for."""
