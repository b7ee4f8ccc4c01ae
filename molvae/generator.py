"""Text in, text out: a trained model as chemists use it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from molvae.checkpoint import Checkpoint, load_checkpoint
from molvae.chem.graphs import smiles_to_graph
from molvae.chem.notation import notation
from molvae.chem.similarity import tanimoto
from molvae.chem.standardize import Standardizer
from molvae.data.atom_tokens import AtomTokenMap
from molvae.data.batches import MolBatch
from molvae.data.graphs import GraphStore
from molvae.data.tokenizer import MoleculeTokenizer, TokenizedMolecule
from molvae.errors import ConfigError, InputError, MolvaeError, VocabularyError
from molvae.nn.likelihood import QUANTILES, negative_elbo, quantiles
from molvae.nn.priors.base import Prior
from molvae.progress import SILENT, Progress

GUIDANCE = 1.5  # of conditions, by default; chosen by measurement
RETRIES = 20  # draws for a latent on a path that spells no molecule
MIN_YIELD = 0.002  # sampling gives up when fewer draws than this are wanted, after many draws


@dataclass(frozen=True)
class Sampled:
    """Molecules drawn from the prior, and what was drawn beside them.

    Attributes:
        smiles: canonical, exactly as many as were asked for.
        n_drawn: latents decoded in all.
        n_invalid: decoded to no molecule.
        n_repeated: left out because drawn before (only when unique ones were asked for).
        n_known: left out because they are in the set to be novel against.
    """

    smiles: list[str]
    n_drawn: int
    n_invalid: int
    n_repeated: int
    n_known: int


@dataclass(frozen=True)
class EncodedMolecules:
    """Latents of molecules, row by row as they came.

    Attributes:
        z: `(n, Z)` float32 posterior means, nan rows where a molecule cannot be used.
        valid: `(n,)` bool.
        smiles: the standardized canonical SMILES that was encoded, `None` where there is none.
        reasons: why a row cannot be used, `None` where it can.
    """

    z: np.ndarray
    valid: np.ndarray
    smiles: list[str | None]
    reasons: list[str | None]


class MoleculeGenerator:
    """A trained model: sample, encode, decode, reconstruct, interpolate, predict.

    Args:
        checkpoint: an opened checkpoint.
        device: where the model runs: "auto", "cpu", "cuda", …

    Raises:
        ConfigError: for a device that is not there.
    """

    def __init__(self, checkpoint: Checkpoint, *, device: str = "auto") -> None:
        self.device = resolve_device(device)
        self.model = checkpoint.model.to(self.device).eval()
        self.vocabulary = checkpoint.vocabulary
        self.max_length = checkpoint.max_length
        self.diagnostics = checkpoint.diagnostics
        self.latent_temperature = checkpoint.latent_temperature
        self.notation = notation(checkpoint.vocabulary.notation)
        self.standardizer = Standardizer(**checkpoint.standard_form.arguments())
        self.tokenizer = MoleculeTokenizer(
            self.standardizer,
            self.vocabulary,
            graphs=self.model.encoder.reads_graphs,
            max_tokens=self.model.encoder.max_tokens,
        )
        self.reads_sequences = self.model.encoder.reads_tokens
        self.priors: dict[str, Prior] = {"standard": self.model.latent.standard_prior()}
        if checkpoint.prior is not None:
            self.priors["learned"] = checkpoint.prior

    @classmethod
    def load(cls, path: str | Path | None = None, *, device: str = "auto") -> "MoleculeGenerator":
        """Open a checkpoint directory, a run's directory, or a shipped model by its name; `None` is the default one."""
        return cls(load_checkpoint(path), device=device)

    @cached_property
    def atom_token_map(self) -> AtomTokenMap:
        """Which token each atom was written by."""
        return AtomTokenMap(self.vocabulary)

    @cached_property
    def latent_dim(self) -> int:
        """Z."""
        return self.model.latent.latent_dim

    def sample(
        self,
        n: int,
        *,
        temperature: float = 1.0,
        top_p: float = 1.0,
        greedy: bool = False,
        unique: bool = False,
        condition: Mapping[str, float] | None = None,
        guidance: float = GUIDANCE,
        latent_temperature: float | None = None,
        prior: str | None = None,
        seed: int | None = None,
        batch_size: int = 512,
    ) -> list[str]:
        """Exactly `n` new molecules from the prior, as canonical SMILES; see `draw` for the arguments."""
        return self.draw(
            n,
            temperature=temperature,
            top_p=top_p,
            greedy=greedy,
            unique=unique,
            condition=condition,
            guidance=guidance,
            latent_temperature=latent_temperature,
            prior=prior,
            seed=seed,
            batch_size=batch_size,
        ).smiles

    def draw(
        self,
        n: int,
        *,
        temperature: float = 1.0,
        top_p: float = 1.0,
        greedy: bool = False,
        unique: bool = False,
        novel_against: frozenset[str] | set[str] = frozenset(),
        condition: Mapping[str, float] | None = None,
        guidance: float = GUIDANCE,
        latent_temperature: float | None = None,
        prior: str | None = None,
        seed: int | None = None,
        batch_size: int = 512,
        progress: Progress = SILENT,
    ) -> Sampled:
        """Draw from the prior until there are `n` molecules.

        Args:
            n: molecules to return.
            temperature: of the tokens' draws.
            top_p: nucleus of the tokens' draws.
            greedy: take the likeliest tokens; what varies is then z alone.
            unique: leave out molecules drawn before.
            novel_against: canonical SMILES to leave out.
            condition: values of properties to ask for, in their own units; of those the model was trained to be asked.
            guidance: how far the condition goes on from asking for nothing: 1 asks as in training; above 1 makes up for
                the pull toward the average (after Ho and Salimans 2022, who do it with predictions).
            latent_temperature: of the latents' draws: below 1 they are likelier and vary less; by default the
                checkpoint's own with a learned prior, and 1 with the standard one.
            prior: "learned" or "standard"; by default the learned one if the checkpoint has it.
            seed: the same seed gives the same molecules; `None` differs every time.
            batch_size: latents decoded side by side; does not change the result's size.
            progress: reports molecules found.

        Raises:
            MolvaeError: when nearly every draw is invalid, repeated or known, so that `n` cannot be reached.
        """
        _check_decoding(temperature, top_p)
        if n < 1:
            raise ConfigError(f"got n = {n}; expected at least 1 molecule")
        source = self._prior(prior)
        if latent_temperature is None:
            latent_temperature = self.latent_temperature if source is self.priors.get("learned") else 1.0
        if latent_temperature <= 0:
            raise ConfigError(f"got latent_temperature {latent_temperature}; expected a number above 0")
        asked = self._condition(condition or {}, guidance)
        generator = self._generator(seed)
        decode = partial(self._decode, greedy=greedy, temperature=temperature, top_p=top_p, generator=generator)
        found: list[str] = []
        seen: set[str] = set()
        n_drawn = n_invalid = n_repeated = n_known = 0
        with progress.stage("Sampling", total=n) as stage:
            while len(found) < n:
                given = None if asked is None else asked.expand(batch_size, -1)
                z = self.model.latent.to_z(
                    source.sample_target(
                        batch_size, condition=given, temperature=latent_temperature, generator=generator
                    )
                )
                before = len(found)
                for smiles in decode(z, condition=given):
                    if len(found) == n:
                        break
                    n_drawn += 1
                    if not smiles:
                        n_invalid += 1
                    elif unique and smiles in seen:
                        n_repeated += 1
                    elif smiles in novel_against:
                        n_known += 1
                    else:
                        found.append(smiles)
                        seen.add(smiles)
                stage.advance(len(found) - before)
                if n_drawn >= 20 * batch_size and len(found) < MIN_YIELD * n_drawn:
                    raise MolvaeError(
                        f"only {len(found)} of {n} molecules after {n_drawn} draws ({n_invalid} invalid, "
                        f"{n_repeated} repeated, {n_known} known); is the model trained and not collapsed?"
                    )
        return Sampled(found, n_drawn, n_invalid, n_repeated, n_known)

    def encode(self, smiles: Sequence[str], *, batch_size: int = 512) -> np.ndarray:
        """Posterior means `(n, Z)` float32; nan rows for molecules that cannot be used."""
        return self.encode_rows(smiles, batch_size=batch_size).z

    def encode_rows(
        self, smiles: Sequence[str | None], *, batch_size: int = 512, progress: Progress = SILENT
    ) -> EncodedMolecules:
        """Encode, and say of every row what became of it.

        Args:
            smiles: any SMILES; each is standardized as the training data were.
            batch_size: molecules encoded side by side; does not change the numbers beyond rounding.
            progress: reports molecules encoded.
        """
        n = len(smiles)
        z = np.full((n, self.latent_dim), np.nan, dtype=np.float32)
        standard: list[str | None] = [None] * n
        reasons: list[str | None] = [None] * n
        usable: list[tuple[int, TokenizedMolecule]] = []
        with progress.stage("Encoding", total=n) as stage:
            for i, text in enumerate(smiles):
                spelled = self.tokenizer.tokenize(text)
                standard[i], reasons[i] = spelled.smiles, spelled.reason
                if spelled.reason is None:
                    usable.append((i, spelled))
                else:
                    stage.advance(1)
                if len(usable) == batch_size or (usable and i == n - 1):
                    rows, molecules = zip(*usable, strict=True)
                    with torch.no_grad():
                        z[list(rows)] = self.model.encode(self.batch(molecules)).mean.float().cpu().numpy()
                    stage.advance(len(usable))
                    usable.clear()
        return EncodedMolecules(z, ~np.isnan(z[:, 0]), standard, reasons)

    def decode(
        self,
        z: np.ndarray,
        *,
        greedy: bool = True,
        temperature: float = 1.0,
        top_p: float = 1.0,
        retries: int = 0,
        seed: int | None = None,
        batch_size: int = 512,
        progress: Progress = SILENT,
    ) -> list[str]:
        """Canonical SMILES of latents; "" for a nan row and where no molecule is decoded.

        Args:
            z: `(n, Z)`.
            greedy: the likeliest tokens; otherwise draws, see `draw`.
            temperature: of the draws.
            top_p: nucleus of the draws.
            retries: draws for a latent that spelled no molecule, until one does.
            seed: of the draws.
            batch_size: rows decoded side by side.
            progress: reports rows decoded.

        Raises:
            InputError: when `z` has another shape.
        """
        _check_decoding(temperature, top_p)
        z = np.asarray(z, dtype=np.float32)
        if z.ndim != 2 or z.shape[1] != self.latent_dim:
            raise InputError(
                f"got latents of shape {z.shape}; expected (n, {self.latent_dim}), of the model that encoded them"
            )
        out = [""] * len(z)
        usable = np.flatnonzero(np.isfinite(z).all(1))
        generator = self._generator(seed)
        with progress.stage("Decoding", total=len(z)) as stage:
            stage.advance(len(z) - len(usable))
            for first in range(0, len(usable), batch_size):
                rows = usable[first : first + batch_size]
                decoded = self._decode(
                    torch.from_numpy(z[rows]).to(self.device),
                    greedy=greedy,
                    temperature=temperature,
                    top_p=top_p,
                    generator=generator,
                )
                for row, smiles in zip(rows, decoded, strict=True):
                    out[row] = smiles
                stage.advance(len(rows))
        missing = [row for row in usable if not out[row]] if retries else []
        if missing:
            drawn = self.decode(
                z[missing],
                greedy=False,
                temperature=temperature,
                top_p=top_p,
                retries=retries - 1,
                seed=int(torch.randint(2**31, (1,), generator=generator, device=self.device)),
                batch_size=batch_size,
            )
            for row, smiles in zip(missing, drawn, strict=True):
                out[row] = smiles
        return out

    def reconstruct(
        self, smiles: Sequence[str | None], *, batch_size: int = 512, progress: Progress = SILENT
    ) -> pd.DataFrame:
        """There and back, greedily from the posterior mean.

        Returns:
            One row per molecule: `smiles` as given, `standardized`, `reconstruction`, `exact` (same canonical
            SMILES), `tanimoto` (ECFP4; nan where there is nothing to compare), `reason` of unusable rows.
        """
        encoded = self.encode_rows(smiles, batch_size=batch_size, progress=progress)
        decoded = self.decode(encoded.z, batch_size=batch_size, progress=progress)
        pairs = list(zip(encoded.smiles, decoded, strict=True))
        return pd.DataFrame(
            {
                "smiles": [s or "" for s in smiles],
                "standardized": [s or "" for s in encoded.smiles],
                "reconstruction": decoded,
                "exact": [bool(a) and a == b for a, b in pairs],
                "tanimoto": [tanimoto(a, b) if a and b else np.nan for a, b in pairs],
                "reason": [r or "" for r in encoded.reasons],
            }
        )

    def interpolate(
        self, a: str, b: str, *, steps: int = 9, method: Literal["linear", "spherical", "bridge"] | None = None
    ) -> pd.DataFrame:
        """The path between two molecules through the latent.

        Args:
            a: SMILES of the start.
            b: SMILES of the end.
            steps: molecules on the path, both ends counted.
            method: "linear", a straight line; "spherical", a great circle with linearly changing length (Shoemake
                1985; White 2016); "bridge", the smoothest path among molecules that the model makes between the two,
                see `molvae.optimize.bridge`. `None` is "bridge" with codes, where a straight line leads from one
                code to another at once, and otherwise "linear".

        Returns:
            Rows from start to end: `fraction`, `smiles`, `source` ("given" for the two molecules themselves,
            "decoded" for the path; the ends of a line are the given molecules' own reconstructions),
            `tanimoto_to_start`, `tanimoto_to_end`.

        Raises:
            InputError: when an end cannot be encoded.
        """
        if steps < 2:
            raise ConfigError(f"got {steps} steps; expected at least 2, the two ends")
        if method is None:
            method = "bridge" if self.model.latent.discrete else "linear"
        if method not in ("linear", "spherical", "bridge"):
            raise ConfigError(f"unknown interpolation {method!r}; expected linear, spherical or bridge")
        ends = self.encode_rows([a, b])
        for text, reason in zip((a, b), ends.reasons, strict=True):
            if reason:
                raise InputError(f"cannot encode {text!r}: {reason}")
        start, end = str(ends.smiles[0]), str(ends.smiles[1])
        fractions = np.linspace(0.0, 1.0, steps)
        if method == "bridge":
            from molvae.optimize.bridge import bridge

            path = [
                (float(f), s, "decoded") for f, s in zip(fractions, bridge(self, start, end, steps=steps), strict=True)
            ][1:-1]
        else:
            z = interpolate_latents(ends.z[0], ends.z[1], fractions, method=method)
            decoded = self.decode(z, retries=RETRIES, seed=0)
            path = [(float(f), s, "decoded") for f, s in zip(fractions, decoded, strict=True)]
        rows = [(0.0, start, "given"), *path, (1.0, end, "given")]
        frame = pd.DataFrame(rows, columns=["fraction", "smiles", "source"])
        frame["tanimoto_to_start"] = [tanimoto(s, start) for s in frame["smiles"]]
        frame["tanimoto_to_end"] = [tanimoto(s, end) for s in frame["smiles"]]
        return frame

    def properties(self, smiles: Sequence[str], *, batch_size: int = 512) -> pd.DataFrame:
        """What the heads predict from the posterior mean, in the properties' own units; nan rows as in `encode`."""
        z = self.encode(smiles, batch_size=batch_size)
        with torch.no_grad():
            values = self.model.heads.predict(torch.from_numpy(z).to(self.device))
        return pd.DataFrame(values.cpu().numpy(), columns=list(self.model.heads.names))

    def negative_elbo(
        self, smiles: Sequence[str | None], *, prior: str | None = None, batch_size: int = 512
    ) -> np.ndarray:
        """How unlikely the model finds each molecule, nats `(n,)`; nan for molecules that cannot be used.

        Args:
            smiles: any SMILES.
            prior: "learned" or "standard"; by default as in `sample`.
            batch_size: molecules handled side by side.
        """
        return self._negative_elbo(smiles, prior, batch_size)[0]

    def _negative_elbo(
        self, smiles: Sequence[str | None], prior: str | None, batch_size: int
    ) -> tuple[np.ndarray, list[TokenizedMolecule]]:
        source = self._prior(prior)
        spelled = self.tokenizer.tokenize_many(smiles)
        values = np.full(len(spelled), np.nan)
        usable = [row for row, molecule in enumerate(spelled) if molecule.reason is None]
        for first in range(0, len(usable), batch_size):
            rows = usable[first : first + batch_size]
            batch = self.batch([spelled[row] for row in rows])
            values[rows] = negative_elbo(self.model, source, batch).cpu().numpy()
        return values, spelled

    def novelty_score(
        self,
        smiles: Sequence[str | None],
        *,
        reference: Sequence[str | None] | None = None,
        prior: str | None = None,
        batch_size: int = 512,
    ) -> np.ndarray:
        """How unlike the training set each molecule is: a percentile among known molecules.

        What is compared is the negative ELBO per symbol of the notation, because large molecules are less likely than
        small ones whatever they are. 100 means: no known molecule is as unlikely. Beyond that, `negative_elbo` still
        tells molecules apart.

        Args:
            smiles: any SMILES.
            reference: the known molecules; by default the held-out ones that the model was judged on after training,
                whose quantiles are in the checkpoint.
            prior: as in `negative_elbo`.
            batch_size: molecules handled side by side.

        Returns:
            `(n,)` in [0, 100]; nan for molecules that cannot be used.

        Raises:
            InputError: when the checkpoint has no quantiles and no reference is given, or none of it can be used.
        """
        if reference is None:
            known = self._known_surprise(prior)
        else:
            values = self._surprise(reference, prior, batch_size)
            if np.isnan(values).all():
                raise InputError(f"none of {len(values)} reference molecules can be encoded")
            known = quantiles(torch.from_numpy(values[np.isfinite(values)]))
        values = self._surprise(smiles, prior, batch_size)
        return np.interp(values, known, np.linspace(0.0, 100.0, len(known)))

    def _surprise(self, smiles: Sequence[str | None], prior: str | None, batch_size: int) -> np.ndarray:
        """Negative ELBO per symbol, nats `(n,)`."""
        values, spelled = self._negative_elbo(smiles, prior, batch_size)
        counts = self.vocabulary.symbol_counts
        symbols = [sum(counts[token] for token in molecule.canonical_ids) for molecule in spelled]
        return values / np.maximum(symbols, 1)

    def batch(self, molecules: Sequence[TokenizedMolecule]) -> MolBatch:
        """Molecules side by side on the model's device, in every spelling each has (all of them usable)."""
        graphs = [m.graph for m in molecules for _ in m.token_ids if m.graph is not None]
        graph = None
        if graphs:
            lines = [m.canonical_ids for m in molecules for _ in m.token_ids]
            lengths = np.array([len(line) for line in lines], dtype=np.int64)
            graph = GraphStore.of_graphs(graphs).batch(np.arange(len(graphs)))
            graph = graph.with_atom_tokens(self.atom_token_map, np.concatenate(lines), lengths)
        return MolBatch.of_token_ids([ids for m in molecules for ids in m.token_ids], graph=graph).to(self.device)

    def neighbors(
        self, smiles: str, *, walks: int = 5, steps: int = 7, reach: float = 1.0, seed: int | None = None
    ) -> pd.DataFrame:
        """Straight walks through the latent from one molecule in random directions, decoded greedily.

        Args:
            smiles: where the walks start.
            walks: how many directions.
            steps: latents on a walk, the molecule's own counted.
            reach: length of a walk; 1 is as far as a draw of the prior is from 0.
            seed: of the directions.

        Returns:
            Walk by walk: `walk`, `distance`, `smiles`, `tanimoto_to_start`.

        Raises:
            InputError: when the molecule cannot be encoded.
        """
        if steps < 2 or walks < 1:
            raise ConfigError(f"got {walks} walks of {steps} steps; expected at least 1 of at least 2")
        start = self.encode_rows([smiles])
        if start.reasons[0]:
            raise InputError(f"cannot encode {smiles!r}: {start.reasons[0]}")
        directions = (
            self.model.latent.to_z(self.priors["standard"].sample_target(walks, generator=self._generator(seed)))
            .cpu()
            .numpy()
        )
        distances = np.linspace(0.0, reach, steps)
        z = start.z + distances[None, :, None] * directions[:, None, :]
        frame = pd.DataFrame({"walk": np.repeat(np.arange(1, walks + 1), steps), "distance": np.tile(distances, walks)})
        frame["smiles"] = self.decode(z.reshape(walks * steps, -1), retries=RETRIES, seed=seed)
        frame["tanimoto_to_start"] = [tanimoto(s, str(start.smiles[0])) for s in frame["smiles"]]
        return frame

    def optimize(self, objective: Any, **how: Any) -> pd.DataFrame:
        """Find molecules that score high; every molecule that was scored, best first.

        Args:
            objective: a task's name, the path of an objective's YAML, a function from SMILES to numbers, or a
                `molvae.optimize.objective.Objective`.
            how: `method`, `n_calls`, `start`, … as in `molvae.optimize.run.optimize`.
        """
        from molvae.optimize.run import optimize

        return optimize(self, objective, **how).frame

    def __repr__(self) -> str:
        return f"MoleculeGenerator({self.vocabulary!r}, latent_dim={self.latent_dim}, device={str(self.device)!r})"

    @torch.no_grad()
    def _condition(self, asked: Mapping[str, float], guidance: float) -> Tensor | None:
        """The condition c `(1, C)` that asks for these values; `None` for a model that takes none."""
        known = () if self.model.condition is None else self.model.condition.names
        for name in asked:
            if name not in known:
                raise ConfigError(
                    f"the model cannot be asked for {name!r}; it can for: {', '.join(known) or 'nothing'}"
                )
        values = torch.tensor([[asked.get(name, torch.nan) for name in self.model.heads.names]], device=self.device)
        nothing, wanted = self.model.embed_condition(1), self.model.embed_condition(1, values)
        return None if nothing is None or wanted is None else nothing + guidance * (wanted - nothing)

    @property
    def default_prior(self) -> Prior:
        """The learned prior if there is one, else the standard one."""
        return self.priors.get("learned", self.priors["standard"])

    @property
    def reads_graphs(self) -> bool:
        """Whether the encoder reads graphs."""
        return self.tokenizer.graphs

    def token_ids(self, smiles: str) -> list[int] | None:
        """Tokens of a SMILES as it is written; `None` when the vocabulary cannot write it."""
        try:
            return self.vocabulary.encode(self.notation.to_symbols(smiles))
        except (InputError, VocabularyError):
            return None

    @torch.no_grad()
    def encode_token_ids(self, molecules: Sequence[list[int]], smiles: Sequence[str]) -> np.ndarray:
        """Posterior means `(n, Z)` float32 of molecules that are tokens already; their SMILES are read for graphs."""
        graphs = [smiles_to_graph(s) if self.reads_graphs else None for s in smiles]
        spelled = [
            TokenizedMolecule(text, None, [ids], graph, ids)
            for text, ids, graph in zip(smiles, molecules, graphs, strict=True)
        ]
        return self.model.encode(self.batch(spelled)).mean.float().cpu().numpy()

    def _decode(
        self,
        z: Tensor,
        *,
        condition: Tensor | None = None,
        greedy: bool,
        temperature: float,
        top_p: float,
        generator: torch.Generator | None,
    ) -> Iterator[str]:
        ids = self.model.decode(
            z,
            max_length=self.max_length,
            condition=condition,
            greedy=greedy,
            temperature=temperature,
            top_p=top_p,
            generator=generator,
        )
        for row in ids.tolist():
            yield self.notation.to_smiles(self.vocabulary.decode(row))

    def _prior(self, name: str | None) -> Prior:
        if name is None:
            return self.default_prior
        if name not in self.priors:
            hint = "; fit one with `molvae fit-prior`" if name == "learned" else ""
            raise ConfigError(f"the model has no prior {name!r}, only: {', '.join(self.priors)}{hint}")
        return self.priors[name]

    def _known_surprise(self, prior: str | None) -> list[float]:
        """Quantiles of held-out molecules' negative ELBO per symbol, against a prior, from the checkpoint."""
        learned = self._prior(prior) is self.priors.get("learned")
        written = self.diagnostics.get("prior", {}) if learned else self.diagnostics
        if QUANTILES not in written:
            raise InputError(
                "the checkpoint has no quantiles of known molecules; give some of the training set's as reference"
            )
        return written[QUANTILES]

    def _generator(self, seed: int | None) -> torch.Generator:
        generator = torch.Generator(device=self.device)
        if seed is None:
            generator.seed()
        else:
            generator.manual_seed(seed)
        return generator


