"""A prior over a continuous z: a neural spline flow (Durkan et al. 2019)."""

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from molvae.config import Depth, Size
from molvae.nn.latents.base import Latent
from molvae.nn.priors.base import Prior
from molvae.nn.priors.flow import FlowPrior
from molvae.nn.priors.settings import PriorSettings


class SplinePrior(FlowPrior):
    """A coupling flow from zuko whose layers are monotonic rational-quadratic splines (Durkan et al. 2019).

    A spline with `bins` pieces on [−5, 5] bends each standardized dimension, where an affine coupling only shifts and
    scales it; outside it is the identity.

    Args:
        latent_dim: size of z (Z).
        bins: number of pieces of a spline.
        n_transforms: see `FlowPrior`.
        hidden_dims: see `FlowPrior`.
        condition_dim: size of the condition c (C); 0 for a prior without condition.
        seed: seed of the random splits.
    """

    def __init__(
        self,
        latent_dim: int,
        *,
        bins: int = 8,
        n_transforms: int = 4,
        hidden_dims: Sequence[int] = (256, 256),
        condition_dim: int = 0,
        seed: int = 0,
    ) -> None:
        self.bins = bins
        super().__init__(
            latent_dim, n_transforms=n_transforms, hidden_dims=hidden_dims, condition_dim=condition_dim, seed=seed
        )

    def build_flow(self, **how: Any) -> Any:
        """The flow, untrained."""
        from zuko.flows import NSF

        return NSF(bins=self.bins, **how)


class SplinePriorConfig(PriorSettings):
    """A neural spline flow over a continuous latent."""

    member: ClassVar[type[Prior]] = SplinePrior
    continuous_only: ClassVar[bool] = True

    kind: Literal["spline"] = "spline"
    bins: Annotated[int, Field(ge=2, le=256)] = 8
    """Number of pieces of a spline."""
    n_transforms: Depth = 4
    hidden_dims: Annotated[tuple[Size, ...], Field(max_length=64)] = (256, 256)

    def build(self, latent: Latent, *, condition_dim: int = 0) -> SplinePrior:
        """Build the prior, with untrained weights."""
        return SplinePrior(latent.latent_dim, condition_dim=condition_dim, **self.arguments())
