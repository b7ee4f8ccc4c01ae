"""Bidirectional GRU over token ids."""

import torch
from torch import Tensor, nn

from molvae.data.batches import MolBatch
from molvae.data.vocabulary import PAD


class GRUEncoder(nn.Module):
    """Token ids → h: the last states of both directions of the top layer.

    The backward direction reads each row reversed within its own length, so padding changes nothing. Two GRUs over
    rectangular batches are used in place of one over packed rows, because packing gives nearly every matrix product a
    shape of its own, which is slower and, on CPUs, fills memory with compiled kernels.

    Args:
        vocabulary_size: token ids, specials counted (V).
        token_dim: size of a token's embedding.
        hidden_dim: size of each direction's state; h has twice as many.
        n_layers: stacked layers.
        dropout: between layers.
    """

    def __init__(
        self,
        vocabulary_size: int,
        *,
        token_dim: int = 128,
        hidden_dim: int = 256,
        n_layers: int = 1,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.h_dim = 2 * hidden_dim
        self.embedding = nn.Embedding(vocabulary_size, token_dim, padding_idx=PAD)
        sizes = [token_dim] + [self.h_dim] * (n_layers - 1)
        self.forwards = nn.ModuleList(nn.GRU(size, hidden_dim, batch_first=True) for size in sizes)
        self.backwards = nn.ModuleList(nn.GRU(size, hidden_dim, batch_first=True) for size in sizes)
        self.dropout = nn.Dropout(dropout)

    def forward(self, batch: MolBatch) -> Tensor:
        """Encode a batch.

        Returns:
            h: `(B, H)`, H = 2 · hidden_dim.
        """
        token_ids, lengths = batch.source
        lengths = lengths.unsqueeze(1)
        positions = torch.arange(token_ids.shape[1], device=lengths.device)
        mirror = torch.where(positions < lengths, lengths - 1 - positions, positions)  # (B, T), its own inverse
        rows = torch.arange(len(batch), device=lengths.device).unsqueeze(1)
        states = self.embedding(token_ids)
        for layer, (ahead, back) in enumerate(zip(self.forwards, self.backwards, strict=True)):
            if layer:
                states = self.dropout(states)
            there, _ = ahead(states)
            reverse, _ = back(states[rows, mirror])
            last = torch.cat([there[rows, lengths - 1], reverse[rows, lengths - 1]], dim=-1).squeeze(1)
            if layer < len(self.forwards) - 1:
                states = torch.cat([there, reverse[rows, mirror]], dim=-1)
        return last
