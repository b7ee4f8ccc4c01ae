"""Latents → molecules: draws from the prior, and the decode loop."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from molvae.chem.kept import Kept
from molvae.config import BatchSize, Positive, Share, Temperature, TopP, checked
from molvae.data.batches import MolBatch
from molvae.errors import ConfigError, InputError, MolvaeError
from molvae.inference.growing import LOST, UNSOUND, Growth
from molvae.inference.loaded import BATCH, LoadedModel
from molvae.nn.decoders.base import Anchors
from molvae.progress import SILENT, Progress

GUIDANCE = 1.5  # default for conditions, chosen by measurement
FEWEST = 64  # latents decoded at once, at least: as long as a batch of one takes
CALIBRATION = 2048  # draws from which it is estimated how likely the least likely ones are
MIN_YIELD = 0.002  # sampling gives up when, after many draws, a smaller share of them was kept


@dataclass(frozen=True)
class Sampled:
    """Molecules drawn from the prior, and how many draws were left out.

    Attributes:
        smiles: canonical, exactly as many as were asked for.
        n_drawn: latents decoded in all.
        n_unlikely: draws left out because they were among the least likely, before they were parsed.
        n_invalid: draws that decoded to no molecule.
        n_repeated: draws left out because they were drawn before (only when unique ones were asked for).
        n_known: draws left out because they are in the training set or in `novel_against`.
        n_lost: draws left out because the part to keep was not kept as it was asked for.
        n_unsound: draws left out because what was added to the part to keep is unsound.
    """

    smiles: list[str]
    n_drawn: int
    n_unlikely: int
    n_invalid: int
    n_repeated: int
    n_known: int
    n_lost: int = 0
    n_unsound: int = 0

    @property
    def valid(self) -> float:
        """The share of molecules among the draws that were parsed."""
        return 1 - self.n_invalid / (self.n_drawn - self.n_unlikely)


def draw(
    vae: LoadedModel,
    n: int,
    *,
    temperature: float | None,
    top_p: float | None,
    greedy: bool,
    leave_out: float | None,
    unique: bool,
    novel: bool,
    novel_against: frozenset[str] | set[str],
    condition: Mapping[str, float] | None,
    guidance: float,
    latent_temperature: float | None,
    prior: str | None,
    keep: Kept | None,
    seed: int | None,
    batch_size: int,
    progress: Progress,
) -> Sampled:
    """Draw from the prior until there are `n` molecules; arguments as in `MoleculeGenerator.draw`."""
    checked(Positive, n, "n")
    if keep is not None and leave_out:
        raise ConfigError("leave_out compares whole draws, which those that keep a part are not; set it to 0 with keep")
    source = vae.prior(prior)
    if latent_temperature is None:
        latent_temperature = vae.sampling.latent_temperature if source is vae.priors.get("learned") else 1.0
    leave_out = vae.sampling.leave_out if leave_out is None else leave_out
    checked(Share, leave_out, "leave_out")
    how = Drawing(
        greedy=greedy,
        temperature=vae.sampling.temperature if temperature is None else temperature,
        top_p=vae.sampling.top_p if top_p is None else top_p,
        latent_temperature=latent_temperature,
        prior=prior,
        condition=tuple((condition or {}).items()),
        guidance=guidance,
    )
    check_decoding(how.temperature, how.top_p, batch_size)
    checked(Temperature, latent_temperature, "latent_temperature")
    trained_on: Container[str] = ()
    if novel:
        if vae.known is None:
            raise ConfigError("the checkpoint does not know its training set; name files to be novel against instead")
        trained_on = vae.known
    least = -np.inf if keep is not None else _least_likely(vae, how, leave_out)
    draws: _Draws | Growth = (
        _Draws(vae, how, seed)
        if keep is None
        else Growth(vae, keep, how, condition=vae.condition(dict(how.condition), guidance=guidance), seed=seed)
    )
    found: list[str] = []
    seen: set[str] = set()
    n_drawn = n_unlikely = n_invalid = n_repeated = n_known = n_lost = n_unsound = 0
    with progress.stage("Sampling", total=n) as stage:
        while len(found) < n:
            before = len(found)
            for smiles in draws.take(min(batch_size, max(FEWEST, 2 * (n - len(found)))), least):
                if len(found) == n:
                    break
                n_drawn += 1
                if n_drawn % BATCH == 0 and n_drawn >= 20 * BATCH and len(found) < MIN_YIELD * n_drawn:
                    raise MolvaeError(
                        f"only {len(found)} of {n} molecules after {n_drawn} draws ({n_invalid} invalid, "
                        f"{n_repeated} repeated, {n_known} known, {n_lost} without the part to keep); "
                        + ("is the model trained and not collapsed?" if keep is None else "ask for fewer, or keep less")
                    )
                if smiles is None:
                    n_unlikely += 1
                elif not smiles:
                    n_invalid += 1
                elif smiles == LOST:
                    n_lost += 1
                elif smiles == UNSOUND:
                    n_unsound += 1
                elif unique and smiles in seen:
                    n_repeated += 1
                elif smiles in novel_against or smiles in trained_on:
                    n_known += 1
                else:
                    found.append(smiles)
                    seen.add(smiles)
            stage.advance(len(found) - before)
    return Sampled(found, n_drawn, n_unlikely, n_invalid, n_repeated, n_known, n_lost, n_unsound)


@dataclass(frozen=True)
class Drawing:
    """How draws are made; see `MoleculeGenerator.draw`."""

    temperature: float
    top_p: float
    greedy: bool = False
    latent_temperature: float = 1.0
    prior: str | None = None
    condition: tuple[tuple[str, float], ...] = ()
    guidance: float = GUIDANCE


class _Draws:
    """A stream of draws from the prior, which does not depend on how many are taken at once."""

    def __init__(self, vae: LoadedModel, how: Drawing, seed: int | None) -> None:
        self.vae, self.how = vae, how
        self.condition = vae.condition(dict(how.condition), guidance=how.guidance)
        self.generator = vae.generator(seed)
        self.noise = _TokenNoise(vae, self.generator)
        self.waiting = torch.empty(0, vae.latent_dim, device=vae.device)

    def take(self, n: int, least: float) -> list[str | None]:
        """The SMILES of the next n draws: "" where it is no molecule, `None` for a log likelihood below `least`."""
        z, ids = self._tokens(n)
        if least == -np.inf:
            return list(self.vae.to_smiles(ids))
        likely = (self._likelihoods(z, ids) >= least).cpu()
        smiles = iter(self.vae.to_smiles(ids[likely.to(ids.device)]))
        return [next(smiles) if kept else None for kept in likely.tolist()]

    def likelihoods(self, n: int) -> Tensor:
        """The log likelihoods of the next n draws, nats, `(n,)`."""
        return self._likelihoods(*self._tokens(n))

    def _tokens(self, n: int) -> tuple[Tensor, Tensor]:
        how = self.how
        while len(self.waiting) < n:
            z = self.vae.sample_z(
                BATCH,
                prior=how.prior,
                condition=self.condition,
                temperature=how.latent_temperature,
                generator=self.generator,
            )
            self.waiting = torch.cat([self.waiting, z])
        z, self.waiting = self.waiting[:n], self.waiting[n:]
        ids = decode_tokens(
            self.vae,
            z,
            condition=self.condition,
            greedy=how.greedy,
            temperature=how.temperature,
            top_p=how.top_p,
            noise=None if how.greedy else self.noise.take(n),
        )
        return z, ids

    @torch.no_grad()
    def _likelihoods(self, z: Tensor, ids: Tensor) -> Tensor:
        given = self.vae.condition_rows(len(z), self.condition)
        return self.vae.model.decoder.log_likelihood(z, ids, condition=given)


def _least_likely(vae: LoadedModel, how: Drawing, share: float) -> float:
    """The log likelihood below which this share of the draws lies, nats; estimated once for each way to draw."""
    if not share:
        return -np.inf
    if (how, share) not in vae.least_likely:
        draws = _Draws(vae, how, seed=0)
        known = torch.cat([draws.likelihoods(BATCH) for _ in range(CALIBRATION // BATCH)])
        vae.least_likely[how, share] = float(torch.quantile(known.cpu(), share))
    return vae.least_likely[how, share]


def decode(
    vae: LoadedModel,
    z: np.ndarray,
    *,
    greedy: bool = True,
    temperature: float | None = None,
    top_p: float | None = None,
    retries: int = 0,
    condition: Tensor | None = None,
    anchors: Anchors | None = None,
    seed: int | None = None,
    batch_size: int = BATCH,
    progress: Progress = SILENT,
) -> list[str]:
    """Canonical SMILES of latents `(n, Z)`.

    `condition` is `(1, C)`, `anchors` has n rows, the others are as in `MoleculeGenerator.decode`.
    """
    temperature = vae.sampling.temperature if temperature is None else temperature
    top_p = vae.sampling.top_p if top_p is None else top_p
    check_decoding(temperature, top_p, batch_size)
    z = np.asarray(z, dtype=np.float32)
    if z.ndim != 2 or z.shape[1] != vae.latent_dim:
        raise InputError(
            f"got latents of shape {z.shape}; expected (n, {vae.latent_dim}), of the model that encoded them"
        )
    out = [""] * len(z)
    usable = np.flatnonzero(np.isfinite(z).all(1))
    noise = _TokenNoise(vae, vae.generator(seed))
    how: dict[str, Any] = {"temperature": temperature, "top_p": top_p, "condition": condition}
    with progress.stage("Decoding", total=len(z)) as stage:
        stage.advance(len(z) - len(usable))
        for attempt in range(retries + 1):
            missing = np.array([row for row in usable if not out[row]], dtype=int)
            for first in range(0, len(missing), batch_size):
                rows = missing[first : first + batch_size]
                there = torch.from_numpy(z[rows]).to(vae.device)
                likeliest = greedy and attempt == 0
                how["noise"] = None if likeliest else noise.take(len(rows))
                how["anchors"] = None if anchors is None else anchors[torch.from_numpy(rows).to(vae.device)]
                for row, smiles in zip(rows, decode_batch(vae, there, greedy=likeliest, **how), strict=True):
                    out[row] = smiles
                stage.advance(len(rows) if attempt == 0 else 0)
    return out


def decode_batch(vae: LoadedModel, z: Tensor, **how: Any) -> list[str]:
    """Canonical SMILES of latents `(B, Z)` on the model's device, "" where there is none; see `decode_tokens`."""
    return vae.to_smiles(decode_tokens(vae, z, **how))


