"""A prior over a continuous z: a normalizing flow."""

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from molvae.config import Depth, Size
from molvae.nn.latents.base import Latent
from molvae.nn.priors.base import ContinuousPrior, Prior
from molvae.nn.priors.settings import PriorSettings


class FlowPrior(ContinuousPrior):
    """A coupling flow (RealNVP, Dinh et al. 2017) from zuko; sampling and log-density are both fast.

    Args:
        latent_dim: size of z (Z).
        n_transforms: number of affine coupling layers, each with its own random split of the dimensions into halves.
        hidden_dims: sizes of the hidden layers of each coupling layer's network.
        condition_dim: size of the condition c (C); 0 for a prior without condition.
        seed: seed of the random splits.
    """

    def __init__(
        self,
        latent_dim: int,
        *,
        n_transforms: int = 8,
        hidden_dims: Sequence[int] = (256, 256),
        condition_dim: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(latent_dim)
        with torch.random.fork_rng(devices=[]):  # zuko draws the splits from the global generator
            torch.manual_seed(seed)
            self.flow = self.build_flow(
                features=latent_dim,
                context=condition_dim,
                transforms=n_transforms,
                passes=2,
                randperm=True,
                hidden_features=list(hidden_dims),
            )

    def build_flow(self, **how: Any) -> Any:
        """The flow, untrained."""
        from zuko.flows import MAF

        return MAF(**how)

    def log_prob(self, target: Tensor, *, condition: Tensor | None = None) -> Tensor:
        """Log density of z `(n, Z)`, nats, `(n,)`."""
        return self.flow(condition).log_prob(self.scaled(target)) - self.std.log().sum()

    def sample_target(
        self,
        n: int,
        *,
        condition: Tensor | None = None,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Sample z `(n, Z)`; the temperature scales the Gaussian noise that the flow transforms."""
        noise = torch.randn((n, self.latent_dim), generator=generator, device=self.mean.device) * temperature
        with torch.no_grad():
            return self.flow(condition).transform.inv(noise) * self.std + self.mean

    def extra_repr(self) -> str:
        """Settings for `repr`."""
        return f"latent_dim={self.latent_dim}"


class FlowPriorConfig(PriorSettings):
    """A coupling flow (RealNVP) over a continuous latent."""

    member: ClassVar[type[Prior]] = FlowPrior
    continuous_only: ClassVar[bool] = True

    kind: Literal["flow"] = "flow"
    n_transforms: Depth = 8
    hidden_dims: Annotated[tuple[Size, ...], Field(max_length=64)] = (256, 256)

    def build(self, latent: Latent, *, condition_dim: int = 0) -> FlowPrior:
        """Build the prior, with untrained weights."""
        return FlowPrior(latent.latent_dim, condition_dim=condition_dim, **self.arguments())
