"""A normalizing flow over a continuous z."""

from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from torch import Tensor

from molvae.config import Positive
from molvae.nn.latents.base import Latent, LatentSettings
from molvae.nn.priors.base import ContinuousPrior, Prior
from molvae.nn.priors.settings import PriorSettings


class FlowPrior(ContinuousPrior):
    """Coupling flow (RealNVP, Dinh et al. 2017) from zuko: drawing and judging take one pass a transform.

    Args:
        latent_dim: Z.
        n_transforms: affine coupling layers, each over its own random halves.
        hidden_dims: of the network in each layer.
        condition_dim: C; 0 for a prior without condition.
        seed: of the random halves.
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
        import zuko

        super().__init__(latent_dim)
        with torch.random.fork_rng(devices=[]):  # zuko draws the halves from the global generator
            torch.manual_seed(seed)
            self.flow = zuko.flows.MAF(
                features=latent_dim,
                context=condition_dim,
                transforms=n_transforms,
                passes=2,
                randperm=True,
                hidden_features=list(hidden_dims),
            )

    def log_prob(self, target: Tensor, *, condition: Tensor | None = None) -> Tensor:
        """Log density of `(n, Z)`, nats, `(n,)`."""
        return self.flow(condition).log_prob(self.scaled(target)) - self.std.log().sum()

    def sample_target(
        self,
        n: int,
        *,
        condition: Tensor | None = None,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Draw `(n, Z)`."""
        noise = torch.randn((n, self.latent_dim), generator=generator, device=self.mean.device) * temperature
        with torch.no_grad():
            return self.flow(condition).transform.inv(noise) * self.std + self.mean

    def extra_repr(self) -> str:
        """Settings for `repr`."""
        return f"latent_dim={self.latent_dim}"


class FlowPriorConfig(PriorSettings):
    """Coupling flow over a continuous latent."""

    member: ClassVar[type[Prior]] = FlowPrior

    kind: Literal["flow"] = "flow"
    n_transforms: Positive = 8
    hidden_dims: tuple[Positive, ...] = (256, 256)

    def check(self, latent: LatentSettings) -> None:
        """A flow has no codes."""
        if latent.member.discrete:
            raise ValueError("a flow prior needs a continuous latent; for VQ codes choose kind: autoregressive")

    def build(self, latent: Latent, *, condition_dim: int = 0) -> FlowPrior:
        """The prior, unfitted."""
        return FlowPrior(latent.latent_dim, condition_dim=condition_dim, **self.arguments())
