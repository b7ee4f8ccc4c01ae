"""The whole model, and the one place where parts are built from a configuration."""

from collections.abc import Sequence
from typing import Any, Protocol

from torch import Tensor, nn

from molvae.config import (
    AutoregressivePriorConfig,
    ConditionConfig,
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
from molvae.errors import ConfigError
from molvae.nn.condition import PropertyCondition
from molvae.nn.decoders.gru import GRUDecoder
from molvae.nn.encoders.gru import GRUEncoder
from molvae.nn.heads import PropertyHeads
from molvae.nn.latents.base import Latent, LatentOutput, LogPrior
from molvae.nn.latents.gaussian import GaussianLatent
from molvae.nn.priors.autoregressive import AutoregressiveCodePrior, AutoregressivePrior
from molvae.nn.priors.base import Codebooks, LearnedPrior


class Encoder(Protocol):
    """What every encoder is: a module from a batch to h `(B, H)`, which consists of `n_slots` equal parts."""

    h_dim: int
    n_slots: int

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

    def __init__(
        self,
        encoder: Encoder,
        latent: Latent,
        decoder: GRUDecoder,
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
        """Posterior of a batch; `log_prior` as in `Latent.forward`."""
        return self.latent(self.encoder(batch), log_prior=log_prior)

    @property
    def condition_dim(self) -> int:
        """Size of the condition that decoder and prior get; 0 for none."""
        return 0 if self.condition is None else self.condition.dim

    def given(self, n: int, properties: Tensor | None = None) -> Tensor | None:
        """The condition c `(n, C)` that decoder and prior get, `None` in a model without one.

        Args:
            n: molecules.
            properties: `(n, P)` of the heads' properties in their own units, nan where unknown; `None`: nothing known.
        """
        if self.condition is None:
            return None
        values = self.condition.nothing_known(n) if properties is None else properties[:, self._columns]
        return self.condition(values)

    def decode(self, z: Tensor, *, max_length: int, condition: Tensor | None = None, **how: Any) -> Tensor:
        """Generate token ids `(B, max_length)`; `how` as in `GRUDecoder.generate`. By default nothing is asked for."""
        if condition is None:
            condition = self.given(len(z))
        return self.decoder.generate(z, max_length=max_length, condition=condition, **how)


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

    Raises:
        ConfigError: for a condition on a property without a head.
    """
    encoder = build_encoder(config.encoder, vocabulary_size)
    latent = build_latent(config.latent, encoder.h_dim, h_slots=encoder.n_slots)
    condition_dim = 0 if config.condition is None else config.condition.dim
    decoder = build_decoder(config.decoder, vocabulary_size, latent.latent_dim, condition_dim=condition_dim)
    n = len(property_names)
    mean = [0.0] * n if property_mean is None else property_mean
    std = [1.0] * n if property_std is None else property_std
    heads = build_heads(config, latent, property_names, mean, std)
    return MolVAE(encoder, latent, decoder, heads, _build_condition(config.condition, property_names, mean, std))


def build_encoder(config: EncoderConfig, vocabulary_size: int) -> Encoder:
    """The encoder that `config.kind` names; torch-geometric is imported only for those that need it."""
    match config:
        case GRUEncoderConfig():
            return GRUEncoder(vocabulary_size, **_arguments(config))
        case GNNEncoderConfig():
            from molvae.nn.encoders.gnn import GNNEncoder

            return GNNEncoder(**_arguments(config))
        case FusedEncoderConfig():
            from molvae.nn.encoders.fused import FusedEncoder
            from molvae.nn.encoders.gnn import GNNEncoder

            sequence = GRUEncoder(vocabulary_size, **_arguments(config.sequence))
            return FusedEncoder(sequence, GNNEncoder(**_arguments(config.graph)))
    raise ConfigError(f"unknown encoder {config!r}")


def build_latent(config: LatentConfig, h_dim: int, *, h_slots: int = 1) -> Latent:
    """The latent that `config.kind` names; h consists of `h_slots` parts."""
    match config:
        case GaussianLatentConfig():
            return GaussianLatent(h_dim, n_slots=h_slots, **_arguments(config))
        case VQLatentConfig():
            from molvae.nn.latents.vq import VQLatent

            return VQLatent(h_dim, h_slots=h_slots, **_arguments(config))
    raise ConfigError(f"unknown latent {config!r}")


def build_decoder(
    config: GRUDecoderConfig, vocabulary_size: int, latent_dim: int, *, condition_dim: int = 0
) -> GRUDecoder:
    """The decoder that `config.kind` names."""
    match config:
        case GRUDecoderConfig():
            return GRUDecoder(vocabulary_size, latent_dim, condition_dim=condition_dim, **_arguments(config))
    raise ConfigError(f"unknown decoder {config!r}")


def build_prior(config: PriorConfig, latent: Latent, *, condition_dim: int = 0) -> LearnedPrior:
    """The learned prior that `config.kind` names, given a condition of that size.

    Raises:
        ConfigError: when prior and latent do not fit.
    """
    match config:
        case FlowPriorConfig():
            if isinstance(latent, Codebooks):
                raise ConfigError("a flow prior needs a continuous latent; for VQ codes choose kind: autoregressive")
            from molvae.nn.priors.flow import FlowPrior

            return FlowPrior(latent.latent_dim, condition_dim=condition_dim, **_arguments(config))
        case AutoregressivePriorConfig():
            if isinstance(latent, Codebooks):
                return AutoregressiveCodePrior(
                    latent, hidden_dim=config.hidden_dim, n_layers=config.n_layers, condition_dim=condition_dim
                )
            if latent.latent_dim % config.slot_dim:
                raise ConfigError(
                    f"slot_dim {config.slot_dim} does not divide the {latent.latent_dim} latent dimensions"
                )
            return AutoregressivePrior(latent.latent_dim, condition_dim=condition_dim, **_arguments(config))
    raise ConfigError(f"unknown prior {config!r}")


def _build_condition(
    config: ConditionConfig | None, names: Sequence[str], mean: Sequence[float], std: Sequence[float]
) -> PropertyCondition | None:
    if config is None:
        return None
    missing = [name for name in config.properties if name not in names]
    if missing:
        raise ConfigError(f"cannot condition on {', '.join(missing)}; the heads have: {', '.join(names) or 'nothing'}")
    columns = [list(names).index(name) for name in config.properties]
    return PropertyCondition(
        config.properties,
        mean=[mean[i] for i in columns],
        std=[std[i] for i in columns],
        dim=config.dim,
        dropout=config.dropout,
    )


def build_heads(
    config: ModelConfig, latent: Latent, names: Sequence[str], mean: Sequence[float], std: Sequence[float]
) -> PropertyHeads:
    """Heads from z to the named properties, which add up its slots where it has several."""
    if isinstance(latent, Codebooks) and latent.shared:
        codes: dict[str, Any] = {"codebook": latent.codebook, "n_codes": latent.n_codes, "n_slots": latent.n_slots}
    else:
        codes = {"n_slots": config.decoder.n_slots}
    return PropertyHeads(
        latent.latent_dim,
        names,
        mean=mean,
        std=std,
        hidden_dim=config.heads.hidden_dim,
        **codes,
    )


def reads_graphs(config: ModelConfig) -> bool:
    """Whether a model's batches must have graphs."""
    return config.encoder.kind in ("gnn", "fused")


def reads_sequences(config: ModelConfig) -> bool:
    """Whether it matters to a model's encoder how a molecule is spelled."""
    return config.encoder.kind in ("gru", "fused")


def _arguments(config: Section) -> dict[str, Any]:
    return config.model_dump(exclude={"kind"})
