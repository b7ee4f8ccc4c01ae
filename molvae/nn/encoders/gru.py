"""A bidirectional GRU over token ids."""

from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from molvae.config import Depth, Fraction, Size
from molvae.data.batches import MolBatch
from molvae.data.vocabulary import PAD
from molvae.nn.encoders.base import Encoder, EncoderSettings
from molvae.nn.slots import SequenceSlots


class GRUEncoder(Encoder):
    """A bidirectional GRU (Cho et al. 2014): h is the last states of both directions, or slots over all states.

    The backward direction reads each row reversed within its own length, so that padding has no effect. Two GRUs over
    padded batches are used instead of one over packed sequences, because packing gives nearly every matrix product a
    different shape, which is slower and, on CPUs, fills memory with compiled kernels.

    Args:
        vocabulary_size: number of token ids, special tokens included (V).
        token_dim: size of a token's embedding.
        hidden_dim: size of the state of each direction; h (or each slot) is twice as large.
        n_layers: number of stacked layers.
        dropout: dropout probability between layers.
        n_slots: number of slots of h; if above 1, each attends to its own tokens.
        tokens_per_slot: number of consecutive tokens that a slot represents.
    """

    reads_tokens: ClassVar[bool] = True

    def __init__(
        self,
        vocabulary_size: int,
        *,
        token_dim: int = 128,
        hidden_dim: int = 256,
        n_layers: int = 1,
        dropout: float = 0.0,
        n_slots: int = 1,
        tokens_per_slot: int = 1,
    ) -> None:
        super().__init__()
        state_dim = 2 * hidden_dim
        self.n_slots = n_slots
        self.h_dim = n_slots * state_dim
        self.max_tokens = n_slots * tokens_per_slot - 1 if n_slots > 1 else None  # eos takes a position too
        self.embedding = nn.Embedding(vocabulary_size, token_dim, padding_idx=PAD)
        sizes = [token_dim] + [state_dim] * (n_layers - 1)
        self.forwards = nn.ModuleList(nn.GRU(size, hidden_dim, batch_first=True) for size in sizes)
        self.backwards = nn.ModuleList(nn.GRU(size, hidden_dim, batch_first=True) for size in sizes)
        self.dropout = nn.Dropout(dropout)
        self.slots = SequenceSlots(state_dim, n_slots=n_slots, tokens_per_slot=tokens_per_slot) if n_slots > 1 else None
        if n_slots > 1:
            self.local = nn.Linear(token_dim, state_dim)
            self.context_scale = nn.Parameter(torch.tensor(0.1))

    def forward(self, batch: MolBatch) -> Tensor:
        """Encode a batch.

        Returns:
            h: `(B, H)`, H = n_slots · 2 · hidden_dim, slot after slot.
        """
        token_ids, lengths = batch.source
        lengths = lengths.unsqueeze(1)
        positions = torch.arange(token_ids.shape[1], device=lengths.device)
        mirror = torch.where(positions < lengths, lengths - 1 - positions, positions)  # (B, T), its own inverse
        rows = torch.arange(token_ids.shape[0], device=lengths.device).unsqueeze(1)
        states = embedded = self.embedding(token_ids)
        for layer, (ahead, back) in enumerate(zip(self.forwards, self.backwards, strict=True)):
            if layer:
                states = self.dropout(states)
            there, _ = ahead(states)
            reverse, _ = back(states[rows, mirror])
            if layer < len(self.forwards) - 1 or self.slots is not None:
                states = torch.cat([there, reverse[rows, mirror]], dim=-1)
        if self.slots is not None:  # bos belongs to no slot
            states = self.local(embedded) + self.context_scale * states
            return self.slots(states[:, 1:], (positions < lengths)[:, 1:]).flatten(1)
        return torch.cat([there[rows, lengths - 1], reverse[rows, lengths - 1]], dim=-1).squeeze(1)


class GRUEncoderConfig(EncoderSettings):
    """A bidirectional GRU over token ids."""

    member: ClassVar[type[Encoder]] = GRUEncoder

    kind: Literal["gru"] = "gru"
    token_dim: Size = 128
    hidden_dim: Size = 256
    n_layers: Depth = 1
    dropout: Fraction = 0.0
    n_slots: Size = 1
    """Number of slots of h; if above 1, each attends to its own tokens."""
    tokens_per_slot: Size = 1

    def build(self, vocabulary_size: int) -> GRUEncoder:
        """Build the encoder, with untrained weights."""
        return GRUEncoder(vocabulary_size, **self.arguments())
