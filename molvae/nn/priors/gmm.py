"""Mixtures of diagonal Gaussians over a continuous z: their Gaussians are learned."""

from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from molvae.config import Size
from molvae.nn.draws import draw_index
from molvae.nn.latents.base import Latent
from molvae.nn.priors.base import HALF_LOG_2PI, ContinuousPrior, Prior
from molvae.nn.priors.settings import PriorSettings

MIN_LOGVAR, MAX_LOGVAR = -10.0, 4.0


class MixturePrior(ContinuousPrior):
    """p(z) = Σ_k w_k N(z; m_k, diag(s_k²)); a subclass defines `components`, the weights are learned.

    Args:
        latent_dim: size of z (Z).
        n_components: number of Gaussians (K).
        condition_dim: size of the condition c (C), which then determines the weights; 0 for none.
    """

    def __init__(self, latent_dim: int, n_components: int, *, condition_dim: int = 0) -> None:
        super().__init__(latent_dim)
        self.weights = nn.Parameter(torch.zeros(n_components))
        self.from_condition = nn.Linear(condition_dim, n_components) if condition_dim else None

    def components(self) -> tuple[Tensor, Tensor]:
        """Means and log-variances of the Gaussians, both `(K, Z)` or what broadcasts to it."""
        raise NotImplementedError

    def log_prob(self, target: Tensor, *, condition: Tensor | None = None) -> Tensor:
        """Log density of z `(n, Z)`, nats, `(n,)`."""
        with torch.autocast(target.device.type, enabled=False):  # the expanded square loses too much in bfloat16
            z = self.scaled(target.float())
            means, logvars = self.components()
            precision = torch.exp(-logvars).expand_as(means)
            constant = -0.5 * (logvars.expand_as(means) + means.square() * precision).sum(1) - z.shape[1] * HALF_LOG_2PI
            each = constant - 0.5 * z.square() @ precision.T + z @ (means * precision).T
            return torch.logsumexp(self._log_weights(condition) + each, dim=1) - self.std.log().sum()

    @torch.no_grad()
    def sample_target(
        self,
        n: int,
        *,
        condition: Tensor | None = None,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Sample z `(n, Z)`; the temperature sharpens the weights and scales the noise."""
        means, logvars = self.components()
        weights = (self._log_weights(condition) / temperature).softmax(1).expand(n, -1)
        pick = draw_index(weights, generator)
        noise = torch.randn((n, self.latent_dim), generator=generator, device=self.mean.device)
        scales = torch.exp(0.5 * logvars).expand_as(means)
        return (means[pick] + temperature * noise * scales[pick]) * self.std + self.mean

    def _log_weights(self, condition: Tensor | None) -> Tensor:
        """`(n, K)` or `(1, K)`."""
        logits = self.weights.unsqueeze(0)
        if self.from_condition is not None and condition is not None:
            logits = logits + self.from_condition(condition.float())
        return logits.log_softmax(1)

    def extra_repr(self) -> str:
        """Settings for `repr`."""
        return f"latent_dim={self.latent_dim}, n_components={len(self.weights)}"


class GaussianMixturePrior(MixturePrior):
    """A mixture of learned diagonal Gaussians, which start at latents of the training set.

    Args:
        latent_dim: size of z (Z).
        n_components: number of Gaussians (K).
        condition_dim: size of the condition c (C), which then determines the weights; 0 for none.
    """

    def __init__(self, latent_dim: int, *, n_components: int = 256, condition_dim: int = 0) -> None:
        super().__init__(latent_dim, n_components, condition_dim=condition_dim)
        self.means = nn.Parameter(torch.randn(n_components, latent_dim))
        self.logvars = nn.Parameter(torch.zeros(n_components, latent_dim))

    def components(self) -> tuple[Tensor, Tensor]:
        """Means and log-variances of the Gaussians, both `(K, Z)`."""
        return self.means, self.logvars.clamp(MIN_LOGVAR, MAX_LOGVAR)

    @torch.no_grad()
    def fit_scale(self, target: Tensor) -> None:
        """Take mean and standard deviation of z `(n, Z)`, and start the Gaussians at some of its rows."""
        super().fit_scale(target)
        picks = torch.randint(len(target), (len(self.means),), generator=torch.Generator().manual_seed(0))
        self.means.copy_(self.scaled(target)[picks.to(target.device)])


class GaussianMixturePriorConfig(PriorSettings):
    """A mixture of diagonal Gaussians over a continuous latent."""

    member: ClassVar[type[Prior]] = GaussianMixturePrior
    continuous_only: ClassVar[bool] = True

    kind: Literal["gmm"] = "gmm"
    n_components: Size = 256

    def build(self, latent: Latent, *, condition_dim: int = 0) -> GaussianMixturePrior:
        """Build the prior, with untrained weights."""
        return GaussianMixturePrior(latent.latent_dim, condition_dim=condition_dim, **self.arguments())
