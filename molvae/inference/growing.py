"""Molecules that keep a part: what the kept part lacks is written by the decoder, place by place.

The kept part is written so that the atom that grows comes last, and the decoder goes on from there; then the molecule
is written anew with the next such atom last, and so on (PromptSMILES, Thomas et al. 2024). Of several ways to write it
the most plausible one is taken, and the latent is drawn given what is kept. Fragments are linked by growing one of them
and putting in the others, one after another, where the model finds the whole molecule most plausible.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from rdkit import Chem
from torch import Tensor

from molvae.chem.kept import (
    Kept,
    Spelling,
    change_sites,
    cleared,
    grown,
    link_sites,
    linked,
    numbered,
    spellings,
)
from molvae.chem.parse import canonical_smiles, parse_smiles
from molvae.chem.soundness import unsoundness
from molvae.data.batches import MolBatch
from molvae.errors import InputError
from molvae.inference.given import Beginning, given
from molvae.inference.loaded import BATCH, LoadedModel
from molvae.inference.openings import OpeningWriter
from molvae.nn.likelihood import token_losses

if TYPE_CHECKING:
    from molvae.inference.sampling import Drawing

LOST = "lost"
"""Stands in place of a draw whose kept part is not what was asked for."""
UNSOUND = "unsound"
"""Stands in place of a draw with a group that no chemist would draw; see `chem.soundness`."""
NO_MOLECULE = ("", LOST, UNSOUND)
FIRST_SPELLINGS, SPELLINGS = 12, 4  # ways that are compared to write the kept part, and a molecule that has grown
PLACES = (0.5, 0.35, 0.15)  # how often a part without marks grows at one, two and three places
SITES = 6  # places that are compared to put in a fragment


@dataclass
class _Growing:
    """A molecule that is being written.

    Attributes:
        mol: what there is of it, whose atoms know their numbers in the kept part; `None` when it failed.
        left: numbers of the kept atoms that have yet to grow.
        fragments: numbers of the fragments that have yet to be put in, with the number of the atom that is bonded.
        z: `(Z,)`; `None` before it is drawn.
        begun: whether anything was written.
        at: the index of the atom that grows next, where it is no kept one.
    """

    mol: Chem.Mol | None
    left: list[int]
    fragments: list[tuple[int, int]]
    z: Tensor | None = None
    begun: bool = False
    at: int | None = None


@dataclass(frozen=True)
class _Way:
    """One way to write a molecule, and its symbols."""

    spelling: Spelling
    symbols: Beginning


class Growth:
    """Draws of molecules that have a kept part.

    Args:
        vae: a model.
        kept: what is kept.
        how: temperatures and prior of the draws.
        condition: `(1, C)`; by default no property is asked for.
        seed: of the draws; the same seed gives the same molecules where the same numbers are asked for.

    Raises:
        InputError: when the model cannot write the kept part, or only without room for anything else.
    """

    def __init__(
        self, vae: LoadedModel, kept: Kept, how: Drawing, *, condition: Tensor | None = None, seed: int | None
    ) -> None:
        self.vae, self.kept, self.how, self.condition = vae, kept, how, condition
        self.generator = vae.generator(seed)
        self.rng = np.random.default_rng(int(torch.randint(2**62, (1,), generator=self.generator, device=vae.device)))
        self.writer = OpeningWriter(vae.vocabulary, vae.notation)
        self.given = given(
            vae,
            self.writer,
            prior=how.prior,
            condition=self.condition,
            temperature=how.latent_temperature,
            generator=self.generator,
        )
        self._first: dict[int, _Way] = {}
        self._sound = all(_is_drawable(fragment.mol) for fragment in kept.fragments)
        self._pieces = [self._in_model_form(fragment.mol) for fragment in kept.fragments]
        for place in kept.points or kept.free[:1]:
            self._check(place)

    def seed(self, seed: int) -> None:
        """Go on with the draws of this seed."""
        self.generator.manual_seed(seed)
        self.rng = np.random.default_rng(seed)

    def take(self, n: int, least: float = -np.inf) -> list[str]:
        """The canonical SMILES of the next n draws.

        It is "" where there is no molecule, `LOST` where the part was not kept, and `UNSOUND` where what was added is
        unsound. None is left out for its likelihood, whatever `least` is.
        """
        return self._grown_up([self._start() for _ in range(n)])

    def at(self, z: Tensor) -> list[str]:
        """Molecules drawn at given latents `(n, Z)`, as `take` returns them."""
        rows = [self._start() for _ in range(len(z))]
        for row, own in zip(rows, z, strict=True):
            row.z = own
        return self._grown_up(rows)

    def changed(self, smiles: Sequence[str], z: Tensor) -> list[str]:
        """Molecules that have the kept part, each written anew at a random place, given latents `(n, Z)`.

        Either a piece behind a single bond is written anew, or something is put in place of a hydrogen; "" where that
        fails.
        """
        rows = []
        for text, own in zip(smiles, z, strict=True):
            mol = parse_smiles(text)
            known = None if mol is None else self.kept.found(mol)
            sites = [] if known is None else change_sites(known, self.kept)
            row = _Growing(None, [], [], own, begun=True)
            if known is not None and sites:
                row.mol, row.at = cleared(known, sites[int(self.rng.integers(len(sites)))])
            rows.append(row)
        self._grow([row for row in rows if row.mol is not None])
        return [self._finished(row) for row in rows]

    def _grown_up(self, rows: Sequence[_Growing]) -> list[str]:
        while growing := [row for row in rows if row.mol is not None and (row.left or row.fragments)]:
            to_link = [row for row in growing if row.fragments and row.begun]
            if to_link:
                self._link(to_link)
            else:
                self._grow(growing)
        return [self._finished(row) for row in rows]

    def _start(self) -> _Growing:
        kept = self.kept
        if not kept.linked:
            return _Growing(self._pieces[0], self._places(), [])
        order = [int(i) for i in self.rng.permutation(len(kept.fragments))]
        bonded = [(i, int(self.rng.choice(kept.fragments[i].points))) for i in order]
        left = list(kept.points)
        for _, atom in bonded:
            left.remove(atom)
        return _Growing(self._pieces[order[0]], [bonded[0][1], *map(int, self.rng.permutation(left))], bonded[1:])

    def _in_model_form(self, mol: Chem.Mol) -> Chem.Mol:
        """A fragment without stereo if the model cannot write it; what is kept of it is put back at the end."""
        signs = {sign for sign in "@/\\" if any(sign in symbol for symbol in self.vae.vocabulary.symbol_ids)}
        if signs == set("@/\\") and not self.vae.standardizer.strip_stereo:
            return mol
        flat = Chem.Mol(mol)
        Chem.RemoveStereochemistry(flat)
        return flat

    def _places(self) -> list[int]:
        """Numbers of the kept atoms that grow, in the order in which they do."""
        kept = self.kept
        if kept.points:
            return [int(i) for i in self.rng.permutation(kept.points)]
        n = min(1 + int(self.rng.choice(len(PLACES), p=PLACES)), len(kept.free))
        return [int(i) for i in self.rng.choice(kept.free, size=n, replace=False)]

    def _finished(self, row: _Growing) -> str:
        if row.mol is None:
            return ""
        smiles = canonical_smiles(Chem.MolToSmiles(self.kept.with_stereo(row.mol))) or ""
        mol = parse_smiles(smiles) if smiles else None
        if mol is None:
            return ""
        if not self.kept.holds(mol):
            return LOST
        return UNSOUND if self._sound and not _is_drawable(mol) else smiles

    def _grow(self, rows: Sequence[_Growing]) -> None:
        """Let each molecule grow at its next place."""
        for first in range(0, len(rows), BATCH):
            some = rows[first : first + BATCH]
            ways = self._ways(some)
            for row, way in zip(some, ways, strict=True):
                row.mol = row.mol if way else None
            able = [(row, way) for row, way in zip(some, ways, strict=True) if way]
            if able:
                self._go_on([row for row, _ in able], [way for _, way in able])

    def _go_on(self, rows: Sequence[_Growing], ways: Sequence[_Way]) -> None:
        """Let the decoder finish molecules that are written in these ways."""
        symbols = [way.symbols for way in ways]
        z = self.given.latents(symbols, [row.z for row in rows])
        ids = self.vae.model.decode(
            z,
            max_length=self.vae.max_length,
            condition=self.vae.condition_rows(len(z), self.condition),
            greedy=self.how.greedy,
            temperature=self.how.temperature,
            top_p=self.how.top_p,
            openings=self.writer.openings(symbols, device=self.vae.device),
            generator=self.generator,
        )
        for row, way, line, own in zip(rows, ways, ids.tolist(), z, strict=True):
            row.mol = grown(self.vae.notation.to_text(self.vae.vocabulary.decode(line)), way.spelling)
            row.left, row.z, row.begun, row.at = row.left[1:], own, True, None

    def _ways(self, rows: Sequence[_Growing]) -> list[_Way | None]:
        """How each molecule is written so that its next place comes last; `None` where it cannot be."""
        chosen: list[_Way | None] = [None] * len(rows)
        owners, ways = list[int](), list[_Way]()
        z = list[Tensor | None]()
        for i, row in enumerate(rows):
            if not row.begun:
                chosen[i] = self._first_way(row.left[0])
            elif row.mol is not None:
                at = numbered(row.mol, row.left[0]) if row.at is None else row.at
                found = self._written(row.mol, at, SPELLINGS if row.at is None else 1)
                owners += [i] * len(found)
                ways += found
                z += [row.z] * len(found)  # which it has, as it has begun
        if len(ways) == len(set(owners)):
            for i, way in zip(owners, ways, strict=True):
                chosen[i] = way
        else:
            scores = self.given.scores([way.symbols for way in ways], z).tolist()
            for _, i, way in sorted(zip(scores, owners, ways, strict=True), key=lambda scored: scored[0]):
                chosen[i] = way  # the last one is the most plausible
        return chosen

    def _first_way(self, place: int) -> _Way:
        """The most plausible way to write the kept part before anything has grown."""
        if place not in self._first:
            mol = self._pieces[self.kept.fragment_of(place)]
            ways = self._written(mol, numbered(mol, place), FIRST_SPELLINGS)
            scores = self.given.scores([way.symbols for way in ways], None)
            self._first[place] = ways[int(scores.argmax())]
        return self._first[place]

    def forget(self) -> None:
        """Forget what was computed, because the model has changed."""
        self._first.clear()
        self.given.forget()

    def _written(self, mol: Chem.Mol, atom: int, n: int) -> list[_Way]:
        """Ways to write a molecule with this atom last that the vocabulary has the symbols for."""
        ways = []
        for spelling in spellings(mol, atom, n, self.rng):
            try:
                ways.append(_Way(spelling, tuple(self.writer.symbols(spelling.text))))
            except InputError:
                continue
        return ways

    def _check(self, place: int) -> None:
        """Raise `InputError` when the model cannot write the kept part with this place last, and something more."""
        mol = self._pieces[self.kept.fragment_of(place)]
        lengths, why = [], "the notation cannot"
        for spelling in spellings(mol, numbered(mol, place), SPELLINGS, self.rng):
            try:
                lengths.append(len(self.vae.vocabulary.encode(self.writer.symbols(spelling.text))))
            except InputError as error:
                why = str(error)
        if not lengths:
            raise InputError(
                f"the kept part {self.kept.smiles!r} cannot be written: {why}; keep another part, or choose another "
                "model (see `molvae models`)"
            )
        if min(lengths) + 2 > self.vae.max_length:
            raise InputError(
                f"the kept part {self.kept.smiles!r} takes {min(lengths)} of the {self.vae.max_length} tokens of a "
                "molecule, which leaves no room to grow; keep less, or choose another model"
            )

    def _link(self, rows: Sequence[_Growing]) -> None:
        """Put the next fragment into each molecule, at the most plausible of some places."""
        owners, molecules = [], []
        for i, row in enumerate(rows):
            (number, bonded), row.fragments = row.fragments[0], row.fragments[1:]
            fragment = self._pieces[number]
            sites = [] if row.mol is None else link_sites(row.mol)
            chosen = [sites[k] for k in self.rng.permutation(len(sites))[:SITES]]
            at = numbered(fragment, bonded)
            made = [row.mol and linked(row.mol, site, fragment, at) for site in chosen]
            usable = [mol for mol in made if mol is not None]
            molecules += usable
            owners += [i] * len(usable)
            row.mol = None
        scores = self._plausibility(molecules)
        for score, i, mol in sorted(zip(scores, owners, molecules, strict=True), key=lambda scored: scored[0]):
            if np.isfinite(score):
                rows[i].mol = mol  # the last one is the most plausible

    def _plausibility(self, molecules: Sequence[Chem.Mol]) -> list[float]:
        """Log-likelihood per symbol of molecules under the model at their own latents, -inf where it has none."""
        if not molecules:
            return []
        tokenized = self.vae.tokenizer.tokenize_many([Chem.MolToSmiles(mol) for mol in molecules])
        prior = self.vae.prior(self.how.prior)

        def nats(batch: MolBatch) -> Tensor:
            model = self.vae.model
            posterior = model.latent.posterior(model.encoder(batch))
            target = model.latent.sample_posterior(posterior, generator=self.generator)
            condition = self.vae.condition_rows(len(batch), self.condition)
            losses = token_losses(
                model.decoder(model.latent.to_z(target), batch.token_ids, condition=condition), batch.token_ids
            )
            if prior.affordable is None:
                losses = (
                    losses - prior.log_prob(target, condition=condition) + model.latent.log_posterior(posterior, target)
                )
            return -losses.unsqueeze(1)

        values = self.vae.per_molecule(tokenized, nats, 1)[:, 0]
        counts = self.vae.vocabulary.symbol_counts
        symbols = np.array([max(sum(counts[i] for i in m.canonical_ids), 1) for m in tokenized])
        return np.where(np.isfinite(values), values / symbols, -np.inf).tolist()


def _is_drawable(mol: Chem.Mol) -> bool:
    """Whether a molecule is sound but for its charges, which are as the model's training data have them."""
    return unsoundness(mol) in (None, "charge")
