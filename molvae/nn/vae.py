"""The variational autoencoder, made of its parts."""

from typing import Any

from torch import Tensor, nn

from molvae.data.batches import MolBatch
from molvae.nn.condition import PropertyCondition
from molvae.nn.decoders.base import Decoder
from molvae.nn.encoders.base import Encoder
from molvae.nn.heads import PropertyHeads
from molvae.nn.latents.base import Latent, LatentOutput, LogPrior


class MolVAE(nn.Module):
    """A VAE (Kingma and Welling 2014): batch → encoder → h → latent → z → decoder → logits; z → heads → properties.

    >>> from molvae.data.batches import MolBatch
    >>> from molvae.nn.decoders.gru import GRUDecoder
    >>> from molvae.nn.encoders.gru import GRUEncoder
    >>> from molvae.nn.latents.gaussian import GaussianLatent
    >>> model = MolVAE(
    ...     GRUEncoder(20, token_dim=8, hidden_dim=8),
    ...     GaussianLatent(16, latent_dim=4),
    ...     GRUDecoder(20, 4, token_dim=8, hidden_dim=8),
    ...     PropertyHeads(4, ["logp"], mean=[2.0], std=[1.0]),
    ... )
    >>> model.encode(MolBatch.of_token_ids([[4, 5], [6]])).z.shape
    torch.Size([2, 4])
    """

    def __init__(
        self,
        encoder: Encoder,
        latent: Latent,
        decoder: Decoder,
        heads: PropertyHeads,
        condition: PropertyCondition | None = None,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.latent = latent
        self.decoder = decoder
        self.heads = heads
        self.condition = condition
        self._columns = [] if condition is None else [heads.names.index(name) for name in condition.names]

    def encode(self, batch: MolBatch, *, log_prior: LogPrior | None = None) -> LatentOutput:
        """Encode a batch to its latents; `log_prior` is described in `Latent.forward`."""
        return self.latent(self.encoder(batch), log_prior=log_prior)

    @property
    def condition_dim(self) -> int:
        """The size of the condition c of decoder and prior; 0 if the model has none."""
        return 0 if self.condition is None else self.condition.dim

    def embed_condition(self, n: int, properties: Tensor | None = None) -> Tensor | None:
        """The condition c `(n, C)` of decoder and prior; `None` if the model has none.

        Args:
            n: number of molecules.
            properties: `(n, P)`, the properties of the heads in their own units, nan where unknown; `None` if all are
                unknown.
        """
        if self.condition is None:
            return None
        values = self.condition.nothing_known(n) if properties is None else properties[:, self._columns]
        return self.condition(values)

    def decode(self, z: Tensor, *, max_length: int, condition: Tensor | None = None, **how: Any) -> Tensor:
        """Generate token ids `(B, max_length)`; see `Decoder.generate`. By default, the condition gives no property."""
        if condition is None:
            condition = self.embed_condition(len(z))
        return self.decoder.generate(z, max_length=max_length, condition=condition, **how)