def decode_tokens(vae: LoadedModel, z: Tensor, *, condition: Tensor | None = None, **how: Any) -> Tensor:
    """Token ids of latents `(B, Z)` on the model's device; condition `(1, C)`, the others as in `Decoder.generate`."""
    given = vae.condition_rows(len(z), condition)
    return vae.model.decode(z, max_length=vae.max_length, condition=given, **how)


@torch.no_grad()
def anchors_of(vae: LoadedModel, smiles: Sequence[str], z: np.ndarray, *, condition: Tensor | None = None) -> Anchors:
    """The anchors, one per row, under which latents `(n, Z)` decode greedily to the given molecules.

    Args:
        vae: the model.
        smiles: molecules that the model can encode.
        z: their latents.
        condition: `(1, C)`.
    """
    batch = MolBatch.of_token_ids([m.canonical_ids for m in vae.tokenize(list(smiles))]).to(vae.device)
    given = vae.condition_rows(len(z), condition)
    return vae.model.decoder.anchor(torch.from_numpy(z).to(vae.device), batch.token_ids, condition=given)


class _TokenNoise:
    """The random numbers of draws of tokens, latent by latent, so that they do not depend on the size of batches.

    They are drawn on the CPU, where the numbers of two rows are those of one and then another.
    """

    def __init__(self, vae: LoadedModel, generator: torch.Generator) -> None:
        self.vae = vae
        seed = int(torch.randint(2**62, (1,), generator=generator, device=vae.device))
        self.generator = torch.Generator().manual_seed(seed)

    def take(self, n: int) -> Tensor:
        """The numbers of the next n latents, `(n, max_length)` on the model's device."""
        numbers = torch.rand(n, self.vae.max_length, generator=self.generator, dtype=torch.float64)
        return numbers.to(self.vae.device)


def check_decoding(temperature: float, top_p: float, batch_size: int) -> None:
    """Raise `ConfigError` for a temperature, a top-p or a batch size that is out of range."""
    checked(Temperature, temperature, "temperature")
    checked(TopP, top_p, "top_p")
    checked(BatchSize, batch_size, "batch_size")
