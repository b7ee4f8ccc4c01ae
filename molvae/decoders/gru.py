"""Autoregressive GRU that is given z at every step."""

import torch
from torch import Tensor, nn

from molvae.data.vocabulary import BOS, EOS, MASK, PAD


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
    ) -> None:
        super().__init__()
        self.n_layers = n_layers
        self.hidden_dim = hidden_dim
        self.token_dropout = token_dropout
        self.embedding = nn.Embedding(vocabulary_size, token_dim, padding_idx=PAD)
        self.to_state = nn.Linear(latent_dim, n_layers * hidden_dim)
        self.gru = nn.GRU(
            token_dim + latent_dim,
            hidden_dim,
            num_layers=n_layers,
            batch_first=True,
            dropout=dropout if n_layers > 1 else 0.0,
        )
        self.dropout = nn.Dropout(dropout)
        self.to_logits = nn.Linear(hidden_dim, vocabulary_size)

    def forward(self, z: Tensor, token_ids: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Logits of tokens 1 … T-1 given those before.

        Args:
            z: `(B, Z)`.
            token_ids: `(B, T)`, starting with bos.
            generator: of the token dropout.

        Returns:
            `(B, T - 1, V)`.
        """
        inputs = token_ids[:, :-1]
        if self.training and self.token_dropout:
            drop = torch.rand(inputs.shape, generator=generator, device=inputs.device) < self.token_dropout
            inputs = torch.where(drop & (inputs > MASK), torch.full_like(inputs, MASK), inputs)
        embedded = self.embedding(inputs)
        steps = torch.cat([embedded, z.to(embedded.dtype).unsqueeze(1).expand(-1, inputs.shape[1], -1)], dim=-1)
        states, _ = self.gru(steps, self._first_state(z))
        return self.to_logits(self.dropout(states))

    @torch.no_grad()
    def generate(
        self,
        z: Tensor,
        *,
        max_length: int,
        greedy: bool = True,
        temperature: float = 1.0,
        top_p: float = 1.0,
        prefix: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Decode a batch token by token; rows that have ended leave the computation.

        Args:
            z: `(B, Z)`.
            max_length: hard cap on tokens a row, eos counted.
            greedy: take the likeliest token; otherwise draw one.
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
        state, tokens = self._first_state(z), torch.full((n,), BOS, dtype=torch.int64, device=z.device)
        for t in range(max_length):
            step = torch.cat([self.embedding(tokens), z], dim=-1).unsqueeze(1)
            states, state = self.gru(step, state)
            logits = self.to_logits(states[:, 0]).float()
            logits[:, [PAD, BOS, MASK]] = -torch.inf
            tokens = logits.argmax(-1) if greedy else draw_tokens(logits / temperature, top_p, generator)
            if prefix is not None and t < prefix.shape[1]:
                given = prefix[rows, t]
                tokens = torch.where(given == PAD, tokens, given)
            out[rows, t] = tokens
            going = tokens != EOS
            if not going.any():
                break
            if not going.all():
                rows, tokens, z, state = rows[going], tokens[going], z[going], state[:, going]
        return out

    def _first_state(self, z: Tensor) -> Tensor:
        state = torch.tanh(self.to_state(z))
        return state.view(len(z), self.n_layers, self.hidden_dim).transpose(0, 1).contiguous()


def draw_tokens(logits: Tensor, top_p: float, generator: torch.Generator | None) -> Tensor:
    """One token a row from `(B, V)` logits, restricted to the nucleus of probability `top_p`; `(B,)`."""
    probabilities = logits.softmax(-1)
    if top_p < 1.0:
        ordered, index = probabilities.sort(-1, descending=True)
        outside = ordered.cumsum(-1) - ordered >= top_p
        probabilities = torch.zeros_like(probabilities).scatter(-1, index, ordered.masked_fill(outside, 0.0))
    return torch.multinomial(probabilities, 1, generator=generator).squeeze(-1)
