"""The members of each family of model parts. To add one, write its file with its settings and add a line here."""

from typing import Annotated

from pydantic import Field

from molvae.nn.critics.adversarial import AdversarialConfig
from molvae.nn.critics.total_correlation import TotalCorrelationConfig
from molvae.nn.critics.vae_gan import VAEGANConfig
from molvae.nn.decoders.gru import GRUDecoderConfig
from molvae.nn.decoders.transformer import TransformerDecoderConfig
from molvae.nn.encoders.fused import FusedEncoderConfig
from molvae.nn.encoders.gnn import GNNEncoderConfig
from molvae.nn.encoders.gru import GRUEncoderConfig
from molvae.nn.encoders.transformer import TransformerEncoderConfig
from molvae.nn.latents.autoencoder import AutoencoderLatentConfig
from molvae.nn.latents.categorical import CategoricalLatentConfig
from molvae.nn.latents.delta import DeltaLatentConfig
from molvae.nn.latents.fsq import FSQLatentConfig
from molvae.nn.latents.gaussian import GaussianLatentConfig
from molvae.nn.latents.grouped import GroupedLatentConfig
from molvae.nn.latents.hierarchical import HierarchicalLatentConfig
from molvae.nn.latents.mmd import MMDLatentConfig
from molvae.nn.latents.residual_vq import ResidualVQLatentConfig
from molvae.nn.latents.sphere import SphereLatentConfig
from molvae.nn.latents.tcvae import TCLatentConfig
from molvae.nn.latents.vq import VQLatentConfig
from molvae.nn.latents.vq_gradient import GradientVQLatentConfig
from molvae.nn.priors.autoregressive import AutoregressivePriorConfig
from molvae.nn.priors.exemplar import ExemplarPriorConfig
from molvae.nn.priors.flow import FlowPriorConfig
from molvae.nn.priors.flow_matching import FlowMatchingPriorConfig
from molvae.nn.priors.gmm import GaussianMixturePriorConfig
from molvae.nn.priors.masked import MaskedPriorConfig
from molvae.nn.priors.spline import SplinePriorConfig
from molvae.nn.priors.vamp import VampPriorConfig

EncoderConfig = Annotated[
    GRUEncoderConfig | GNNEncoderConfig | FusedEncoderConfig | TransformerEncoderConfig,
    Field(discriminator="kind"),
]
LatentConfig = Annotated[
    GaussianLatentConfig
    | VQLatentConfig
    | AutoencoderLatentConfig
    | TCLatentConfig
    | MMDLatentConfig
    | DeltaLatentConfig
    | GroupedLatentConfig
    | SphereLatentConfig
    | HierarchicalLatentConfig
    | CategoricalLatentConfig
    | GradientVQLatentConfig
    | ResidualVQLatentConfig
    | FSQLatentConfig,
    Field(discriminator="kind"),
]
DecoderConfig = Annotated[
    GRUDecoderConfig | TransformerDecoderConfig,
    Field(discriminator="kind"),
]
PriorConfig = Annotated[
    FlowPriorConfig
    | FlowMatchingPriorConfig
    | AutoregressivePriorConfig
    | SplinePriorConfig
    | GaussianMixturePriorConfig
    | ExemplarPriorConfig
    | VampPriorConfig
    | MaskedPriorConfig,
    Field(discriminator="kind"),
]
CriticConfig = Annotated[
    TotalCorrelationConfig | AdversarialConfig | VAEGANConfig,
    Field(discriminator="kind"),
]
