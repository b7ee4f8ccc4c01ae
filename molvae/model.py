"""The whole model, and the one place where parts are built from a configuration."""

from collections.abc import Sequence
from typing import Any, Protocol

from torch import Tensor, nn

from molvae.config import (
    AutoregressivePriorConfig,
    EncoderConfig,
    FlowPriorConfig,
    FusedEncoderConfig,
    GaussianLatentConfig,
    GNNEncoderConfig,
    GRUDecoderConfig,
    GRUEncoderConfig,
    LatentConfig,
    ModelConfig,
    PriorConfig,
    Section,
    VQLatentConfig,
)
from molvae.data.batches import MolBatch
from molvae.decoders.gru import GRUDecoder
from molvae.encoders.gru import GRUEncoder
from molvae.errors import ConfigError
from molvae.heads import PropertyHeads
from molvae.latents.base import Latent, LatentOutput
from molvae.latents.gaussian import GaussianLatent
from molvae.priors.autoregressive import AutoregressiveCodePrior, AutoregressivePrior
from molvae.priors.base import Codebooks, LearnedPrior


class Encoder(Protocol):
    """What every encoder is: a module from a batch to h `(B, H)`."""

    h_dim: int

    def __call__(self, batch: MolBatch) -> Tensor:
        """Encode a batch."""
        ...


class MolVAE(nn.Module):
    """Batch → encoder → h → latent → z → decoder → logits; z → heads → properties.

    >>> from molvae.data.batches import MolBatch
    >>> model = MolVAE(
    ...     GRUEncoder(20, token_dim=8, hidden_dim=8),
    ...     GaussianLatent(16, latent_dim=4),
    ...     GRUDecoder(20, 4, token_dim=8, hidden_dim=8),
    ...     PropertyHeads(4, ["logp"], mean=[2.0], std=[1.0]),
    ... )
    >>> model.encode(MolBatch.of_token_ids([[4, 5], [6]])).z.shape
    torch.Size([2, 4])
    """

    def __init__(self, encoder: Encoder, latent: Latent, decoder: GRUDecoder, heads: PropertyHeads) -> None:
        super().__init__()
        self.encoder = encoder
        self.latent = latent
        self.decoder = decoder
        self.heads = heads

    def encode(self, batch: MolBatch) -> LatentOutput:
        """Posterior of a batch."""
        return self.latent(self.encoder(batch))

    def decode(self, z: Tensor, *, max_length: int, **how: Any) -> Tensor:
        """Generate token ids `(B, max_length)`; `how` as in `GRUDecoder.generate`."""
        return self.decoder.generate(z, max_length=max_length, **how)


def build_model(
    config: ModelConfig,
    *,
    vocabulary_size: int,
    property_names: Sequence[str] = (),
    property_mean: Sequence[float] | None = None,
    property_std: Sequence[float] | None = None,
) -> MolVAE:
    """Build every part from its configuration.

    Args:
        config: the parts.
        vocabulary_size: token ids, specials counted.
        property_names: properties of the heads.
        property_mean: of each property; zeros when the weights, which hold them, are loaded next.
        property_std: of each property.
    """
    encoder = build_encoder(config.encoder, vocabulary_size)
    latent = build_latent(config.latent, encoder.h_dim)
    decoder = build_decoder(config.decoder, vocabulary_size, latent.latent_dim)
    n = len(property_names)
    heads = PropertyHeads(
        latent.latent_dim,
        property_names,
        mean=[0.0] * n if property_mean is None else property_mean,
        std=[1.0] * n if property_std is None else property_std,
        hidden_dim=config.heads.hidden_dim,
    )
    return MolVAE(encoder, latent, decoder, heads)


def build_encoder(config: EncoderConfig, vocabulary_size: int) -> Encoder:
    """The encoder that `config.kind` names; torch-geometric is imported only for those that need it."""
    match config:
        case GRUEncoderConfig():
            return GRUEncoder(vocabulary_size, **_arguments(config))
        case GNNEncoderConfig():
            from molvae.encoders.gnn import GNNEncoder

            return GNNEncoder(**_arguments(config))
        case FusedEncoderConfig():
            from molvae.encoders.fused import FusedEncoder
            from molvae.encoders.gnn import GNNEncoder

            sequence = GRUEncoder(vocabulary_size, **_arguments(config.sequence))
            return FusedEncoder(sequence, GNNEncoder(**_arguments(config.graph)))
    raise ConfigError(f"unknown encoder {config!r}")


def build_latent(config: LatentConfig, h_dim: int) -> Latent:
    """The latent that `config.kind` names."""
    match config:
        case GaussianLatentConfig():
            return GaussianLatent(h_dim, **_arguments(config))
        case VQLatentConfig():
            from molvae.latents.vq import VQLatent

            return VQLatent(h_dim, **_arguments(config))
    raise ConfigError(f"unknown latent {config!r}")


def build_decoder(config: GRUDecoderConfig, vocabulary_size: int, latent_dim: int) -> GRUDecoder:
    """The decoder that `config.kind` names."""
    match config:
        case GRUDecoderConfig():
            return GRUDecoder(vocabulary_size, latent_dim, **_arguments(config))
    raise ConfigError(f"unknown decoder {config!r}")


def build_prior(config: PriorConfig, latent: Latent) -> LearnedPrior:
    """The learned prior that `config.kind` names.

    Raises:
        ConfigError: when prior and latent do not fit.
    """
    match config:
        case FlowPriorConfig():
            if isinstance(latent, Codebooks):
                raise ConfigError("a flow prior needs a continuous latent; for VQ codes choose kind: autoregressive")
            from molvae.priors.flow import FlowPrior

            return FlowPrior(latent.latent_dim, **_arguments(config))
        case AutoregressivePriorConfig():
            if isinstance(latent, Codebooks):
                return AutoregressiveCodePrior(latent, hidden_dim=config.hidden_dim, n_layers=config.n_layers)
            if latent.latent_dim % config.slot_dim:
                raise ConfigError(
                    f"slot_dim {config.slot_dim} does not divide the {latent.latent_dim} latent dimensions"
                )
            return AutoregressivePrior(latent.latent_dim, **_arguments(config))
    raise ConfigError(f"unknown prior {config!r}")


def reads_graphs(config: ModelConfig) -> bool:
    """Whether a model's batches must have graphs."""
    return config.encoder.kind in ("gnn", "fused")


def _arguments(config: Section) -> dict[str, Any]:
    return config.model_dump(exclude={"kind"})
