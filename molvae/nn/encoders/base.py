"""The base class of encoders."""

from typing import ClassVar

from torch import Tensor, nn

from molvae.config import Section
from molvae.data.batches import MolBatch


class Encoder(nn.Module):
    """Base of all encoders: a module that maps a batch to h `(B, H)`, which consists of `n_slots` equal slots.

    Attributes:
        h_dim: size of h (H), all slots together.
        n_slots: number of slots of h; 1 if h represents the molecule as a whole.
        max_tokens: the most tokens per molecule that the slots can represent; `None` for no limit.
        reads_tokens: whether the encoder reads tokens, so that h depends on how a molecule is written.
        reads_graphs: whether the encoder reads graphs, which batches must then have.
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
    """Base of the settings of encoders, which build them."""

    member: ClassVar[type[Encoder]]

    def build(self, vocabulary_size: int) -> Encoder:
        """Build the encoder, with untrained weights."""
        raise NotImplementedError
