"""The members of each family of model parts. To add one, write its file with its settings and add a line here."""

from typing import Annotated

from pydantic import Field

from molvae.nn.decoders.gru import GRUDecoderConfig
from molvae.nn.encoders.fused import FusedEncoderConfig
from molvae.nn.encoders.gnn import GNNEncoderConfig
from molvae.nn.encoders.gru import GRUEncoderConfig
from molvae.nn.latents.autoencoder import AutoencoderLatentConfig
from molvae.nn.latents.categorical import CategoricalLatentConfig
from molvae.nn.latents.delta import DeltaLatentConfig
from molvae.nn.latents.fsq import FSQLatentConfig
from molvae.nn.latents.gaussian import GaussianLatentConfig
from molvae.nn.latents.hierarchical import HierarchicalLatentConfig
from molvae.nn.latents.mmd import MMDLatentConfig
from molvae.nn.latents.residual_vq import ResidualVQLatentConfig
from molvae.nn.latents.sphere import SphereLatentConfig
from molvae.nn.latents.tcvae import TCLatentConfig
from molvae.nn.latents.vq import VQLatentConfig
from molvae.nn.latents.vq_gradient import GradientVQLatentConfig
from molvae.nn.priors.autoregressive import AutoregressivePriorConfig
from molvae.nn.priors.flow import FlowPriorConfig
from molvae.nn.priors.flow_matching import FlowMatchingPriorConfig

EncoderConfig = Annotated[
    GRUEncoderConfig | GNNEncoderConfig | FusedEncoderConfig,
    Field(discriminator="kind"),
]
LatentConfig = Annotated[
    GaussianLatentConfig
    | VQLatentConfig
    | AutoencoderLatentConfig
    | TCLatentConfig
    | MMDLatentConfig
    | DeltaLatentConfig
    | SphereLatentConfig
    | HierarchicalLatentConfig
    | CategoricalLatentConfig
    | GradientVQLatentConfig
    | ResidualVQLatentConfig
    | FSQLatentConfig,
    Field(discriminator="kind"),
]
DecoderConfig = GRUDecoderConfig  # to become a discriminated union on `kind` when a second decoder is added
PriorConfig = Annotated[
    FlowPriorConfig | FlowMatchingPriorConfig | AutoregressivePriorConfig,
    Field(discriminator="kind"),
]
