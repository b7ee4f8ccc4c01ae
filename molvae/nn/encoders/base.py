"""What every encoder is."""

from typing import ClassVar

from torch import Tensor, nn

from molvae.config import Section
from molvae.data.batches import MolBatch


class Encoder(nn.Module):
    """Base of every encoder: a module from a batch to h `(B, H)`, which consists of `n_slots` equal parts.

    Attributes:
        h_dim: H.
        n_slots: parts of h, one after the other.
        max_tokens: the longest molecule whose parts all find a slot; `None` where h is of the whole molecule.
        reads_tokens: whether it matters to the encoder how a molecule is written.
        reads_graphs: whether batches must have graphs.
    """

    h_dim: int
    n_slots: int = 1
    max_tokens: int | None = None
    reads_tokens: ClassVar[bool] = False
    reads_graphs: ClassVar[bool] = False

    def forward(self, batch: MolBatch) -> Tensor:
        """Encode a batch: `(B, H)`."""
        raise NotImplementedError


class EncoderSettings(Section):
    """Base of every encoder's settings, which build it."""

    member: ClassVar[type[Encoder]]

    def build(self, vocabulary_size: int) -> Encoder:
        """The encoder, untrained."""
        raise NotImplementedError
