"""New molecules from known ones by way of the latent; most searches make their proposals with these moves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from rdkit import Chem
from torch import Tensor

from molvae.chem.graphs import smiles_to_graph
from molvae.chem.kept import Kept
from molvae.chem.parse import parse_smiles
from molvae.data.batches import MolBatch
from molvae.data.tokenizer import TokenizedMolecule
from molvae.data.vocabulary import BOS, EOS, MASK, PAD
from molvae.inference.growing import NO_MOLECULE, Growth
from molvae.inference.loaded import LoadedModel
from molvae.inference.sampling import Drawing
from molvae.nn.draws import draw_index
from molvae.optimize.oracle import Candidate

WEIGHTS: Mapping[str, float] = {
    "edit": 0.35,
    "swap": 0.25,
    "cross": 0.2,
    "noise": 0.07,
    "between": 0.06,
    "redraw": 0.04,
    "prior": 0.03,
}
"""How often each move is made; chosen by measurement."""

NOISE = (0.3, 1.0)  # range of the noise, in units of the latents' spread
MIN_FOR_SPREAD = 20  # distinct parents needed to estimate that spread
REORDERED = 0.3  # share of the edited parents that are first written from another atom
KEPT = 20_000  # latents kept in memory


@dataclass(frozen=True)
class Encoded:
    """A parent: its tokens (bos and eos left out) and its latent `(Z,)`."""

    token_ids: list[int]
    z: np.ndarray


@dataclass(frozen=True)
class _Plan:
    z: np.ndarray
    prefix: list[int]
    origin: str


class Moves:
    """Makes children of parent molecules, and decodes them in one batch.

    - `edit`: the parent's tokens up to a random place, then another token drawn from the decoder, then what the decoder
      writes given the parent's z. As z still describes the whole parent, the change stays local.
    - `swap`: the parent's tokens with one replaced, added or left out; a new token is drawn from the decoder.
    - `cross`: the tokens of one parent up to a random place; the decoder writes the rest given a z between the parent's
      and another parent's.
    - `noise`: the parent's z plus Gaussian noise.
    - `between`: a z between the latents of two parents.
    - `redraw`: other tokens drawn from the decoder at the parent's z.
    - `prior`: a draw from the prior.

    Args:
        vae: the model.
        weights: how often each move is made.
        condition: `(1, C)` that the prior and the decoder are given; by default no property is asked for.
    """

    def __init__(
        self, vae: LoadedModel, *, weights: Mapping[str, float] = WEIGHTS, condition: Tensor | None = None
    ) -> None:
        self.vae = vae
        self.weights = dict(weights)
        self._asked = condition
        self._encoded: dict[str, Encoded | None] = {}

    def weighted(self, weights: Mapping[str, float]) -> "Moves":
        """The same moves, made as often as these weights say."""
        return Moves(self.vae, weights=weights, condition=self._asked)

    def forget(self) -> None:
        """Forget all latents, because the model has changed."""
        self._encoded.clear()

    def encode(self, smiles: Sequence[str]) -> list[Encoded | None]:
        """Parents by canonical SMILES; `None` for those that the vocabulary cannot write."""
        if len(self._encoded) > KEPT:
            self._encoded.clear()
        todo = [s for s in dict.fromkeys(smiles) if s not in self._encoded]
        ids = {s: self.vae.token_ids(s) for s in todo}
        usable = {s: i for s, i in ids.items() if i}
        self._encoded.update(dict.fromkeys(todo))
        if usable:
            latents = self._latents(usable)
            for (text, token_ids), z in zip(usable.items(), latents, strict=True):
                self._encoded[text] = Encoded(token_ids, z)
        return [self._encoded[s] for s in smiles]

    def condition(self, n: int) -> Tensor | None:
        """The condition that the prior and the decoder are given, `(n, C)`; `None` for a model without one."""
        return self.vae.condition_rows(n, self._asked)

    def _latents(self, molecules: Mapping[str, list[int]]) -> np.ndarray:
        """Posterior means `(n, Z)` of molecules whose tokens are known; their SMILES are read for graphs."""
        tokenized = [
            TokenizedMolecule(smiles, None, [ids], smiles_to_graph(smiles) if self.vae.reads_graphs else None, ids)
            for smiles, ids in molecules.items()
        ]
        return self.vae.per_molecule(tokenized, lambda batch: self.vae.model.encode(batch).mean, self.vae.latent_dim)

    def children(
        self, parents: Sequence[str], rng: np.random.Generator, *, labels: Mapping[str, object] | None = None
    ) -> list[Candidate]:
        """One child per parent; those that decode to nothing, or to their parent, are left out.

        Args:
            parents: canonical SMILES, each repeated as often as children of it are wanted.
            rng: draws moves, places, mates and noise.
            labels: the name of each parent in its children's `origin`; by default its SMILES.
        """
        names = labels or {}
        usable = [(s, p) for s, p in zip(parents, self.encode(parents), strict=True) if p is not None]
        if not usable:
            return []
        texts, encoded = zip(*usable, strict=True)
        moves = self._draw_moves(len(usable), rng)
        mates = rng.integers(len(usable), size=len(usable))
        edits = self._edits(moves, encoded, texts, rng)
        spread = self._spread(encoded)
        drawn = self.from_prior(int((moves == "prior").sum()), rng)
        plans: list[_Plan] = []
        for i, (text, parent, move) in enumerate(zip(texts, encoded, moves, strict=True)):
            mate_text, mate = texts[mates[i]], encoded[mates[i]]
            one, two = names.get(text, text), names.get(mate_text, mate_text)
            match move:
                case "edit" | "swap":
                    plans.append(_Plan(parent.z, edits[i], f"{move} of {one}"))
                case "cross":
                    share = rng.uniform(0.3, 1.0)
                    cut = rng.integers(1, len(parent.token_ids) + 1)
                    z = (1 - share) * parent.z + share * mate.z
                    plans.append(_Plan(z, parent.token_ids[:cut], f"cross of {one} and {two}"))
                case "between":
                    share = rng.uniform(0.2, 0.5)
                    plans.append(_Plan((1 - share) * parent.z + share * mate.z, [], f"between {one} and {two}"))
                case "noise":
                    scale = rng.uniform(*NOISE) * spread
                    noise = rng.standard_normal(len(parent.z))
                    plans.append(_Plan(parent.z + scale * noise, [], f"noise on {one}"))
                case "redraw":
                    plans.append(_Plan(parent.z, [], f"redraw of {one}"))
                case _:
                    plans.append(_Plan(drawn.pop(), [], "prior"))
        free = (moves == "redraw") | (rng.random(len(plans)) < 0.3)  # these are drawn, the others decoded greedily
        decoded = self._decode(plans, free, rng)
        children = zip(decoded, plans, texts, strict=True)
        return [Candidate(smiles, plan.origin) for smiles, plan, text in children if smiles and smiles != text]

    def from_prior(self, n: int, rng: np.random.Generator) -> list[np.ndarray]:
        """Latents drawn from the model's default prior."""
        if not n:
            return []
        z = self.vae.sample_z(n, condition=self._asked, generator=self._generator(rng))
        return list(z.cpu().numpy())

    def random(self, n: int, rng: np.random.Generator) -> list[Candidate]:
        """Molecules drawn from the prior; fewer than `n` when a draw decodes to no molecule."""
        plans = [_Plan(z, [], "prior") for z in self.from_prior(n, rng)]
        return [Candidate(s, "prior") for s in self._decode(plans, np.ones(n, dtype=bool), rng) if s]

    def decode(self, z: np.ndarray, rng: np.random.Generator, *, greedy: bool = True) -> list[str]:
        """Canonical SMILES of latents `(n, Z)`, "" where there is none."""
        return self._decode([_Plan(row, [], "") for row in z], np.full(len(z), not greedy), rng)

    def _draw_moves(self, n: int, rng: np.random.Generator) -> np.ndarray:
        names = list(self.weights)
        weights = np.array([self.weights[name] for name in names])
        return rng.choice(names, size=n, p=weights / weights.sum())

    def _spread(self, encoded: Sequence[Encoded]) -> np.ndarray | float:
        distinct = {id(p): p.z for p in encoded}
        return np.std(list(distinct.values()), axis=0) if len(distinct) >= MIN_FOR_SPREAD else 1.0

    def _reordered(self, smiles: str, rng: np.random.Generator) -> list[int] | None:
        """Tokens of the same molecule written from another atom, so that an edit may fall anywhere."""
        mol = parse_smiles(smiles)
        if mol is None:
            return None
        return self.vae.token_ids(Chem.MolToSmiles(mol, rootedAtAtom=int(rng.integers(mol.GetNumAtoms()))))

    @torch.no_grad()
    def _edits(
        self, moves: np.ndarray, parents: Sequence[Encoded], texts: Sequence[str], rng: np.random.Generator
    ) -> dict[int, list[int]]:
        """First tokens of the children by `edit` and `swap`, by row; one token differs from the parent's."""
        rows = np.flatnonzero((moves == "edit") | (moves == "swap")).tolist()
        if not rows:
            return {}
        device = self.vae.device
        lines = [(rng.random() < REORDERED and self._reordered(texts[i], rng)) or parents[i].token_ids for i in rows]
        batch = MolBatch.of_token_ids(lines).to(device)
        places = torch.tensor([int(rng.integers(len(ids) + 1)) for ids in lines], device=device)
        row = torch.arange(len(rows), device=device)
        z = torch.from_numpy(np.stack([parents[i].z for i in rows])).to(device)
        here = self.vae.model.decoder.logits_at(z, batch.token_ids, places, condition=self.condition(len(rows))).float()
        here[:, [PAD, BOS, MASK]] = -torch.inf
        here[row, batch.token_ids[row, places + 1]] = -torch.inf
        drawn = draw_index(here.softmax(-1), self._generator(rng))
        edits = {}
        for i, ids, place, token in zip(rows, lines, places.tolist(), drawn.tolist(), strict=True):
            if moves[i] == "edit":
                edits[i] = [*ids[:place], token]
            else:
                kind = rng.choice(["replaced", "added", "left out"])
                after = place if kind == "added" and len(ids) + 1 < self.vae.max_length else place + 1
                edits[i] = [*ids[:place], *([] if kind == "left out" else [token]), *ids[after:], EOS]
        return edits

    def _decode(self, plans: Sequence[_Plan], free: np.ndarray, rng: np.random.Generator) -> list[str]:
        ends = np.array([plan.prefix[-1:] == [EOS] for plan in plans], dtype=bool)  # nothing is left to decode
        tokens = [plan.prefix if end else [] for plan, end in zip(plans, ends, strict=True)]
        rows = np.flatnonzero(~ends).tolist()
        if rows:
            z = torch.from_numpy(np.stack([plans[i].z for i in rows]).astype(np.float32)).to(self.vae.device)
            width = max(len(plans[i].prefix) for i in rows)
            prefix = torch.full((len(rows), width), PAD, dtype=torch.int64)
            for k, i in enumerate(rows):
                prefix[k, : len(plans[i].prefix)] = torch.tensor(plans[i].prefix, dtype=torch.int64)
            ids = self.vae.model.decode(
                z,
                max_length=self.vae.max_length,
                condition=self.condition(len(rows)),
                greedy=torch.from_numpy(~free[rows]).to(self.vae.device),
                temperature=self.vae.sampling.temperature,
                top_p=self.vae.sampling.top_p,
                prefix=prefix.to(self.vae.device) if width else None,
                generator=self._generator(rng),
            )
            for i, row in zip(rows, ids.tolist(), strict=True):
                tokens[i] = row
        return self.vae.to_smiles(tokens)

    def _generator(self, rng: np.random.Generator) -> torch.Generator:
        return torch.Generator(device=self.vae.device).manual_seed(int(rng.integers(2**62)))


