"""Autoregressive GRU that is given z at every step."""

import torch
from torch import Tensor, nn

from molvae.data.vocabulary import BOS, EOS, MASK, PAD
from molvae.nn.draws import draw_index
from molvae.nn.slots import MAX_PARTS, stretch_bias


class GRUDecoder(nn.Module):
    """z → token logits (teacher-forced) or token ids (generated).

    Args:
        vocabulary_size: token ids, specials counted (V).
        latent_dim: Z.
        token_dim: size of a token's embedding.
        hidden_dim: size of the state.
        n_layers: stacked GRU layers.
        dropout: between layers and before the output.
        token_dropout: share of input tokens replaced by <mask> in training, so that the decoder has to
            read z and cannot live on the tokens before (Bowman et al. 2016).
        n_slots: parts of z; above 1 the decoder attends to them, each token at first to the slot of its stretch.
        stretch: tokens that a slot stands for.
        condition_dim: size of a condition c that every step is given beside z (C); 0 for none.
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
        stretch: int = 1,
        condition_dim: int = 0,
    ) -> None:
        super().__init__()
        self.n_layers = n_layers
        self.hidden_dim = hidden_dim
        self.token_dropout = token_dropout
        self.embedding = nn.Embedding(vocabulary_size, token_dim, padding_idx=PAD)
        self.to_state = nn.Linear(latent_dim + condition_dim, n_layers * hidden_dim)
        self.gru = nn.GRU(
            token_dim + latent_dim + condition_dim,
            hidden_dim,
            num_layers=n_layers,
            batch_first=True,
            dropout=dropout if n_layers > 1 else 0.0,
        )
        self.dropout = nn.Dropout(dropout)
        self.attention = (
            SlotAttention(hidden_dim, latent_dim // n_slots, n_slots=n_slots, stretch=stretch) if n_slots > 1 else None
        )
        self.to_logits = nn.Linear(hidden_dim, vocabulary_size)

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
        return self.to_logits(self.dropout(self._states(z, token_ids[:, :-1], condition, generator)))

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
        states = self._states(z, token_ids[:, : int(places.max()) + 1], condition, None)
        return self.to_logits(states[torch.arange(len(states), device=states.device), places])

    def _states(self, z: Tensor, inputs: Tensor, condition: Tensor | None, generator: torch.Generator | None) -> Tensor:
        if self.training and self.token_dropout:
            drop = torch.rand(inputs.shape, generator=generator, device=inputs.device) < self.token_dropout
            inputs = torch.where(drop & (inputs > MASK), torch.full_like(inputs, MASK), inputs)
        embedded = self.embedding(inputs)
        given = z if condition is None else torch.cat([z, condition.to(z.dtype)], dim=-1)
        steps = torch.cat([embedded, given.to(embedded.dtype).unsqueeze(1).expand(-1, inputs.shape[1], -1)], dim=-1)
        states, _ = self.gru(steps, self._first_state(given))
        return states if self.attention is None else self.attention(states, z)

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
            top_p: draw from the smallest set of tokens with at least this probability (Holtzman et al. 2020).
            prefix: `(B, P)` tokens to start with, bos left out; a row is free from its first pad on.
            generator: of the draws.

        Returns:
            `(B, max_length)` int64 token ids without bos; pad after eos.
        """
        n = len(z)
        out = torch.full((n, max_length), PAD, dtype=torch.int64, device=z.device)
        rows = torch.arange(n, device=z.device)
        free = ~greedy if isinstance(greedy, Tensor) else torch.full((n,), not greedy, device=z.device)
        given = z if condition is None else torch.cat([z, condition], dim=-1)
        state, tokens = self._first_state(given), torch.full((n,), BOS, dtype=torch.int64, device=z.device)
        for t in range(max_length):
            step = torch.cat([self.embedding(tokens), given], dim=-1).unsqueeze(1)
            states, state = self.gru(step, state)
            if self.attention is not None:
                states = self.attention(states, z, first=t)
            logits = self.to_logits(states[:, 0]).float()
            logits[:, [PAD, BOS, MASK]] = -torch.inf
            tokens = logits.argmax(-1)
            if free.any():
                tokens[free] = draw_tokens(logits[free] / temperature, top_p, generator)
            if prefix is not None and t < prefix.shape[1]:
                forced = prefix[rows, t]
                tokens = torch.where(forced == PAD, tokens, forced)
            out[rows, t] = tokens
            going = tokens != EOS
            if not going.any():
                break
            if not going.all():
                rows, tokens, state = rows[going], tokens[going], state[:, going]
                z, given, free = z[going], given[going], free[going]
        return out

    def _first_state(self, given: Tensor) -> Tensor:
        state = torch.tanh(self.to_state(given))
        return state.view(len(given), self.n_layers, self.hidden_dim).transpose(0, 1).contiguous()


class SlotAttention(nn.Module):
    """Adds to every decoder state what it looks up in the slots of z (Luong et al. 2015).

    Args:
        hidden_dim: size of a state.
        slot_dim: size of a slot.
        n_slots: M.
        stretch: tokens that a slot stands for.
    """

    def __init__(self, hidden_dim: int, slot_dim: int, *, n_slots: int, stretch: int = 1) -> None:
        super().__init__()
        self.n_slots = n_slots
        self.bias = nn.Parameter(stretch_bias(MAX_PARTS, n_slots, stretch=stretch))
        self.score = nn.Linear(hidden_dim, n_slots, bias=False)
        nn.init.zeros_(self.score.weight)
        self.join = nn.Linear(hidden_dim + slot_dim, hidden_dim)

    def forward(self, states: Tensor, z: Tensor, *, first: int = 0) -> Tensor:
        """States `(B, T, D)` of tokens `first` … and z `(B, Z)` → `(B, T, D)`."""
        steps = torch.arange(first, first + states.shape[1], device=states.device).clamp(max=MAX_PARTS - 1)
        weights = (self.score(states).float() + self.bias[steps]).softmax(-1)
        found = weights @ z.float().unflatten(1, (self.n_slots, -1))
        return states + torch.nn.functional.silu(self.join(torch.cat([states, found.to(states.dtype)], dim=-1)))


def draw_tokens(logits: Tensor, top_p: float, generator: torch.Generator | None) -> Tensor:
    """One token per row from `(B, V)` logits, restricted to the nucleus of probability `top_p`; `(B,)`."""
    probabilities = logits.softmax(-1)
    if top_p < 1.0:
        ordered, index = probabilities.sort(-1, descending=True)
        outside = ordered.cumsum(-1) - ordered >= top_p
        probabilities = torch.zeros_like(probabilities).scatter(-1, index, ordered.masked_fill(outside, 0.0))
    return draw_index(probabilities, generator)