def interpolate_latents(
    a: np.ndarray, b: np.ndarray, fractions: np.ndarray, *, method: Literal["linear", "spherical"]
) -> np.ndarray:
    """Latents between `a` and `b`, both `(Z,)`, at each fraction; `(len(fractions), Z)` float32."""
    t = fractions[:, None]
    straight = (1 - t) * a + t * b
    if method == "linear":
        return straight.astype(np.float32)
    length_a, length_b = np.linalg.norm(a), np.linalg.norm(b)
    cosine = float(np.clip(a @ b / max(length_a * length_b, 1e-12), -1.0, 1.0))
    angle = np.arccos(cosine)
    if np.sin(angle) < 1e-6:  # parallel or opposite: the great circle is not defined
        return straight.astype(np.float32)
    direction = (np.sin((1 - t) * angle) * a / length_a + np.sin(t * angle) * b / length_b) / np.sin(angle)
    return (((1 - t) * length_a + t * length_b) * direction).astype(np.float32)


def resolve_device(device: str) -> torch.device:
    """The torch device that a name means; "auto" is a GPU when there is one.

    Raises:
        ConfigError: for an unknown name, or a GPU that is not there.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
    except RuntimeError as error:
        raise ConfigError(f"unknown device {device!r}; expected auto, cpu, cuda or cuda:N") from error
    if resolved.type == "cuda" and not torch.cuda.is_available():
        raise ConfigError(f"device {device!r} asked for, but torch sees no GPU; use --device cpu or auto")
    return resolved


def _check_decoding(temperature: float, top_p: float) -> None:
    if temperature <= 0:
        raise ConfigError(f"got temperature {temperature}; expected a number above 0 (or greedy decoding)")
    if not 0 < top_p <= 1:
        raise ConfigError(f"got top_p {top_p}; expected a number above 0 and at most 1")
