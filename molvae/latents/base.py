"""What every latent gives."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class LatentOutput:
    """One batch's latents.

    Attributes:
        z: `(B, Z)` what the decoder gets: a posterior sample in training.
        mean: `(B, Z)` the deterministic code of each molecule.
        regularizer: scalar, nats a molecule: what the loss weighs by beta.
        diagnostics: named tensors that the collapse diagnostics read; `kl` is `(Z,)`, nats, batch mean.
    """

    z: Tensor
    mean: Tensor
    regularizer: Tensor
    diagnostics: Mapping[str, Tensor]
