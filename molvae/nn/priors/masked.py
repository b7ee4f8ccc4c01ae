"""A prior over codes that draws them in any order, so that some can be kept and the rest filled in."""

from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import model_validator
from torch import Tensor, nn

from molvae.config import Depth, Size
from molvae.nn.draws import draw_index
from molvae.nn.latents.base import Latent
from molvae.nn.priors.base import Prior
from molvae.nn.priors.settings import PriorSettings
from molvae.nn.transformer import Block, check_heads

ROWS = 8192  # partly masked rows that are computed at once


class MaskedPrior(Prior):
    """An order-agnostic autoregressive model of codes (Hoogeboom et al. 2022; MaskGIT, Chang et al. 2022).

    A transformer without causal mask predicts the masked codes from the others. Training minimizes the bound
    −log P ≤ M · E_t [1 / (M − t) · Σ_{masked m} −log P(c_m | the t codes known)], with t and the known slots drawn at
    random. Sampling fills the slots one by one in one of R fixed random orders σ_r, so the distribution is
    P(c) = 1/R Σ_r Π_t P(c_σ_r(t) | c_σ_r(<t)), whose probability `log_prob` computes exactly, with R · M evaluations.

    Args:
        n_slots: number of codes per molecule (M).
        n_codes: number of codes to choose from (K).
        shared: whether all slots use the same codebook.
        hidden_dim: width of the transformer.
        n_layers: number of its layers.
        n_heads: number of its attention heads.
        n_orders: number of orders (R).
        condition_dim: size of the condition c (C); 0 for a prior without condition.
    """

    affordable: ClassVar[int | None] = 512
    orders: Tensor
    first: Tensor

    def __init__(
        self,
        n_slots: int,
        n_codes: int,
        *,
        shared: bool = False,
        hidden_dim: int = 256,
        n_layers: int = 4,
        n_heads: int = 8,
        n_orders: int = 2,
        condition_dim: int = 0,
    ) -> None:
        super().__init__()
        self.n_slots, self.n_codes = n_slots, n_codes
        tables = 1 if shared else n_slots
        generator = torch.Generator().manual_seed(0)
        orders = torch.stack([torch.randperm(n_slots, generator=generator) for _ in range(n_orders)])
        self.register_buffer("orders", orders, persistent=False)
        self.register_buffer("first", torch.arange(n_slots) % tables * n_codes, persistent=False)
        self.embedding = nn.Embedding(tables * n_codes, hidden_dim)
        self.mask = nn.Parameter(torch.zeros(hidden_dim))
        self.position = nn.Parameter(0.02 * torch.randn(n_slots, hidden_dim))
        self.from_condition = nn.Linear(condition_dim, hidden_dim) if condition_dim else None
        self.layers = nn.ModuleList(Block(hidden_dim, n_heads=n_heads) for _ in range(n_layers))
        self.norm = nn.LayerNorm(hidden_dim)
        self.to_logits = nn.Linear(hidden_dim, n_codes)

    def loss(
        self, target: Tensor, *, condition: Tensor | None = None, generator: torch.Generator | None = None
    ) -> Tensor:
        """The bound on −log P of codes `(n, M)` at one random set of known slots per row, `(n,)`.

        The numbers of known slots of a batch are spread evenly, which reduces the variance of its mean loss.
        """
        n, device = len(target), target.device
        shift = torch.rand(1, generator=generator, device=device)
        spread = (torch.randperm(n, generator=generator, device=device) + shift) / n
        n_known = (spread * self.n_slots).long().clamp(max=self.n_slots - 1).unsqueeze(1)
        rank = torch.rand(target.shape, generator=generator, device=device).argsort(1).argsort(1)
        known = rank < n_known
        log_p = self.log_probabilities(target, known, condition)
        missing = -log_p.gather(2, target.unsqueeze(2)).squeeze(2).masked_fill(known, 0.0).sum(1)
        return missing * self.n_slots / (self.n_slots - n_known.squeeze(1))

    def log_prob(self, target: Tensor, *, condition: Tensor | None = None) -> Tensor:
        """Log-probability of code indices `(n, M)`, nats, `(n,)`."""
        ranks = self.orders.argsort(1)  # (R, M): when each slot is drawn
        each = []
        for order, rank in zip(self.orders, ranks, strict=True):
            total = torch.zeros(len(target), device=target.device)
            for t, slot in enumerate(order):
                known = (rank < t).expand(len(target), -1)
                parts = [
                    self.log_probabilities(codes, there, c)[:, slot]
                    for codes, there, c in self._blocks(target, known, condition)
                ]
                total = total + torch.cat(parts).gather(1, target[:, slot].unsqueeze(1)).squeeze(1)
            each.append(total)
        return torch.logsumexp(torch.stack(each), dim=0) - torch.tensor(float(len(each))).log()

    def sample_target(
        self,
        n: int,
        *,
        condition: Tensor | None = None,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Sample code indices `(n, M)`."""
        device = self.mask.device
        nothing = torch.zeros((n, self.n_slots), dtype=torch.int64, device=device)
        return self.fill(nothing, nothing.bool(), condition=condition, temperature=temperature, generator=generator)

    def complete_target(
        self,
        begin: Tensor,
        *,
        condition: Tensor | None = None,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Sample code indices `(n, M)` that begin with `(n, k)` given ones."""
        target = F.pad(begin, (0, self.n_slots - begin.shape[1]))
        kept = (torch.arange(self.n_slots, device=begin.device) < begin.shape[1]).expand_as(target)
        return self.fill(target, kept, condition=condition, temperature=temperature, generator=generator)

    @torch.no_grad()
    def begin_log_prob(self, begin: Tensor, *, condition: Tensor | None = None) -> Tensor:
        """Log-probability of the first code indices `(n, k)`, nats, `(n,)`, if slots are drawn from the first on."""
        target = F.pad(begin, (0, self.n_slots - begin.shape[1]))
        total = torch.zeros(len(begin), device=begin.device)
        for slot in range(begin.shape[1]):
            known = (torch.arange(self.n_slots, device=begin.device) < slot).expand_as(target)
            here = self.log_probabilities(target, known, condition)[:, slot]
            total = total + here.gather(1, begin[:, slot].unsqueeze(1)).squeeze(1)
        return total

    @torch.no_grad()
    def fill(
        self,
        target: Tensor,
        kept: Tensor,
        *,
        condition: Tensor | None = None,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Code indices `(n, M)` that agree with `target` where `kept` is True, the others drawn given these.

        Args:
            target: code indices `(n, M)`; those that are not kept are ignored.
            kept: `(n, M)` bool.
            condition: `(n, C)`.
            temperature: divides the logits before sampling.
            generator: random numbers for orders and draws.
        """
        n, device = len(target), target.device
        picks = torch.randint(len(self.orders), (n,), generator=generator, device=device)
        rank = self.orders.argsort(1)[picks].masked_fill(kept, -1)  # kept slots come first
        order = rank.argsort(1)
        known, codes = kept.clone(), torch.where(kept, target, 0)
        for t in range(int(kept.sum(1).min()) if n else self.n_slots, self.n_slots):
            rows = (~known).any(1).nonzero().squeeze(1)
            rows = rows[~known[rows, order[rows, t]]]
            slots = order[rows, t]
            given = None if condition is None else condition[rows]
            here = torch.cat(
                [
                    self.log_probabilities(part, there, c)[torch.arange(len(part), device=device), slot]
                    for (part, there, c), slot in zip(
                        self._blocks(codes[rows], known[rows], given), slots.split(ROWS), strict=True
                    )
                ]
                or [codes.new_zeros((0, self.n_codes)).float()]
            )
            codes[rows, slots] = draw_index((here / temperature).softmax(-1), generator)
            known[rows, slots] = True
        return codes

    def log_probabilities(self, target: Tensor, known: Tensor, condition: Tensor | None = None) -> Tensor:
        """Log-probabilities of all codes of every slot given the known ones, `(n, M, K)`.

        Args:
            target: code indices `(n, M)`; unknown ones are ignored.
            known: `(n, M)` bool.
            condition: `(n, C)`.
        """
        states = torch.where(known.unsqueeze(2), self.embedding(target + self.first), self.mask) + self.position
        if self.from_condition is not None and condition is not None:
            states = states + self.from_condition(condition).unsqueeze(1)
        for layer in self.layers:
            states = layer(states)
        return self.to_logits(self.norm(states)).float().log_softmax(-1)

    def _blocks(
        self, target: Tensor, known: Tensor, condition: Tensor | None
    ) -> list[tuple[Tensor, Tensor, Tensor | None]]:
        parts = [None] * -(-len(target) // ROWS) if condition is None else list(condition.split(ROWS))
        return list(zip(target.split(ROWS), known.split(ROWS), parts, strict=False))

    def extra_repr(self) -> str:
        """Settings for `repr`."""
        return f"n_slots={self.n_slots}, n_codes={self.n_codes}, n_orders={len(self.orders)}"


class MaskedPriorConfig(PriorSettings):
    """A masked transformer over codes, which draws them in any order; it is fitted after training."""

    member: ClassVar[type[Prior]] = MaskedPrior
    joint: ClassVar[bool] = False
    codes_only: ClassVar[bool] = True

    kind: Literal["masked"] = "masked"
    hidden_dim: Size = 256
    n_layers: Depth = 4
    n_heads: Depth = 8
    n_orders: Size = 2
    """Number of fixed random orders that samples are drawn in."""

    @model_validator(mode="after")
    def _heads_divide(self) -> "MaskedPriorConfig":
        check_heads(self.hidden_dim, self.n_heads)
        return self

    def build(self, latent: Latent, *, condition_dim: int = 0) -> MaskedPrior:
        """Build the prior, with untrained weights."""
        return MaskedPrior(
            latent.n_slots, latent.n_codes, shared=latent.shared, condition_dim=condition_dim, **self.arguments()
        )
