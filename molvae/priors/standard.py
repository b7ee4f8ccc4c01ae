"""The priors that nothing is fitted for: N(0, I), and every VQ code alike."""

import math
from typing import Any, Protocol

import torch
from torch import Tensor, nn


class Prior(Protocol):
    """What every prior is: a distribution over z `(Z,)`."""

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        """Draw `(n, Z)`."""
        ...


class Codebooks(Protocol):
    """What a prior over codes has to know of the latent."""

    n_slots: int
    n_codes: int

    def codes_to_z(self, indices: Tensor) -> Tensor:
        """Latents `(n, Z)` of code indices `(n, M)`."""
        ...


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


class UniformCodePrior:
    """Every code of every slot is as likely as the others.

    Args:
        codebooks: the VQ latent.
    """

    def __init__(self, codebooks: Codebooks) -> None:
        self.codebooks = codebooks

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        """Draw `(n, Z)`; on the generator's device."""
        device = generator.device if generator is not None else None
        shape = (n, self.codebooks.n_slots)
        indices = torch.randint(self.codebooks.n_codes, shape, generator=generator, device=device)
        return self.codebooks.codes_to_z(indices)

    def log_prob(self, z: Tensor) -> Tensor:
        """Log probability of each row's codes, nats, `(n,)`: the same for all."""
        return torch.full((len(z),), -self.codebooks.n_slots * math.log(self.codebooks.n_codes))

    def __repr__(self) -> str:
        return f"UniformCodePrior({self.codebooks.n_slots} slots, {self.codebooks.n_codes} codes)"


def standard_prior(latent: Any) -> "Prior":
    """The prior that a latent is trained against: uniform over codes if it has codebooks, else N(0, I)."""
    if hasattr(latent, "codes_to_z"):
        return UniformCodePrior(latent)
    return StandardPrior(latent.latent_dim)
