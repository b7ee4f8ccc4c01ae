"""The base class of decoders, with the loop that generates tokens."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from molvae.config import Section
from molvae.data.vocabulary import BOS, EOS, MASK, PAD
from molvae.nn.draws import draw_token

State = tuple[Tensor, ...]  # what a decoder keeps between steps; every tensor has a row per molecule
NEVER = [PAD, BOS, MASK]  # tokens that are never generated
LEAD = 0.01  # nats by which an anchored token leads; stepwise and teacher-forced logits differ by rounding


@dataclass(frozen=True)
class Anchors:
    """Molecules that decoding is drawn to: each adds to the logits of its own next token, as long as a row follows it.

    With the additions of `Decoder.anchor`, greedy decoding from z writes just the anchor, whatever its length; from a
    z nearby it writes the anchor until some other token leads by more than the addition. Gumbel
    noise drawn so that it decodes a given molecule (Maddison et al. 2014) would invert encoding too, but at random.

    Attributes:
        token_ids: `(B, K, T)`, K anchors per row, without bos, padded.
        additions: `(B, K, T)`, nats, what is added to the logit of each of these tokens.
    """

    token_ids: Tensor
    additions: Tensor

    def __getitem__(self, rows: Tensor) -> "Anchors":
        return Anchors(self.token_ids[rows], self.additions[rows])

    def weighted(self, weights: Tensor) -> "Anchors":
        """The same anchors, their additions multiplied by weights `(B, K)`."""
        return Anchors(self.token_ids, self.additions * weights.unsqueeze(2))


@dataclass(frozen=True)
class Openings:
    """Which tokens rows may begin with, where their first symbols are given and not their tokens.

    A row is in a state; 0 is free of any rule but `allowed[0]`. In the other states, symbols of an opening are left to
    be written, and a token that spells them may go beyond their end, as the vocabulary's fragments do.

    Attributes:
        allowed: `(S, V)` bool, the tokens that each state allows.
        last: `(S,)` int64, the last state of the opening that each state belongs to; every symbol is one state.
        n_symbols: `(V,)` int64, the symbols that each token spells.
        state: `(B,)` int64, where each row begins.
    """

    allowed: Tensor
    last: Tensor
    n_symbols: Tensor
    state: Tensor

    def __getitem__(self, rows: Tensor) -> "Openings":
        return Openings(self.allowed, self.last, self.n_symbols, self.state[rows])

    def after(self, tokens: Tensor) -> "Openings":
        """The openings after the next token `(B,)` of each row."""
        there = self.state + self.n_symbols[tokens]
        inside = (self.state > 0) & (there <= self.last[self.state])
        return Openings(self.allowed, self.last, self.n_symbols, torch.where(inside, there, 0))


class Decoder(nn.Module):
    """Base of all autoregressive decoders, which predict the next token from z and the previous tokens.

    A subclass implements `hidden` for teacher forcing, and `begin` and `step` for generation.

    Args:
        vocabulary_size: number of token ids, special tokens included (V).
        hidden_dim: size of the hidden state that the logits are computed from (D).
        token_dropout: share of the input tokens that are replaced by <mask> in training, so that the decoder has to
            use z and cannot rely on the previous tokens alone (Bowman et al. 2016).
        dropout: dropout probability before the logits.
    """

    def __init__(
        self, vocabulary_size: int, hidden_dim: int, *, token_dropout: float = 0.0, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.token_dropout = token_dropout
        self.dropout = nn.Dropout(dropout)
        self.to_logits = nn.Linear(hidden_dim, vocabulary_size)

    def hidden(self, z: Tensor, inputs: Tensor, *, condition: Tensor | None = None) -> Tensor:
        """Hidden states `(B, T, D)` after each input token, for z `(B, Z)`, tokens `(B, T)` and condition `(B, C)`."""
        raise NotImplementedError

    def begin(self, z: Tensor, *, condition: Tensor | None = None) -> State:
        """The state before the first token, for z `(B, Z)` and condition `(B, C)`."""
        raise NotImplementedError

    def step(self, tokens: Tensor, state: State, place: int) -> tuple[Tensor, State]:
        """Advance by one token.

        Args:
            tokens: `(B,)`, the previous token of each row.
            state: the state before these tokens.
            place: the position of these tokens, 0 for bos.

        Returns:
            The hidden state `(B, D)` for the logits of the next token, and the new decoder state.
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
        """Logits of the tokens 1 … T-1, each given those before it (teacher forcing).

        Args:
            z: `(B, Z)`.
            token_ids: `(B, T)`, starting with bos.
            condition: `(B, C)`.
            generator: random numbers for the token dropout.

        Returns:
            Logits `(B, T - 1, V)`.
        """
        inputs = token_ids[:, :-1]
        if self.training and self.token_dropout:
            drop = torch.rand(inputs.shape, generator=generator, device=inputs.device) < self.token_dropout
            inputs = torch.where(drop & (inputs > MASK), torch.full_like(inputs, MASK), inputs)
        return self.to_logits(self.dropout(self.hidden(z, inputs, condition=condition)))

    def log_likelihood(self, z: Tensor, token_ids: Tensor, *, condition: Tensor | None = None) -> Tensor:
        """Log-likelihood of generated tokens, nats, `(B,)`.

        Args:
            z: `(B, Z)`.
            token_ids: `(B, T)`, without bos, padded, as `generate` returns them.
            condition: `(B, C)`.
        """
        inputs = torch.nn.functional.pad(token_ids[:, :-1], (1, 0), value=BOS)
        logits = self.to_logits(self.hidden(z, inputs, condition=condition)).float()
        total = torch.nn.functional.cross_entropy(logits.transpose(1, 2), token_ids, ignore_index=PAD, reduction="none")
        return -total.sum(1)

    def logits_at(self, z: Tensor, token_ids: Tensor, places: Tensor, *, condition: Tensor | None = None) -> Tensor:
        """Logits of one token per row: the one that follows the tokens 0 … `places` of `token_ids`.

        Args:
            z: `(B, Z)`.
            token_ids: `(B, T)`, starting with bos.
            places: `(B,)`, positions below T.
            condition: `(B, C)`.

        Returns:
            Logits `(B, V)`.
        """
        states = self.hidden(z, token_ids[:, : int(places.max()) + 1], condition=condition)
        return self.to_logits(states[torch.arange(len(states), device=states.device), places])

    @torch.no_grad()
    def anchor(self, z: Tensor, token_ids: Tensor, *, condition: Tensor | None = None) -> Anchors:
        """The smallest additions to the logits under which greedy decoding from z writes the given tokens.

        Args:
            z: `(B, Z)`.
            token_ids: `(B, T)`, starting with bos and ending with eos, padded.
            condition: `(B, C)`.
        """
        targets = token_ids[:, 1:]
        logits = self.to_logits(self.hidden(z, token_ids[:, :-1], condition=condition)).float()
        logits[..., NEVER] = -torch.inf
        own = logits.gather(-1, targets.unsqueeze(-1)).squeeze(-1)
        others = logits.scatter(-1, targets.unsqueeze(-1), -torch.inf).amax(-1)
        short = (others + LEAD - own).clamp(min=0.0).masked_fill(targets == PAD, 0.0)
        return Anchors(targets.unsqueeze(1), short.unsqueeze(1))

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
        anchors: Anchors | None = None,
        openings: Openings | None = None,
        generator: torch.Generator | None = None,
        noise: Tensor | None = None,
    ) -> Tensor:
        """Generate the tokens of a batch one by one; finished rows are no longer computed.

        Args:
            z: `(B, Z)`.
            max_length: the most tokens per row, eos included.
            condition: `(B, C)`.
            greedy: take the most probable token instead of sampling one; `(B,)` bool decides for each row.
            temperature: divides the logits before sampling.
            top_p: sample from the smallest set of tokens with at least this probability (Holtzman et al. 2020).
            prefix: `(B, P)`, tokens to start with, without bos; tokens are generated from a row's first pad on.
            anchors: molecules to follow, a row of them per z.
            openings: symbols to begin with, a row of them per z.
            generator: random numbers for sampling.
            noise: `(B, max_length)` float64 in [0, 1), the random numbers of each row, in place of a generator: then
                what a row becomes does not depend on the others.

        Returns:
            `(B, max_length)` int64 token ids without bos; pad after eos.
        """
        n = len(z)
        out = torch.full((n, max_length), PAD, dtype=torch.int64, device=z.device)
        rows = torch.arange(n, device=z.device)
        free = ~greedy if isinstance(greedy, Tensor) else torch.full((n,), not greedy, device=z.device)
        anchors = anchors or Anchors(out[:, None, :0], z[:, None, :0])
        follows = torch.ones(anchors.token_ids.shape[:2], dtype=torch.bool, device=z.device)
        state, tokens = self.begin(z, condition=condition), torch.full((n,), BOS, dtype=torch.int64, device=z.device)
        for place in range(max_length):
            hidden, state = self.step(tokens, state, place)
            logits = self.to_logits(hidden).float()
            logits[:, NEVER] = -torch.inf
            if place < anchors.token_ids.shape[2]:
                logits.scatter_add_(1, anchors.token_ids[:, :, place], anchors.additions[:, :, place] * follows)
            if openings is not None:
                logits.masked_fill_(~openings.allowed[openings.state], -torch.inf)
            tokens = logits.argmax(-1)
            if free.any():
                places = None if noise is None else noise[rows[free], place]
                tokens[free] = draw_token(logits[free] / temperature, top_p, generator, places=places)
            if prefix is not None and place < prefix.shape[1]:
                forced = prefix[rows, place]
                tokens = torch.where(forced == PAD, tokens, forced)
            out[rows, place] = tokens
            if place < anchors.token_ids.shape[2]:
                follows &= anchors.token_ids[:, :, place] == tokens.unsqueeze(1)
            if openings is not None:
                openings = openings.after(tokens)
            going = tokens != EOS
            if not going.any():
                break
            if not going.all():
                rows, tokens, free = rows[going], tokens[going], free[going]
                state = tuple(part[going] for part in state)
                anchors, follows = anchors[going], follows[going]
                openings = None if openings is None else openings[going]
        return out

    @torch.no_grad()
    def opening_likelihood(self, z: Tensor, openings: Openings, *, condition: Tensor | None = None) -> Tensor:
        """Log-likelihood that a row begins as its opening says, nats, `(B,)`.

        At each step the most probable token of those allowed is taken, and the probability of all allowed ones counts,
        so that it does not matter how tokens are cut at the end of the opening.

        Args:
            z: `(B, Z)`.
            openings: one per row.
            condition: `(B, C)`.
        """
        total = torch.zeros(len(z), device=z.device)
        rows = torch.arange(len(z), device=z.device)
        state, tokens = self.begin(z, condition=condition), torch.full((len(z),), BOS, device=z.device)
        place = 0
        while len(rows):
            hidden, state = self.step(tokens, state, place)
            logits = self.to_logits(hidden).float()
            logits[:, NEVER] = -torch.inf
            within = logits.masked_fill(~openings.allowed[openings.state], -torch.inf)
            total[rows] += within.logsumexp(-1) - logits.logsumexp(-1)
            tokens = within.argmax(-1)
            openings = openings.after(tokens)
            going = openings.state > 0
            rows, tokens, openings = rows[going], tokens[going], openings[going]
            state = tuple(part[going] for part in state)
            place += 1
        return total


class DecoderSettings(Section):
    """Base of the settings of decoders, which build them."""

    member: ClassVar[type[Decoder]]

    def build(self, vocabulary_size: int, latent_dim: int, *, condition_dim: int = 0) -> Decoder:
        """Build the decoder, with untrained weights."""
        raise NotImplementedError
