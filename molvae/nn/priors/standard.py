"""The priors that nothing is fitted for, and that no condition changes: N(0, I), and every VQ code alike."""

import math

import torch
from torch import Tensor, nn

from molvae.nn.priors.base import Codebooks, Prior


class StandardPrior(nn.Module):
    """The standard normal prior over z.

    >>> StandardPrior(2).log_prob(torch.zeros(1, 2))
    tensor([-1.8379])
    """

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.latent_dim = latent_dim

    def sample(
        self,
        n: int,
        *,
        condition: Tensor | None = None,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Draw `(n, Z)`; on the generator's device."""
        device = generator.device if generator is not None else None
        return torch.randn((n, self.latent_dim), generator=generator, device=device) * temperature

    def log_prob(self, target: Tensor, *, condition: Tensor | None = None) -> Tensor:
        """Log density of `(n, Z)`, nats, `(n,)`."""
        return -0.5 * (target.square().sum(-1) + self.latent_dim * math.log(2 * math.pi))

    def extra_repr(self) -> str:
        """Settings for `repr`."""
        return f"latent_dim={self.latent_dim}"


class UniformCodePrior:
    """Every code of every slot is as likely as the others.

    Args:
        codebooks: the VQ latent.
    """

    def __init__(self, codebooks: Codebooks) -> None:
        self.codebooks = codebooks

    def sample(
        self,
        n: int,
        *,
        condition: Tensor | None = None,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Draw `(n, Z)`; on the generator's device."""
        device = generator.device if generator is not None else None
        shape = (n, self.codebooks.n_slots)
        indices = torch.randint(self.codebooks.n_codes, shape, generator=generator, device=device)
        return self.codebooks.codes_to_z(indices)

    def log_prob(self, target: Tensor, *, condition: Tensor | None = None) -> Tensor:
        """Log probability of each row's codes, nats, `(n,)`: the same for all."""
        return torch.full((len(target),), -self.codebooks.n_slots * math.log(self.codebooks.n_codes))

    def __repr__(self) -> str:
        return f"UniformCodePrior({self.codebooks.n_slots} slots, {self.codebooks.n_codes} codes)"


def standard_prior(latent: nn.Module, latent_dim: int) -> Prior:
    """The prior that a latent is trained against: uniform over codes if it has codebooks, else N(0, I)."""
    return UniformCodePrior(latent) if isinstance(latent, Codebooks) else StandardPrior(latent_dim)
