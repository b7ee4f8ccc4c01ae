"""Bidirectional GRU over token ids."""

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from molvae.data.batches import MolBatch
from molvae.data.vocabulary import PAD


class GRUEncoder(nn.Module):
    """Token ids → h: the last states of both directions of the top layer.

    Rows are packed, so that the backward direction starts at each row's own end: padding changes nothing.

    Args:
        vocabulary_size: token ids, specials counted (V).
        token_dim: size of a token's embedding.
        hidden_dim: size of each direction's state; h has twice as many.
        n_layers: stacked GRU layers.
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
        self.gru = nn.GRU(
            token_dim,
            hidden_dim,
            num_layers=n_layers,
            batch_first=True,
            bidirectional=True,
            dropout=dropout if n_layers > 1 else 0.0,
        )

    def forward(self, batch: MolBatch) -> Tensor:
        """Encode a batch.

        Returns:
            h: `(B, H)`, H = 2 · hidden_dim.
        """
        embedded = self.embedding(batch.token_ids)
        packed = pack_padded_sequence(embedded, batch.lengths, batch_first=True, enforce_sorted=False)
        _, last = self.gru(packed)
        return torch.cat([last[-2], last[-1]], dim=-1)
