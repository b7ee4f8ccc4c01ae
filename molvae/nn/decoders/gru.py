"""An autoregressive GRU decoder that gets z at every step."""

from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from molvae.config import Depth, Fraction, Size
from molvae.data.vocabulary import PAD
from molvae.nn.decoders.base import Decoder, DecoderSettings, State
from molvae.nn.gru import GRUSteps
from molvae.nn.slots import MAX_PARTS, slot_bias


class GRUDecoder(Decoder):
    """An autoregressive GRU (Cho et al. 2014) that gets z as its initial state and at every step.

    Args:
        vocabulary_size: number of token ids, special tokens included (V).
        latent_dim: size of z (Z).
        token_dim: size of a token's embedding.
        hidden_dim: size of the GRU's state (D).
        n_layers: number of stacked GRU layers.
        dropout: dropout probability between layers and before the logits.
        token_dropout: see `Decoder`.
        n_slots: number of slots of z; if above 1, the decoder attends to them, at first each token to its own slot.
        tokens_per_slot: number of consecutive tokens that a slot represents.
        condition_dim: size of the condition c that every step gets beside z (C); 0 for none.
    """

    def __init__(
        self,
        vocabulary_size: int,
        latent_dim: int,
        *,
        token_dim: int = 128,
        hidden_dim: int = 512,
        n_layers: int = 1,
        dropout: float = 0.0,
        token_dropout: float = 0.0,
        n_slots: int = 1,
        tokens_per_slot: int = 1,
        condition_dim: int = 0,
    ) -> None:
        super().__init__(vocabulary_size, hidden_dim, token_dropout=token_dropout, dropout=dropout)
        self.n_layers = n_layers
        self.hidden_dim = hidden_dim
        self.embedding = nn.Embedding(vocabulary_size, token_dim, padding_idx=PAD)
        self.to_state = nn.Linear(latent_dim + condition_dim, n_layers * hidden_dim)
        self.gru = nn.GRU(
            token_dim + latent_dim + condition_dim,
            hidden_dim,
            num_layers=n_layers,
            batch_first=True,
            dropout=dropout if n_layers > 1 else 0.0,
        )
        self.attention: SlotAttention | None = None
        if n_slots > 1:
            self.attention = SlotAttention(
                hidden_dim, latent_dim // n_slots, n_slots=n_slots, tokens_per_slot=tokens_per_slot
            )

    def hidden(self, z: Tensor, inputs: Tensor, *, condition: Tensor | None = None) -> Tensor:
        """Hidden states `(B, T, D)` after each input token; see `Decoder.hidden`."""
        embedded = self.embedding(inputs)
        given = z if condition is None else torch.cat([z, condition.to(z.dtype)], dim=-1)
        steps = torch.cat([embedded, given.to(embedded.dtype).unsqueeze(1).expand(-1, inputs.shape[1], -1)], dim=-1)
        states, _ = self.gru(steps, self._first_state(given).transpose(0, 1).contiguous())
        return states if self.attention is None else self.attention(states, z)

    def begin(self, z: Tensor, *, condition: Tensor | None = None) -> State:
        """The initial state of the GRU, z, and what z and the condition add to the gates at every step."""
        given = z if condition is None else torch.cat([z, condition], dim=-1)
        return self._first_state(given), z, GRUSteps(self.gru).gates(given, first=self.embedding.embedding_dim)

    def step(self, tokens: Tensor, state: State, place: int) -> tuple[Tensor, State]:
        """Advance by one token; see `Decoder.step`."""
        memory, z, always = state
        steps = GRUSteps(self.gru)
        memory = steps(steps.gates(self.embedding(tokens)) + always, memory)
        states = memory[:, -1:]
        if self.attention is not None:
            states = self.attention(states, z, first=place)
        return states[:, 0], (memory, z, always)

    def _first_state(self, given: Tensor) -> Tensor:
        """The initial state of the GRU, `(B, layers, D)`."""
        return torch.tanh(self.to_state(given)).view(len(given), self.n_layers, self.hidden_dim)


class SlotAttention(nn.Module):
    """Attention of decoder states to the slots of z (Luong et al. 2015); its result is added to the states.

    Args:
        hidden_dim: size of a decoder state (D).
        slot_dim: size of a slot.
        n_slots: number of slots (M).
        tokens_per_slot: number of consecutive tokens that a slot represents.
    """

    def __init__(self, hidden_dim: int, slot_dim: int, *, n_slots: int, tokens_per_slot: int = 1) -> None:
        super().__init__()
        self.n_slots = n_slots
        self.bias = nn.Parameter(slot_bias(MAX_PARTS, n_slots, tokens_per_slot=tokens_per_slot))
        self.score = nn.Linear(hidden_dim, n_slots, bias=False)
        nn.init.zeros_(self.score.weight)
        self.join = nn.Linear(hidden_dim + slot_dim, hidden_dim)

    def forward(self, states: Tensor, z: Tensor, *, first: int = 0) -> Tensor:
        """New states `(B, T, D)` from the states `(B, T, D)` at positions `first` … and z `(B, Z)`."""
        steps = torch.arange(first, first + states.shape[1], device=states.device).clamp(max=MAX_PARTS - 1)
        weights = (self.score(states).float() + self.bias[steps]).softmax(-1)
        found = weights @ z.float().unflatten(1, (self.n_slots, -1))
        return states + torch.nn.functional.silu(self.join(torch.cat([states, found.to(states.dtype)], dim=-1)))


class GRUDecoderConfig(DecoderSettings):
    """An autoregressive GRU that gets z at every step."""

    member: ClassVar[type[Decoder]] = GRUDecoder

    kind: Literal["gru"] = "gru"
    token_dim: Size = 128
    hidden_dim: Size = 512
    n_layers: Depth = 1
    dropout: Fraction = 0.0
    token_dropout: Fraction = 0.1
    """Share of the input tokens that are replaced by <mask> in training (Bowman et al. 2016)."""
    n_slots: Size = 1
    """Number of slots of z; if above 1, the decoder attends to them."""
    tokens_per_slot: Size = 1

    def build(self, vocabulary_size: int, latent_dim: int, *, condition_dim: int = 0) -> GRUDecoder:
        """Build the decoder, with untrained weights."""
        return GRUDecoder(vocabulary_size, latent_dim, condition_dim=condition_dim, **self.arguments())
