"""A transformer over token ids."""

from typing import ClassVar, Literal

import torch
from pydantic import model_validator
from torch import Tensor, nn

from molvae.config import Depth, Fraction, Size
from molvae.data.batches import MolBatch
from molvae.data.vocabulary import PAD
from molvae.nn.encoders.base import Encoder, EncoderSettings
from molvae.nn.slots import SequenceSlots
from molvae.nn.transformer import Block, check_heads, run


class TransformerEncoder(Encoder):
    """A bidirectional transformer (Vaswani et al. 2017): h is the mean of the token states, or slots over them.

    Args:
        vocabulary_size: number of token ids, special tokens included (V).
        hidden_dim: size of a state; that of h, or of each slot.
        n_layers: number of layers.
        n_heads: number of attention heads.
        dropout: dropout probability in every layer.
        n_slots: number of slots of h; if above 1, each attends to its own tokens.
        tokens_per_slot: number of consecutive tokens that a slot represents.
        checkpointing: compute activations again in the backward pass, which takes less memory and more time.
    """

    reads_tokens: ClassVar[bool] = True

    def __init__(
        self,
        vocabulary_size: int,
        *,
        hidden_dim: int = 256,
        n_layers: int = 4,
        n_heads: int = 8,
        dropout: float = 0.0,
        n_slots: int = 1,
        tokens_per_slot: int = 1,
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        self.n_slots = n_slots
        self.h_dim = n_slots * hidden_dim
        self.max_tokens = n_slots * tokens_per_slot - 1 if n_slots > 1 else None  # eos takes a position too
        self.checkpointing = checkpointing
        self.embedding = nn.Embedding(vocabulary_size, hidden_dim, padding_idx=PAD)
        self.layers = nn.ModuleList(Block(hidden_dim, n_heads=n_heads, dropout=dropout) for _ in range(n_layers))
        self.norm = nn.LayerNorm(hidden_dim)
        self.slots = None
        if n_slots > 1:
            self.slots = SequenceSlots(hidden_dim, n_slots=n_slots, tokens_per_slot=tokens_per_slot)

    def forward(self, batch: MolBatch) -> Tensor:
        """Encode a batch: h `(B, H)`, slot after slot."""
        token_ids, lengths = batch.source
        known = torch.arange(token_ids.shape[1], device=lengths.device) < lengths.unsqueeze(1)
        states = self.embedding(token_ids)
        for layer in self.layers:
            states = run(layer, states, known, saving=self.checkpointing)
        states = self.norm(states)
        if self.slots is not None:  # bos belongs to no slot
            return self.slots(states[:, 1:], known[:, 1:]).flatten(1)
        weights = known / lengths.unsqueeze(1)
        return (states * weights.unsqueeze(2).to(states.dtype)).sum(1)


class TransformerEncoderConfig(EncoderSettings):
    """A transformer over token ids."""

    member: ClassVar[type[Encoder]] = TransformerEncoder

    kind: Literal["transformer"] = "transformer"
    hidden_dim: Size = 256
    n_layers: Depth = 4
    n_heads: Depth = 8
    dropout: Fraction = 0.0
    n_slots: Size = 1
    """Number of slots of h; if above 1, each attends to its own tokens."""
    tokens_per_slot: Size = 1
    checkpointing: bool = False
    """Compute activations again in the backward pass: less memory, more time."""

    @model_validator(mode="after")
    def _heads_divide(self) -> "TransformerEncoderConfig":
        check_heads(self.hidden_dim, self.n_heads)
        return self

    def build(self, vocabulary_size: int) -> TransformerEncoder:
        """Build the encoder, with untrained weights."""
        return TransformerEncoder(vocabulary_size, **self.arguments())
