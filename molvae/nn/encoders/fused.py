"""An encoder that reads both the tokens and the graph of a molecule."""

from typing import ClassVar, Literal

import torch
from pydantic import model_validator
from torch import Tensor

from molvae.data.batches import MolBatch
from molvae.nn.encoders.base import Encoder, EncoderSettings
from molvae.nn.encoders.gnn import GNNEncoder, GNNEncoderConfig
from molvae.nn.encoders.gru import GRUEncoder, GRUEncoderConfig


class FusedEncoder(Encoder):
    """The h of a sequence encoder concatenated with the h of a graph encoder.

    Args:
        sequence: the encoder of the tokens.
        graph: the encoder of the molecular graph, with the same number of slots.
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
        """Encode a batch: h `(B, H)`, where each slot is the concatenation of both encoders' slots."""
        parts = [part(batch).unflatten(1, (self.n_slots, -1)) for part in (self.sequence, self.graph)]
        return torch.cat(parts, dim=-1).flatten(1)


class FusedEncoderConfig(EncoderSettings):
    """A sequence and a graph encoder, whose h are concatenated; needs data prepared with graphs."""

    member: ClassVar[type[Encoder]] = FusedEncoder

    kind: Literal["fused"] = "fused"
    sequence: GRUEncoderConfig = GRUEncoderConfig()
    graph: GNNEncoderConfig = GNNEncoderConfig()

    @property
    def slots(self) -> int:
        """Number of slots of h."""
        return self.sequence.n_slots

    @property
    def n_slots(self) -> int:
        """Number of slots of h."""
        return self.sequence.n_slots

    @model_validator(mode="after")
    def _as_many_slots(self) -> "FusedEncoderConfig":
        if self.sequence.n_slots != self.graph.n_slots:
            raise ValueError(
                f"sequence has {self.sequence.n_slots} slots, graph {self.graph.n_slots}; give both the same"
            )
        return self

    def build(self, vocabulary_size: int) -> FusedEncoder:
        """Build the encoder, with untrained weights."""
        return FusedEncoder(self.sequence.build(vocabulary_size), self.graph.build(vocabulary_size))
