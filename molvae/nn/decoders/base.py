"""What every decoder is, and the one loop that generates tokens."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from molvae.config import Section
from molvae.data.vocabulary import BOS, EOS, MASK, PAD
from molvae.nn.draws import draw_token

State = tuple[Tensor, ...]  # what a decoder remembers from step to step; every tensor has a row per molecule


class Decoder(nn.Module):
    """Base of every autoregressive decoder: z and the tokens before → logits of the next token.

    A child gives `hidden` for teacher forcing, `begin` and `step` for generation, and `to_logits`.

    Args:
        vocabulary_size: token ids, specials counted (V).
        hidden_dim: size of what the logits are made of (D).
        token_dropout: share of input tokens replaced by <mask> in training, so that the decoder has to
            read z and cannot live on the tokens before (Bowman et al. 2016).
        dropout: before the logits.
    """

    def __init__(
        self, vocabulary_size: int, hidden_dim: int, *, token_dropout: float = 0.0, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.token_dropout = token_dropout
        self.dropout = nn.Dropout(dropout)
        self.to_logits = nn.Linear(hidden_dim, vocabulary_size)

    def hidden(self, z: Tensor, inputs: Tensor, *, condition: Tensor | None = None) -> Tensor:
        """What the logits are made of, `(B, T, D)`, for z `(B, Z)`, tokens `(B, T)` and condition `(B, C)`."""
        raise NotImplementedError

    def begin(self, z: Tensor, *, condition: Tensor | None = None) -> State:
        """The state before the first token, for z `(B, Z)` and condition `(B, C)`."""
        raise NotImplementedError

    def step(self, tokens: Tensor, state: State, place: int) -> tuple[Tensor, State]:
        """One token further.

        Args:
            tokens: `(B,)`, the ones before.
            state: of those before them.
            place: how many tokens came before these.

        Returns:
            What the logits are made of `(B, D)`, and the next state.
        """
        raise NotImplementedError

    def forward(
        self,
        z: Tensor,
        token_ids: Tensor,
        *,
        condition: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Logits of tokens 1 … T-1 given those before.

        Args:
            z: `(B, Z)`.
            token_ids: `(B, T)`, starting with bos.
            condition: `(B, C)`.
            generator: of the token dropout.

        Returns:
            `(B, T - 1, V)`.
        """
        inputs = token_ids[:, :-1]
        if self.training and self.token_dropout:
            drop = torch.rand(inputs.shape, generator=generator, device=inputs.device) < self.token_dropout
            inputs = torch.where(drop & (inputs > MASK), torch.full_like(inputs, MASK), inputs)
        return self.to_logits(self.dropout(self.hidden(z, inputs, condition=condition)))

    def logits_at(self, z: Tensor, token_ids: Tensor, places: Tensor, *, condition: Tensor | None = None) -> Tensor:
        """Logits of one token per row: what would follow tokens 0 … `places` of `token_ids`.

        Args:
            z: `(B, Z)`.
            token_ids: `(B, T)`, starting with bos.
            places: `(B,)`, below T.
            condition: `(B, C)`.

        Returns:
            `(B, V)`.
        """
        states = self.hidden(z, token_ids[:, : int(places.max()) + 1], condition=condition)
        return self.to_logits(states[torch.arange(len(states), device=states.device), places])

    @torch.no_grad()
    def generate(
        self,
        z: Tensor,
        *,
        max_length: int,
        condition: Tensor | None = None,
        greedy: bool | Tensor = True,
        temperature: float = 1.0,
        top_p: float = 1.0,
        prefix: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Decode a batch token by token; rows that have ended leave the computation.

        Args:
            z: `(B, Z)`.
            max_length: hard cap on tokens per row, eos counted.
            condition: `(B, C)`.
            greedy: take the likeliest token; otherwise draw one. `(B,)` bool says it row by row.
            temperature: divides the logits of a draw.
            top_p: draw from the smallest set of tokens with at least this probability.
            prefix: `(B, P)` tokens to start with, bos left out; a row is free from its first pad on.
            generator: of the draws.

        Returns:
            `(B, max_length)` int64 token ids without bos; pad after eos.
        """
        n = len(z)
        out = torch.full((n, max_length), PAD, dtype=torch.int64, device=z.device)
        rows = torch.arange(n, device=z.device)
        free = ~greedy if isinstance(greedy, Tensor) else torch.full((n,), not greedy, device=z.device)
        state, tokens = self.begin(z, condition=condition), torch.full((n,), BOS, dtype=torch.int64, device=z.device)
        for place in range(max_length):
            hidden, state = self.step(tokens, state, place)
            logits = self.to_logits(hidden).float()
            logits[:, [PAD, BOS, MASK]] = -torch.inf
            tokens = logits.argmax(-1)
            if free.any():
                tokens[free] = draw_token(logits[free] / temperature, top_p, generator)
            if prefix is not None and place < prefix.shape[1]:
                forced = prefix[rows, place]
                tokens = torch.where(forced == PAD, tokens, forced)
            out[rows, place] = tokens
            going = tokens != EOS
            if not going.any():
                break
            if not going.all():
                rows, tokens, free = rows[going], tokens[going], free[going]
                state = tuple(part[going] for part in state)
        return out


class DecoderSettings(Section):
    """Base of every decoder's settings, which build it."""

    member: ClassVar[type[Decoder]]

    def build(self, vocabulary_size: int, latent_dim: int, *, condition_dim: int = 0) -> Decoder:
        """The decoder, untrained."""
        raise NotImplementedError
