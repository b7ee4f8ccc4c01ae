"""N(0, I)."""

import math

import torch
from torch import Tensor, nn


class StandardPrior(nn.Module):
    """The standard normal prior over z.

    >>> StandardPrior(2).log_prob(torch.zeros(1, 2))
    tensor([-1.8379])
    """

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.latent_dim = latent_dim

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        """Draw `(n, Z)`; on the generator's device."""
        device = generator.device if generator is not None else None
        return torch.randn((n, self.latent_dim), generator=generator, device=device)

    def log_prob(self, z: Tensor) -> Tensor:
        """Log density of `(n, Z)`, nats, `(n,)`."""
        return -0.5 * (z.square().sum(-1) + self.latent_dim * math.log(2 * math.pi))

    def extra_repr(self) -> str:
        """Settings for `repr`."""
        return f"latent_dim={self.latent_dim}"
