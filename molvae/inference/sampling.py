"""Latents → molecules: draws from the prior, and the decode loop."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from molvae.config import BatchSize, Positive, Temperature, TopP, checked
from molvae.data.batches import MolBatch
from molvae.errors import ConfigError, InputError, MolvaeError
from molvae.inference.loaded import BATCH, LoadedModel
from molvae.nn.decoders.base import Anchors
from molvae.progress import SILENT, Progress

GUIDANCE = 1.5  # default for conditions, chosen by measurement
FEWEST = 64  # latents decoded at once, at least: as long as a batch of one takes
MIN_YIELD = 0.002  # sampling gives up when, after many draws, a smaller share of them was kept


@dataclass(frozen=True)
class Sampled:
    """Molecules drawn from the prior, and how many draws were left out.

    Attributes:
        smiles: canonical, exactly as many as were asked for.
        n_drawn: latents decoded in all.
        n_invalid: draws that decoded to no molecule.
        n_repeated: draws left out because they were drawn before (only when unique ones were asked for).
        n_known: draws left out because they are in the training set or in `novel_against`.
    """

    smiles: list[str]
    n_drawn: int
    n_invalid: int
    n_repeated: int
    n_known: int


def draw(
    vae: LoadedModel,
    n: int,
    *,
    temperature: float | None,
    top_p: float | None,
    greedy: bool,
    unique: bool,
    novel: bool,
    novel_against: frozenset[str] | set[str],
    condition: Mapping[str, float] | None,
    guidance: float,
    latent_temperature: float | None,
    prior: str | None,
    seed: int | None,
    batch_size: int,
    progress: Progress,
) -> Sampled:
    """Draw from the prior until there are `n` molecules; arguments as in `MoleculeGenerator.draw`."""
    temperature = vae.sampling.temperature if temperature is None else temperature
    top_p = vae.sampling.top_p if top_p is None else top_p
    check_decoding(temperature, top_p, batch_size)
    checked(Positive, n, "n")
    source = vae.prior(prior)
    if latent_temperature is None:
        latent_temperature = vae.sampling.latent_temperature if source is vae.priors.get("learned") else 1.0
    checked(Temperature, latent_temperature, "latent_temperature")
    trained_on: Container[str] = ()
    if novel:
        if vae.known is None:
            raise ConfigError("the checkpoint does not know its training set; name files to be novel against instead")
        trained_on = vae.known
    asked, generator = vae.condition(condition or {}, guidance=guidance), vae.generator(seed)
    noise = _TokenNoise(vae, generator)
    found: list[str] = []
    seen: set[str] = set()
    waiting = torch.empty(0, vae.latent_dim, device=vae.device)
    n_drawn = n_invalid = n_repeated = n_known = 0
    with progress.stage("Sampling", total=n) as stage:
        while len(found) < n:
            size = min(batch_size, max(FEWEST, 2 * (n - len(found))))
            while len(waiting) < size:
                z = vae.sample_z(
                    BATCH, prior=prior, condition=asked, temperature=latent_temperature, generator=generator
                )
                waiting = torch.cat([waiting, z])
            z, waiting = waiting[:size], waiting[size:]
            before = len(found)
            for smiles in decode_batch(
                vae,
                z,
                condition=asked,
                greedy=greedy,
                temperature=temperature,
                top_p=top_p,
                noise=None if greedy else noise.take(size),
            ):
                if len(found) == n:
                    break
                n_drawn += 1
                if n_drawn % BATCH == 0 and n_drawn >= 20 * BATCH and len(found) < MIN_YIELD * n_drawn:
                    raise MolvaeError(
                        f"only {len(found)} of {n} molecules after {n_drawn} draws ({n_invalid} invalid, "
                        f"{n_repeated} repeated, {n_known} known); is the model trained and not collapsed?"
                    )
                if not smiles:
                    n_invalid += 1
                elif unique and smiles in seen:
                    n_repeated += 1
                elif smiles in novel_against or smiles in trained_on:
                    n_known += 1
                else:
                    found.append(smiles)
                    seen.add(smiles)
            stage.advance(len(found) - before)
    return Sampled(found, n_drawn, n_invalid, n_repeated, n_known)


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


def decode_batch(
    vae: LoadedModel,
    z: Tensor,
    *,
    greedy: bool,
    temperature: float = 1.0,
    top_p: float = 1.0,
    condition: Tensor | None = None,
    anchors: Anchors | None = None,
    noise: Tensor | None = None,
) -> list[str]:
    """Canonical SMILES of latents `(B, Z)` on the model's device, "" where there is none; `noise` as in `generate`."""
    return vae.to_smiles(
        vae.model.decode(
            z,
            max_length=vae.max_length,
            condition=None if condition is None else condition.expand(len(z), -1),
            greedy=greedy,
            temperature=temperature,
            top_p=top_p,
            anchors=anchors,
            noise=noise,
        )
    )


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
    given = vae.model.embed_condition(len(z)) if condition is None else condition.expand(len(z), -1)
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
