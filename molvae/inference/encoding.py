"""Molecules → latents, and back again."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from molvae.chem.inputs import as_molecules
from molvae.chem.similarity import tanimoto
from molvae.data.chunks import batched
from molvae.inference.loaded import BATCH, LoadedModel, check_finite
from molvae.inference.sampling import decode
from molvae.progress import SILENT, Progress

if TYPE_CHECKING:
    import pandas as pd

CHUNK = 8192  # molecules held as tokens at a time, which bounds the memory
NOT_DECODED = "not_decoded"
"""The reason given for a molecule that was encoded, but whose latent decodes to no molecule."""
LONGER_THAN_WRITTEN = "longer_than_written"
"""The reason of a row that was encoded and has more tokens than the decoder ever writes."""
ENCODED = ("", NOT_DECODED, LONGER_THAN_WRITTEN)
"""Reasons in a reconstruction of rows that were encoded."""


@dataclass(frozen=True)
class EncodedMolecules:
    """Latents of molecules, in the order of the input.

    Attributes:
        z: `(n, Z)` float32 posterior means, nan rows where a molecule cannot be used.
        valid: `(n,)` bool.
        smiles: the standardized canonical SMILES that was encoded, `None` where there is none.
        reasons: why a row cannot be used, `None` where it can.
        lost: what the standard form drops from each molecule: "stereo", "isotopes", both or neither.
        n_tokens: tokens of each molecule in the model's vocabulary, 0 where it cannot be used.
    """

    z: np.ndarray
    valid: np.ndarray
    smiles: list[str | None]
    reasons: list[str | None]
    lost: list[tuple[str, ...]]
    n_tokens: list[int]


def encode_rows(
    vae: LoadedModel, molecules: Any, *, batch_size: int = BATCH, progress: Progress = SILENT
) -> EncodedMolecules:
    """Encode molecules, with a reason for each that cannot be used; arguments as in `MoleculeGenerator.encode_rows`."""
    smiles = as_molecules(molecules)
    latents, standard, reasons, lost = [np.empty((0, vae.latent_dim), np.float32)], [], [], []
    n_tokens: list[int] = []
    with progress.stage("Encoding", total=len(smiles)) as stage:
        for chunk in batched(smiles, CHUNK):
            tokenized = vae.tokenize(chunk)
            standard += [m.smiles for m in tokenized]
            reasons += [m.reason for m in tokenized]
            lost += [m.lost for m in tokenized]
            n_tokens += [len(m.canonical_ids) for m in tokenized]
            latents.append(
                vae.per_molecule(
                    tokenized,
                    lambda batch: vae.model.encode(batch).mean,
                    vae.latent_dim,
                    batch_size=batch_size,
                    advance=stage.advance,
                )
            )
    z, valid = np.concatenate(latents), np.array([r is None for r in reasons], dtype=bool)
    check_finite(z[valid])
    return EncodedMolecules(z, valid, standard, reasons, lost, n_tokens)


def reconstruct(
    vae: LoadedModel, molecules: Any, *, batch_size: int = BATCH, progress: Progress = SILENT
) -> "pd.DataFrame":
    """Encode molecules and decode their posterior means greedily; see `MoleculeGenerator.reconstruct`."""
    import pandas as pd

    smiles = as_molecules(molecules)
    encoded = encode_rows(vae, smiles, batch_size=batch_size, progress=progress)
    decoded = decode(vae, encoded.z, batch_size=batch_size, progress=progress)
    rows = list(zip(encoded.smiles, decoded, encoded.reasons, encoded.lost, strict=True))
    return pd.DataFrame(
        {
            "smiles": [s or "" for s in smiles],
            "standardized": [s or "" for s in encoded.smiles],
            "reconstruction": decoded,
            "exact": [bool(a) and a == b and not lost for a, b, _, lost in rows],
            "tanimoto": [tanimoto(a, b) if a and b else np.nan for a, b, _, _ in rows],
            "lost": [" ".join(lost) for *_, lost in rows],
            "reason": [
                why or (LONGER_THAN_WRITTEN if n >= vae.max_length else "" if b else NOT_DECODED)
                for (_, b, why, _), n in zip(rows, encoded.n_tokens, strict=True)
            ],
        }
    )
