"""Sequence and graph of the same molecule, read side by side."""

import torch
from torch import Tensor, nn

from molvae.data.batches import MolBatch
from molvae.nn.encoders.gnn import GNNEncoder
from molvae.nn.encoders.gru import GRUEncoder


class FusedEncoder(nn.Module):
    """h of a sequence encoder joined with h of a graph encoder.

    Args:
        sequence: over token ids.
        graph: over the molecular graph, with as many slots.
    """

    def __init__(self, sequence: GRUEncoder, graph: GNNEncoder) -> None:
        super().__init__()
        self.sequence = sequence
        self.graph = graph
        self.n_slots = sequence.n_slots
        self.h_dim = sequence.h_dim + graph.h_dim

    def forward(self, batch: MolBatch) -> Tensor:
        """h: `(B, H)`, H the sum of both parts', slot after slot."""
        parts = [part(batch).unflatten(1, (self.n_slots, -1)) for part in (self.sequence, self.graph)]
        return torch.cat(parts, dim=-1).flatten(1)
