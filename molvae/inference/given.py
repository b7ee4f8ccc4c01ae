"""Latents of the prior given how molecules begin.

A latent that is drawn at random knows nothing of what is kept: the decoder would be made to write one molecule with the
plan of another. A latent of the molecule as a whole is drawn from the prior and weighted by how likely the decoder then
begins as it should (importance resampling). Of codes that stand for tokens one by one, those of the beginning are
given and the prior draws the others.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from molvae.data.batches import MolBatch
from molvae.inference.loaded import BATCH, LoadedModel
from molvae.inference.openings import OpeningWriter

COMPARED = 64  # draws of the prior over which the likelihood of a beginning is averaged
POOL = 1024  # latents of the prior that are weighted
CHOICES = 6  # latents weighted for one molecule, where each begins in its own way
VARIETY = 64  # effective number of latents after weighting, at least

Beginning = tuple[str, ...]
"""Symbols."""


class Given(Protocol):
    """Latents that fit beginnings."""

    def scores(self, beginnings: Sequence[Beginning], z: Sequence[Tensor | None] | None) -> Tensor:
        """How plausible each beginning is to the model, nats `(n,)`; `z` are the latents of molecules begun before."""
        ...

    def latents(self, beginnings: Sequence[Beginning], z: Sequence[Tensor | None]) -> Tensor:
        """A latent for each beginning, `(n, Z)`; `z` has the latents of molecules begun before."""
        ...

    def forget(self) -> None:
        """Forget what was computed, because the model has changed."""
        ...


def given(
    vae: LoadedModel,
    writer: OpeningWriter,
    *,
    prior: str | None,
    condition: Tensor | None,
    temperature: float,
    generator: torch.Generator,
) -> Given:
    """What draws latents given beginnings, for this kind of model.

    Args:
        vae: the model.
        writer: of its vocabulary.
        prior: its name, see `LoadedModel.prior`.
        condition: `(1, C)`; by default no property is asked for.
        temperature: of the draws from the prior.
        generator: random numbers, on the model's device.
    """
    chosen = GivenCodes if _codes_follow_tokens(vae, prior) else GivenLatents
    return chosen(vae, writer, prior=prior, condition=condition, temperature=temperature, generator=generator)


class GivenLatents:
    """Draws of the prior, weighted by the likelihood of the beginning; a molecule keeps its latent.

    The weights are flattened as far as needed to keep `VARIETY` latents in use; arguments as in `given`.
    """

    def __init__(
        self,
        vae: LoadedModel,
        writer: OpeningWriter,
        *,
        prior: str | None,
        condition: Tensor | None,
        temperature: float,
        generator: torch.Generator,
    ) -> None:
        self.vae, self.writer, self.prior, self.condition = vae, writer, prior, condition
        self.temperature, self.generator = temperature, generator
        self.first_seed = generator.initial_seed()
        self._pools: dict[Beginning, tuple[Tensor, Tensor]] = {}

    def scores(self, beginnings: Sequence[Beginning], z: Sequence[Tensor | None] | None) -> Tensor:
        """See `Given`."""
        if z is not None:
            return self.likelihood(torch.stack([own for own in z if own is not None]), beginnings)
        draws = self._draw(COMPARED)
        return torch.stack([self.likelihood(draws, [b] * COMPARED).logsumexp(0) for b in beginnings])

    def latents(self, beginnings: Sequence[Beginning], z: Sequence[Tensor | None]) -> Tensor:
        """See `Given`."""
        out = [torch.empty(0)] * len(z)
        new = defaultdict(list)
        for i, (beginning, own) in enumerate(zip(beginnings, z, strict=True)):
            if own is None:
                new[beginning].append(i)
            else:
                out[i] = own
        for beginning, rows in new.items():
            pool, weights = self._pool(beginning)
            drawn = torch.multinomial(weights, len(rows), replacement=True, generator=self.generator)
            for i, row in zip(rows, pool[drawn], strict=True):
                out[i] = row
        return torch.stack(out)

    @torch.no_grad()
    def likelihood(self, z: Tensor, beginnings: Sequence[Beginning]) -> Tensor:
        """Log-likelihood that latents `(n, Z)` begin so, nats `(n,)`."""
        parts = []
        for first in range(0, len(z), BATCH):
            some = z[first : first + BATCH]
            openings = self.writer.openings(beginnings[first : first + BATCH], device=self.vae.device)
            condition = self.vae.condition_rows(len(some), self.condition)
            parts.append(self.vae.model.decoder.opening_likelihood(some, openings, condition=condition))
        return torch.cat(parts)

    def _pool(self, beginning: Beginning) -> tuple[Tensor, Tensor]:
        if beginning not in self._pools:
            pool = self._draw(POOL)
            self._pools[beginning] = pool, varied(self.likelihood(pool, [beginning] * POOL))
        return self._pools[beginning]

    def forget(self) -> None:
        """Forget the weighted latents, because the model has changed."""
        self._pools.clear()

    def _draw(self, n: int) -> Tensor:
        """Draws of the prior that do not depend on the draws before, so that they can be kept."""
        return self.vae.sample_z(
            n,
            prior=self.prior,
            condition=self.condition,
            temperature=self.temperature,
            generator=self.vae.generator(self.first_seed % 2**62),
        )


class GivenCodes(GivenLatents):
    """Codes of a beginning, completed by the prior; each molecule gets the completion that begins most likely so.

    The last token of a beginning may be part of a longer one, so that its code is given in half of the completions.
    """

    def scores(self, beginnings: Sequence[Beginning], z: Sequence[Tensor | None] | None) -> Tensor:
        """See `Given`."""
        codes, known = self._codes(beginnings)
        prior, out = self.vae.prior(self.prior), torch.zeros(len(codes), device=codes.device)
        for k in set(known):
            rows = [i for i, n in enumerate(known) if n == k]
            condition = self.vae.condition_rows(len(rows), self.condition)
            out[rows] = prior.begin_log_prob(codes[rows, :k], condition=condition)
        return out

    def latents(self, beginnings: Sequence[Beginning], z: Sequence[Tensor | None]) -> Tensor:
        """See `Given`."""
        alike = defaultdict(list)
        for i, beginning in enumerate(beginnings):
            alike[beginning].append(i)
        different = list(alike)
        codes, known = self._codes(different)
        counts = [min(max(CHOICES * len(rows), CHOICES), POOL) for rows in alike.values()]
        owner = [i for i, n in enumerate(counts) for _ in range(n)]
        given_codes = [max(known[i] - place % 2, 0) for place, i in enumerate(owner)]
        completed = self._completed(codes[owner], given_codes)
        weights = self.likelihood(completed, [different[i] for i in owner]).split(counts)
        out, first = torch.empty(len(beginnings), completed.shape[1], device=completed.device), 0
        for rows, likelihood, n in zip(alike.values(), weights, counts, strict=True):
            chance = varied(likelihood) if len(rows) >= VARIETY else likelihood.softmax(0)
            drawn = torch.multinomial(chance, len(rows), replacement=True, generator=self.generator)
            out[rows] = completed[first : first + n][drawn]
            first += n
        return out

    @torch.no_grad()
    def _completed(self, codes: Tensor, known: Sequence[int]) -> Tensor:
        """Latents `(n, Z)` of codes `(n, M)`, of which the first `known` are given and the others drawn."""
        prior, out = self.vae.prior(self.prior), torch.empty_like(codes)
        for k in set(known):
            rows = [i for i, n in enumerate(known) if n == k]
            drawn = prior.complete_target(
                codes[rows, :k],
                condition=self.vae.condition_rows(len(rows), self.condition),
                temperature=self.temperature,
                generator=self.generator,
            )
            assert drawn is not None
            out[rows] = drawn
        return self.vae.model.latent.to_z(out)

    @torch.no_grad()
    def _codes(self, beginnings: Sequence[Beginning]) -> tuple[Tensor, list[int]]:
        """Codes `(n, M)` of the beginnings, and how many of them stand for tokens that are written."""
        model = self.vae.model
        lines = [self.vae.vocabulary.encode(beginning)[: model.encoder.max_tokens] for beginning in beginnings]
        codes = model.latent.posterior(model.encoder(MolBatch.of_token_ids(lines).to(self.vae.device)))
        per_slot = ((model.encoder.max_tokens or 0) + 1) // model.latent.n_slots
        return codes, [len(line) // per_slot for line in lines]


def varied(likelihood: Tensor) -> Tensor:
    """Weights `(n,)` in proportion to a power of the likelihood, at most 1, that keeps the effective number `VARIETY`.

    >>> float((varied(torch.linspace(-900, 0, 1000)) ** 2).sum() ** -1) > 60
    True
    """
    low, high = 0.0, 1.0
    if _effective(likelihood) < VARIETY:
        for _ in range(30):
            middle = (low + high) / 2
            low, high = (middle, high) if _effective(middle * likelihood) >= VARIETY else (low, middle)
    else:
        low = 1.0
    return (low * likelihood).softmax(0)


def _effective(logits: Tensor) -> float:
    return 1 / float(logits.softmax(0).square().sum())


def _codes_follow_tokens(vae: LoadedModel, prior: str | None) -> bool:
    """Whether codes stand for consecutive tokens, and the prior can complete them."""
    model = vae.model
    if not model.latent.discrete or model.encoder.max_tokens is None or model.encoder.n_slots != model.latent.n_slots:
        return False
    nothing = torch.empty(1, 0, dtype=torch.int64, device=vae.device)
    return vae.prior(prior).complete_target(nothing, condition=vae.condition_rows(1)) is not None
