"""A trained model as chemists use it: SMILES in, SMILES out. The work is done in `inference` and `optimize`."""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch

from molvae.chem.inputs import as_molecule, as_molecules
from molvae.chem.kept import Kept
from molvae.chem.parse import canonical_smiles, parse_smiles
from molvae.chem.similarity import tanimoto
from molvae.config import Fraction, Positive, Reach, Seed, Steps, Walks, checked
from molvae.errors import ConfigError, InputError
from molvae.inference import encoding, likelihood, paths, sampling
from molvae.inference.encoding import EncodedMolecules
from molvae.inference.loaded import BATCH, LoadedModel
from molvae.inference.sampling import GUIDANCE, Sampled
from molvae.optimize import analogy
from molvae.optimize.bridge import bridge
from molvae.optimize.neighborhood import neighborhood
from molvae.optimize.run import optimize
from molvae.progress import SILENT, Progress

Line = Literal["linear", "spherical", "bridge"]


class MoleculeGenerator(LoadedModel):
    """A trained model: sample, encode, decode, reconstruct, interpolate, predict, optimize.

    Wherever molecules are taken, they may be SMILES or RDKit molecules in a list, tuple, generator, numpy array, pandas
    Series or pyarrow column; missing ones are `None`, nan or `pd.NA`. A single string is refused.

    >>> vae = MoleculeGenerator.load("moses", device="cpu")  # doctest: +SKIP
    >>> vae.sample(2, seed=0)  # doctest: +SKIP
    """

    def sample(self, n: int, **how: Any) -> list[str]:
        """Exactly `n` new molecules from the prior, as canonical SMILES; `how` as in `draw`."""
        return self.draw(n, **how).smiles

    def draw(
        self,
        n: int,
        *,
        temperature: float | None = None,
        top_p: float | None = None,
        greedy: bool = False,
        leave_out: float | None = None,
        unique: bool = False,
        novel: bool = False,
        novel_against: Any = frozenset(),
        condition: Mapping[str, float] | None = None,
        guidance: float = GUIDANCE,
        latent_temperature: float | None = None,
        prior: str | None = None,
        keep: str | None = None,
        seed: int | None = None,
        batch_size: int = BATCH,
        progress: Progress = SILENT,
    ) -> Sampled:
        """Draw from the prior until there are `n` molecules.

        Args:
            n: molecules to return.
            temperature: of the draws of tokens; by default the checkpoint's own.
            top_p: nucleus of the draws of tokens (Holtzman et al. 2020); by default the checkpoint's own.
            greedy: take the likeliest tokens, so that only z varies.
            leave_out: share of the draws, the least likely ones, that are left out before they are parsed: invalid
                SMILES are unlikely ones (Skinnider 2024); by default the checkpoint's own.
            unique: leave out molecules drawn before.
            novel: leave out molecules of the training set, which the checkpoint keeps as hashes (`KnownMolecules`).
            novel_against: molecules to leave out: a set of canonical SMILES, or any form that `encode` takes.
            condition: values of properties to ask for, in their own units; the model must be conditioned on them.
            guidance: how far to go from the condition that asks for nothing toward the one wanted: 1 reaches it, as in
                training; above 1 goes beyond it and makes up for the pull toward the average (as the classifier-free
                guidance of Ho and Salimans 2022, but applied to the condition and not to the predictions).
            latent_temperature: of the draws of latents: below 1 they are likelier and vary less; by default the
                checkpoint's own with a learned prior, and 1 with the standard one.
            prior: "learned" or "standard"; by default the learned one if the checkpoint has it.
            keep: a part that every molecule has, atom for atom, as a SMILES in which `*` (or `[*:1]`) marks each place
                where something is attached: "c1ccc(*)nc1*". Without marks it grows at one to three of its atoms.
                Several fragments, each with a mark, are linked: "*c1ccncc1.*C1CCNCC1". See `molvae.inference.growing`.
            seed: the same seed gives the same molecules; `None` differs every time.
            batch_size: latents decoded in one batch, at most; changes the numbers behind a draw only by rounding.
            progress: reports molecules found.

        Raises:
            ConfigError: for a number out of range, such as a temperature of nan or a seed of 2^32; when only novel ones
                are asked for and the checkpoint does not know its training set.
            InputError: when `novel_against` is no list of molecules, such as a single string; when `keep` cannot be
                read, or the model cannot write it.
            MolvaeError: when nearly every draw is invalid, repeated or known, so that `n` cannot be reached.
        """
        checked(Seed | None, seed, "seed")
        if not isinstance(novel_against, set | frozenset):
            given = (canonical_smiles(smiles) for smiles in as_molecules(novel_against) if smiles)
            novel_against = frozenset(smiles for smiles in given if smiles)
        return sampling.draw(
            self,
            n,
            temperature=temperature,
            top_p=top_p,
            greedy=greedy,
            leave_out=leave_out,
            unique=unique,
            novel=novel,
            novel_against=novel_against,
            condition=condition,
            guidance=guidance,
            latent_temperature=latent_temperature,
            prior=prior,
            keep=None if keep is None else Kept(keep),
            seed=seed,
            batch_size=batch_size,
            progress=progress,
        )

    def encode(self, molecules: Any, *, batch_size: int = BATCH) -> np.ndarray:
        """Posterior means `(n, Z)` float32; nan rows for molecules that cannot be used."""
        return self.encode_rows(molecules, batch_size=batch_size).z

    def encode_rows(self, molecules: Any, *, batch_size: int = BATCH, progress: Progress = SILENT) -> EncodedMolecules:
        """Encode molecules, with a reason for each that cannot be used.

        Args:
            molecules: each is standardized as the training data were.
            batch_size: molecules per batch; changes the numbers only by rounding.
            progress: reports molecules encoded.

        Raises:
            InputError: when `molecules` is no list of molecules, such as a single string.
        """
        return encoding.encode_rows(self, molecules, batch_size=batch_size, progress=progress)

    def decode(
        self,
        z: np.ndarray,
        *,
        greedy: bool = True,
        temperature: float | None = None,
        top_p: float | None = None,
        retries: int = 0,
        seed: int | None = None,
        batch_size: int = BATCH,
        progress: Progress = SILENT,
    ) -> list[str]:
        """Canonical SMILES of latents; "" for a nan row and where no molecule is decoded.

        Args:
            z: `(n, Z)`.
            greedy: take the likeliest tokens; otherwise they are drawn, see `draw`.
            temperature: of the draws; by default the checkpoint's own.
            top_p: nucleus of the draws; by default the checkpoint's own.
            retries: further draws for a latent that decoded to no molecule, at most.
            seed: of the draws.
            batch_size: rows per batch.
            progress: reports rows decoded.

        Raises:
            InputError: when `z` has another shape.
        """
        checked(Seed | None, seed, "seed")
        return sampling.decode(
            self,
            z,
            greedy=greedy,
            temperature=temperature,
            top_p=top_p,
            retries=retries,
            seed=seed,
            batch_size=batch_size,
            progress=progress,
        )

    def reconstruct(self, molecules: Any, *, batch_size: int = BATCH, progress: Progress = SILENT) -> pd.DataFrame:
        """Encode molecules and decode their posterior means greedily.

        Returns:
            One row per molecule: `smiles` as given; `standardized`, the model's standard form; `reconstruction`;
            `exact`, whether that is the molecule given, with its stereo and isotopes; `tanimoto` (ECFP4) to the
            standard form, nan where there is nothing to compare; `lost`, what the standard form does not keep
            ("stereo", "isotopes"); `reason` why a row cannot be encoded ("too_long", …) or decodes to nothing
            ("not_decoded").
        """
        return encoding.reconstruct(self, molecules, batch_size=batch_size, progress=progress)

    def properties(self, molecules: Any, *, batch_size: int = BATCH) -> pd.DataFrame:
        """What the heads predict from the posterior mean, in the properties' own units; nan rows as in `encode`."""
        z = self.encode(molecules, batch_size=batch_size)
        with torch.no_grad():
            values = self.model.heads.predict(torch.from_numpy(z).to(self.device))
        return pd.DataFrame(values.cpu().numpy(), columns=list(self.model.heads.names))

    def negative_elbo(self, molecules: Any, *, prior: str | None = None, batch_size: int = BATCH) -> np.ndarray:
        """How unlikely the model finds each molecule, nats `(n,)`; nan for molecules that cannot be used.

        Args:
            molecules: in any form that `encode` takes.
            prior: "learned" or "standard"; by default as in `sample`.
            batch_size: molecules per batch.
        """
        return likelihood.negative_elbo(self, molecules, prior=prior, batch_size=batch_size)

    def novelty_score(
        self, molecules: Any, *, reference: Any = None, prior: str | None = None, batch_size: int = BATCH
    ) -> np.ndarray:
        """How unlike the training set each molecule is: a percentile among known molecules.

        What is compared is the negative ELBO per symbol of the notation, because large molecules are less likely than
        small ones whatever they are. 100 means: no known molecule is as unlikely. Beyond that, `negative_elbo` still
        tells molecules apart.

        Args:
            molecules: in any form that `encode` takes.
            reference: the known molecules; by default the held-out ones on which the model was evaluated after
                training, whose quantiles are in the checkpoint.
            prior: as in `negative_elbo`.
            batch_size: molecules per batch.

        Returns:
            `(n,)` in [0, 100]; nan for molecules that cannot be used.

        Raises:
            InputError: when the checkpoint has no quantiles and no reference is given, or none of it can be used.
        """
        return likelihood.novelty_score(self, molecules, reference=reference, prior=prior, batch_size=batch_size)

    def interpolate(
        self, a: Any, b: Any, *, steps: int = 9, method: Line | None = None, keep: str | None = None
    ) -> pd.DataFrame:
        """The path between two molecules through the latent; every molecule on it is sound (`chem.soundness`).

        Args:
            a: the start.
            b: the end.
            steps: molecules on the path, both ends counted.
            method: "linear", a straight line; "spherical", a great circle with linearly changing length (Shoemake
                1985; White 2016), see `molvae.inference.paths`; "bridge", the smoothest path among molecules that the
                model makes between the two, see `molvae.optimize.bridge`. `None` is "bridge" for a latent of codes,
                where a straight line jumps from one code to another, and otherwise "linear".
            keep: a part that every molecule of the path has, as in `draw`; the method is then "bridge".

        Returns:
            Rows from start to end: `fraction`; `smiles`; `source`: "given" for the two molecules as they were given,
            "decoded" for those between them, "repeated" where a molecule is shown again, "none" where no sound molecule
            was found; `tanimoto_to_start`, `tanimoto_to_end`.

        Raises:
            InputError: when an end cannot be encoded, or lacks the part to keep.
        """
        checked(Steps, steps, "steps")
        if keep is not None and method not in (None, "bridge"):
            raise ConfigError(f"a path that keeps a part is made by the method bridge; got {method!r}")
        if method is None:
            method = "bridge" if self.model.latent.discrete or keep is not None else "linear"
        if method not in ("linear", "spherical", "bridge"):
            raise ConfigError(f"unknown interpolation {method!r}; expected linear, spherical or bridge")
        given = [as_molecule(a), as_molecule(b)]
        ends = self._encoded(given)
        start, end = str(ends.smiles[0]), str(ends.smiles[1])
        kept = self._kept(keep, [start, end])
        fractions = np.linspace(0.0, 1.0, steps)
        if start == end:
            path = [start] * (steps - 2)
        elif method == "bridge":
            path = bridge(self, start, end, steps=steps, keep=kept)[1:-1]
        else:
            path = paths.line(self, start, end, ends.z, fractions[1:-1], method=method)
        before = [[start, end, *path[:i]] for i in range(len(path))]
        sources = [
            "none" if not smiles else "repeated" if smiles in shown else "decoded"
            for smiles, shown in zip(path, before, strict=True)
        ]
        first, last = (canonical_smiles(text) for text in given)
        frame = pd.DataFrame({"fraction": fractions, "smiles": [first, *path, last]})
        frame["source"] = ["given", *sources, "given"]
        compared = [start, *path, end]
        frame["tanimoto_to_start"] = [tanimoto(s, start) for s in compared]
        frame["tanimoto_to_end"] = [tanimoto(s, end) for s in compared]
        return frame

    def neighbors(
        self,
        molecule: Any,
        *,
        walks: int = 5,
        steps: int = 7,
        reach: float = 1.0,
        similarity: tuple[float, float] | None = None,
        keep: str | None = None,
        condition: Mapping[str, float] | None = None,
        guidance: float = GUIDANCE,
        seed: int | None = None,
    ) -> pd.DataFrame:
        """Walks from one molecule to less and less similar ones, all of them sound and, where possible, different.

        With a continuous latent the walks are straight, in random directions. With a latent of codes they are made of
        the model's own edits and crossings, and the similarity to the start falls along each; see
        `molvae.optimize.neighborhood`.

        Args:
            molecule: where the walks start.
            walks: how many walks.
            steps: molecules per walk, the start counted.
            reach: length of a walk: with a continuous latent in units of the prior's spread; with codes 1 is a fall of
                the similarity to the start by 0.75.
            similarity: the lowest and highest Tanimoto similarity to the start (ECFP4) that a step may have; the walks
                then fall from the highest to the lowest, whatever `reach` is.
            keep: a part that every molecule has, as in `draw`.
            condition: values of properties to ask for, as in `draw`.
            guidance: of the condition.
            seed: of the walks.

        Returns:
            Walk by walk: `walk`, `distance`, `smiles`, `status`, `tanimoto_to_start`. The status is "start", "new",
            "copy" (the start or an earlier step again) or "none", where no sound molecule was found.

        Raises:
            InputError: when the molecule cannot be encoded, or lacks the part to keep.
            ConfigError: when no similarity lies within the range.
        """
        checked(Steps, steps, "steps")
        checked(Walks, walks, "walks")
        checked(Seed | None, seed, "seed")
        checked(Reach, reach, "reach")
        start = self._encoded([as_molecule(molecule)])
        smiles = str(start.smiles[0])
        how: dict[str, Any] = {"walks": walks, "steps": steps, "reach": reach, "seed": seed}
        how["condition"] = self.condition(condition or {}, guidance=guidance)
        if similarity is not None:
            low, high = (checked(Fraction, value, "similarity") for value in similarity)
            if low >= high:
                raise ConfigError(f"got a similarity of {low:g} to {high:g}; expected a lower and a higher one")
            how["similarity"] = (low, high)
        if keep is not None:
            how["keep"] = self._kept(keep, [smiles])
        if self.model.latent.discrete or similarity is not None or keep is not None:
            found = neighborhood(self, smiles, **how)
        else:
            found = paths.straight_walks(self, smiles, start.z[0], **how)
        frame = pd.DataFrame(found, columns=["walk", "distance", "smiles", "status"])
        frame["tanimoto_to_start"] = [tanimoto(s, smiles) for s in frame["smiles"]]
        return frame

    def arithmetic(self, expression: str, *, n: int = 10, seed: int = 0) -> pd.DataFrame:
        """Molecules nearest to a sum of molecules: "A - B + C" asks what is to C as A is to B.

        Args:
            expression: SMILES with + or - between them, each between spaces.
            n: molecules, at most; all are sound and none is a term.
            seed: of the draws.

        Returns:
            The nearest first: `smiles`; `nearness`, see `molvae.optimize.analogy`; the similarity to each term,
            `tanimoto_to_1`, `tanimoto_to_2`, …

        Raises:
            InputError: when the expression or a molecule of it cannot be used.
        """
        checked(Positive, n, "n")
        checked(Seed, seed, "seed")
        terms = analogy.parse_expression(expression)
        encoded = self._encoded([term.smiles for term in terms])
        own = [analogy.Term(str(smiles), term.sign) for smiles, term in zip(encoded.smiles, terms, strict=True)]
        found = analogy.arithmetic(self, own, encoded.z, n=n, seed=seed)
        frame = pd.DataFrame(found, columns=["smiles", "nearness"])
        for i, term in enumerate(own, start=1):
            frame[f"tanimoto_to_{i}"] = [tanimoto(smiles, term.smiles) for smiles in frame["smiles"]]
        return frame

    def optimize(self, objective: Any, **how: Any) -> pd.DataFrame:
        """Find molecules that score high; returns every molecule that was scored, best first.

        Args:
            objective: a task's name, the path of an objective's YAML, a function from SMILES to numbers, or a
                `molvae.optimize.objective.Objective`.
            how: `method`, `n_calls`, `start`, … as in `molvae.optimize.run.optimize`.
        """
        return optimize(self, objective, **how).frame

    def _kept(self, keep: str | None, molecules: list[str]) -> Kept | None:
        """The part to keep as the model writes it; raises `InputError` when a molecule does not have it."""
        if keep is None:
            return None
        kept = Kept(keep).flat() if self.standardizer.strip_stereo else Kept(keep)
        for smiles in molecules:
            mol = parse_smiles(smiles)
            if mol is None or not kept.holds(mol):
                raise InputError(f"{smiles} does not have the part to keep, {kept.smiles}, with growth at its * alone")
        return kept

    def _encoded(self, molecules: list[str]) -> EncodedMolecules:
        encoded = self.encode_rows(as_molecules(molecules))
        for text, reason in zip(molecules, encoded.reasons, strict=True):
            if reason:
                raise InputError(f"cannot encode {text!r}: {reason}")
        return encoded
