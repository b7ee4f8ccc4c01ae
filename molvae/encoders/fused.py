"""Sequence and graph of the same molecule, read side by side."""

import torch
from torch import Tensor, nn

from molvae.data.batches import MolBatch
from molvae.encoders.gnn import GNNEncoder
from molvae.encoders.gru import GRUEncoder


class FusedEncoder(nn.Module):
    """h of a sequence encoder joined with h of a graph encoder.

    Args:
        sequence: over token ids.
        graph: over the molecular graph.
    """

    def __init__(self, sequence: GRUEncoder, graph: GNNEncoder) -> None:
        super().__init__()
        self.sequence = sequence
        self.graph = graph
        self.h_dim = sequence.h_dim + graph.h_dim

    def forward(self, batch: MolBatch) -> Tensor:
        """h: `(B, H)`, H the sum of both parts'."""
        return torch.cat([self.sequence(batch), self.graph(batch)], dim=-1)
