"""The settings of a whole model, and the function that builds it from them."""

from collections.abc import Sequence
from typing import Any

from pydantic import model_validator

from molvae.config import Section
from molvae.errors import ConfigError
from molvae.nn.condition import ConditionConfig, PropertyCondition
from molvae.nn.decoders.gru import GRUDecoderConfig
from molvae.nn.encoders.gru import GRUEncoderConfig
from molvae.nn.heads import HeadsConfig, PropertyHeads
from molvae.nn.latents.base import Latent
from molvae.nn.latents.gaussian import GaussianLatentConfig
from molvae.nn.registry import DecoderConfig, EncoderConfig, LatentConfig
from molvae.nn.vae import MolVAE


class ModelConfig(Section):
    """The settings of all parts of a model."""

    encoder: EncoderConfig = GRUEncoderConfig()
    latent: LatentConfig = GaussianLatentConfig()
    decoder: DecoderConfig = GRUDecoderConfig()
    heads: HeadsConfig = HeadsConfig()
    condition: ConditionConfig | None = None

    @model_validator(mode="before")
    @classmethod
    def _first_kind_by_default(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        first = {"encoder": "gru", "latent": "gaussian", "decoder": "gru"}
        given = {k: {"kind": kind} | values[k] for k, kind in first.items() if isinstance(values.get(k), dict)}
        return values | given

    @model_validator(mode="after")
    def _condition_has_heads(self) -> "ModelConfig":
        if self.condition is not None and self.heads.properties is not None:
            missing = [name for name in self.condition.properties if name not in self.heads.properties]
            if missing:
                raise ValueError(
                    f"condition.properties without a head: {', '.join(missing)}; add them to heads.properties"
                )
        return self

    @model_validator(mode="after")
    def _slots_fit(self) -> "ModelConfig":
        n_slots, latent = self.encoder.n_slots, self.latent
        if latent.code_slots and n_slots not in (1, latent.code_slots):
            raise ValueError(f"the encoder has {n_slots} slots, the latent {latent.code_slots}; give both the same")
        latent.check_slots(n_slots)
        for part, n in (("encoder", n_slots), ("decoder", self.decoder.n_slots)):
            if latent.z_dim % n:
                raise ValueError(f"the {part}'s {n} slots do not divide the {latent.z_dim} latent dimensions")
        return self


def build_model(
    config: ModelConfig,
    *,
    vocabulary_size: int,
    property_names: Sequence[str] = (),
    property_mean: Sequence[float] | None = None,
    property_std: Sequence[float] | None = None,
) -> MolVAE:
    """Build a model from its settings.

    Args:
        config: the settings of the parts.
        vocabulary_size: number of token ids, special tokens included.
        property_names: the properties that the heads predict.
        property_mean: mean of each property; may be left out if weights are loaded next, which include it.
        property_std: standard deviation of each property, likewise.

    Raises:
        ConfigError: for a condition on a property without a head.
    """
    encoder = config.encoder.build(vocabulary_size)
    latent = config.latent.build(encoder.h_dim, h_slots=encoder.n_slots)
    condition_dim = 0 if config.condition is None else config.condition.dim
    decoder = config.decoder.build(vocabulary_size, latent.latent_dim, condition_dim=condition_dim)
    n = len(property_names)
    mean = [0.0] * n if property_mean is None else property_mean
    std = [1.0] * n if property_std is None else property_std
    heads = build_heads(config, latent, property_names, mean, std)
    return MolVAE(encoder, latent, decoder, heads, _build_condition(config.condition, property_names, mean, std))


def build_heads(
    config: ModelConfig, latent: Latent, names: Sequence[str], mean: Sequence[float], std: Sequence[float]
) -> PropertyHeads:
    """Heads that predict the named properties from z; if z has several slots, their contributions are added up."""
    of_codes = latent.discrete and latent.shared
    return PropertyHeads(
        latent.latent_dim,
        names,
        mean=mean,
        std=std,
        hidden_dim=config.heads.hidden_dim,
        n_slots=latent.n_slots if of_codes else config.decoder.n_slots,
        codebook=latent.codebook if of_codes else None,
        n_codes=latent.n_codes,
        likelihood=config.heads.likelihood,
    )


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
