"""An autoregressive transformer decoder that gets z in every layer."""

from typing import ClassVar, Literal

import torch
from pydantic import model_validator
from torch import Tensor, nn

from molvae.config import Depth, Fraction, Size
from molvae.data.vocabulary import PAD
from molvae.nn.decoders.base import Decoder, DecoderSettings, State
from molvae.nn.decoders.gru import SlotAttention
from molvae.nn.transformer import Block, check_heads, run


class TransformerDecoder(Decoder):
    """A causal transformer (Vaswani et al. 2017); z is added to the input of every layer, as skips (Dieng et al. 2019).

    Generation keeps the keys and values of the tokens written so far, so that a step costs one position.

    Args:
        vocabulary_size: number of token ids, special tokens included (V).
        latent_dim: size of z (Z).
        hidden_dim: size of a state (D).
        n_layers: number of layers.
        n_heads: number of attention heads.
        dropout: dropout probability in every layer and before the logits.
        token_dropout: see `Decoder`.
        n_slots: number of slots of z; if above 1, the last states attend to them, at first each to its own slot.
        tokens_per_slot: number of consecutive tokens that a slot represents.
        condition_dim: size of the condition c, which goes where z goes; 0 for none.
        checkpointing: compute activations again in the backward pass, which takes less memory and more time.
    """

    def __init__(
        self,
        vocabulary_size: int,
        latent_dim: int,
        *,
        hidden_dim: int = 256,
        n_layers: int = 4,
        n_heads: int = 8,
        dropout: float = 0.0,
        token_dropout: float = 0.0,
        n_slots: int = 1,
        tokens_per_slot: int = 1,
        condition_dim: int = 0,
        checkpointing: bool = False,
    ) -> None:
        super().__init__(vocabulary_size, hidden_dim, token_dropout=token_dropout, dropout=dropout)
        self.checkpointing = checkpointing
        self.embedding = nn.Embedding(vocabulary_size, hidden_dim, padding_idx=PAD)
        self.from_z = nn.Linear(latent_dim + condition_dim, n_layers * hidden_dim)
        self.layers = nn.ModuleList(Block(hidden_dim, n_heads=n_heads, dropout=dropout) for _ in range(n_layers))
        self.norm = nn.LayerNorm(hidden_dim)
        self.attention: SlotAttention | None = None
        if n_slots > 1:
            self.attention = SlotAttention(
                hidden_dim, latent_dim // n_slots, n_slots=n_slots, tokens_per_slot=tokens_per_slot
            )

    def hidden(self, z: Tensor, inputs: Tensor, *, condition: Tensor | None = None) -> Tensor:
        """Hidden states `(B, T, D)` after each input token; see `Decoder.hidden`."""
        states = self.embedding(inputs)
        for layer, given in zip(self.layers, self._given(z, condition).unbind(1), strict=True):
            states = run(layer, states + given.unsqueeze(1), None, saving=self.checkpointing, causal=True)
        states = self.norm(states)
        return states if self.attention is None else self.attention(states, z)

    def begin(self, z: Tensor, *, condition: Tensor | None = None) -> State:
        """z, what each layer gets of it, and the empty cache of each layer."""
        return z, self._given(z, condition), *(self._layer(i).empty(len(z)) for i in range(len(self.layers)))

    def step(self, tokens: Tensor, state: State, place: int) -> tuple[Tensor, State]:
        """Advance by one token; see `Decoder.step`."""
        z, given, *caches = state
        states, kept = self.embedding(tokens).unsqueeze(1), []
        for number, (cache, own) in enumerate(zip(caches, given.unbind(1), strict=True)):
            states, cache = self._layer(number).step(states + own.unsqueeze(1), cache, place)
            kept.append(cache)
        states = self.norm(states)
        if self.attention is not None:
            states = self.attention(states, z, first=place)
        return states[:, 0], (z, given, *kept)

    def _layer(self, number: int) -> Block:
        layer = self.layers[number]
        assert isinstance(layer, Block)
        return layer

    def _given(self, z: Tensor, condition: Tensor | None) -> Tensor:
        """What each layer gets of z `(B, Z)` and the condition `(B, C)`: `(B, layers, D)`."""
        both = z if condition is None else torch.cat([z, condition.to(z.dtype)], dim=-1)
        return self.from_z(both).unflatten(1, (len(self.layers), -1))


class TransformerDecoderConfig(DecoderSettings):
    """An autoregressive transformer that gets z in every layer."""

    member: ClassVar[type[Decoder]] = TransformerDecoder

    kind: Literal["transformer"] = "transformer"
    hidden_dim: Size = 256
    n_layers: Depth = 4
    n_heads: Depth = 8
    dropout: Fraction = 0.0
    token_dropout: Fraction = 0.1
    """Share of the input tokens that are replaced by <mask> in training (Bowman et al. 2016)."""
    n_slots: Size = 1
    """Number of slots of z; if above 1, the decoder attends to them."""
    tokens_per_slot: Size = 1
    checkpointing: bool = False
    """Compute activations again in the backward pass: less memory, more time."""

    @model_validator(mode="after")
    def _heads_divide(self) -> "TransformerDecoderConfig":
        check_heads(self.hidden_dim, self.n_heads)
        return self

    def build(self, vocabulary_size: int, latent_dim: int, *, condition_dim: int = 0) -> TransformerDecoder:
        """Build the decoder, with untrained weights."""
        return TransformerDecoder(vocabulary_size, latent_dim, condition_dim=condition_dim, **self.arguments())
