"""Sequence and graph of the same molecule, read side by side."""

from typing import ClassVar, Literal

import torch
from pydantic import model_validator
from torch import Tensor

from molvae.data.batches import MolBatch
from molvae.nn.encoders.base import Encoder, EncoderSettings
from molvae.nn.encoders.gnn import GNNEncoder, GNNEncoderConfig
from molvae.nn.encoders.gru import GRUEncoder, GRUEncoderConfig


class FusedEncoder(Encoder):
    """h of a sequence encoder joined with h of a graph encoder.

    Args:
        sequence: over token ids.
        graph: over the molecular graph, with as many slots.
    """

    reads_tokens: ClassVar[bool] = True
    reads_graphs: ClassVar[bool] = True

    def __init__(self, sequence: GRUEncoder, graph: GNNEncoder) -> None:
        super().__init__()
        self.sequence = sequence
        self.graph = graph
        self.n_slots = sequence.n_slots
        self.max_tokens = sequence.max_tokens
        self.h_dim = sequence.h_dim + graph.h_dim

    def forward(self, batch: MolBatch) -> Tensor:
        """h: `(B, H)`, H the sum of both parts', slot after slot."""
        parts = [part(batch).unflatten(1, (self.n_slots, -1)) for part in (self.sequence, self.graph)]
        return torch.cat(parts, dim=-1).flatten(1)


class FusedEncoderConfig(EncoderSettings):
    """Sequence and graph of the same molecule, their h joined; needs data prepared with graphs."""

    member: ClassVar[type[Encoder]] = FusedEncoder

    kind: Literal["fused"] = "fused"
    sequence: GRUEncoderConfig = GRUEncoderConfig()
    graph: GNNEncoderConfig = GNNEncoderConfig()

    @property
    def slots(self) -> int:
        """Parts of h."""
        return self.sequence.n_slots

    @property
    def n_slots(self) -> int:
        """Parts of h."""
        return self.sequence.n_slots

    @model_validator(mode="after")
    def _as_many_slots(self) -> "FusedEncoderConfig":
        if self.sequence.n_slots != self.graph.n_slots:
            raise ValueError(
                f"sequence has {self.sequence.n_slots} slots, graph {self.graph.n_slots}; give both the same"
            )
        return self

    def build(self, vocabulary_size: int) -> FusedEncoder:
        """The encoder, untrained."""
        return FusedEncoder(self.sequence.build(vocabulary_size), self.graph.build(vocabulary_size))