KEEPING: Mapping[str, float] = {"regrow": 0.5, "mixed": 0.2, "noise": 0.2, "prior": 0.1}
"""How often each move is made that keeps a part."""


class KeepingMoves(Moves):
    """Moves whose children all have a kept part; see `molvae.inference.growing`.

    - `regrow`: a piece of the parent outside of the kept part is written anew, or something is put in place of a
      hydrogen, given the parent's z.
    - `mixed`: the same given a z between the parent's and another parent's.
    - `noise`: the same given the parent's z plus Gaussian noise.
    - `prior`: a new molecule with the kept part.

    With a latent of codes, what is written anew is drawn from the prior given the rest, in each of these moves.

    Args:
        vae: the model.
        kept: the part.
        weights: how often each move is made.
        condition: as in `Moves`.

    Raises:
        InputError: when the model cannot write the kept part.
    """

    def __init__(
        self, vae: LoadedModel, kept: Kept, *, weights: Mapping[str, float] = KEEPING, condition: Tensor | None = None
    ) -> None:
        super().__init__(vae, weights=weights, condition=condition)
        self.kept = kept
        self.growth = Growth(vae, kept, self._drawing(), condition=condition, seed=0)

    def _drawing(self) -> Drawing:
        defaults = self.vae.sampling
        return Drawing(temperature=defaults.temperature, top_p=defaults.top_p)

    def weighted(self, weights: Mapping[str, float]) -> Moves:
        """The same moves, made as often as these weights say; those that keep nothing are left out."""
        known = {name: weight for name, weight in weights.items() if name in KEEPING}
        return KeepingMoves(self.vae, self.kept, weights=known or KEEPING, condition=self._asked)

    def forget(self) -> None:
        """Forget what was computed, because the model has changed."""
        super().forget()
        self.growth.forget()

    def children(
        self, parents: Sequence[str], rng: np.random.Generator, *, labels: Mapping[str, object] | None = None
    ) -> list[Candidate]:
        """See `Moves.children`."""
        names = labels or {}
        usable = [(s, p) for s, p in zip(parents, self.encode(parents), strict=True) if p is not None]
        if not usable:
            return []
        texts, encoded = zip(*usable, strict=True)
        moves = self._draw_moves(len(usable), rng)
        mates = rng.integers(len(usable), size=len(usable))
        spread = self._spread(encoded)
        z, origins = [], []
        for i, (text, parent, move) in enumerate(zip(texts, encoded, moves, strict=True)):
            one, two = names.get(text, text), names.get(texts[mates[i]], texts[mates[i]])
            share = rng.uniform(0.2, 0.5) if move == "mixed" else 0.0
            noise = rng.uniform(*NOISE) * spread * rng.standard_normal(len(parent.z)) if move == "noise" else 0.0
            z.append((1 - share) * parent.z + share * encoded[mates[i]].z + noise)
            origins.append(f"regrown {one}" + (f" toward {two}" if share else " with noise" if move == "noise" else ""))
        self.growth.seed(int(rng.integers(2**62)))
        own = np.flatnonzero(moves != "prior")
        latents = torch.from_numpy(np.array(z, dtype=np.float32)).to(self.vae.device)
        made = self.growth.changed([texts[i] for i in own], latents[torch.from_numpy(own).to(self.vae.device)])
        children = [
            Candidate(smiles, origins[i])
            for smiles, i in zip(made, own, strict=True)
            if smiles not in NO_MOLECULE and smiles != texts[i]
        ]
        return children + self.random(len(usable) - len(own), rng)

    def random(self, n: int, rng: np.random.Generator) -> list[Candidate]:
        """New molecules with the kept part; fewer than `n` when a draw is no molecule."""
        if not n:
            return []
        self.growth.seed(int(rng.integers(2**62)))
        return [Candidate(smiles, "prior") for smiles in self.growth.take(n) if smiles not in NO_MOLECULE]

    def decode(self, z: np.ndarray, rng: np.random.Generator, *, greedy: bool = True) -> list[str]:
        """Molecules with the kept part at latents `(n, Z)`, "" where there is none; they are drawn, never greedy."""
        self.growth.seed(int(rng.integers(2**62)))
        latents = torch.from_numpy(np.asarray(z, dtype=np.float32)).to(self.vae.device)
        return ["" if smiles in NO_MOLECULE else smiles for smiles in self.growth.at(latents)]


def moves_of(
    vae: LoadedModel,
    *,
    weights: Mapping[str, float] = WEIGHTS,
    condition: Tensor | None = None,
    keep: Kept | None = None,
) -> Moves:
    """The moves that keep a part, or if there is none, those with these weights."""
    if keep is None:
        return Moves(vae, weights=weights, condition=condition)
    return KeepingMoves(vae, keep, condition=condition)
