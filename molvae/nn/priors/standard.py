"""Priors without parameters, which ignore the condition: N(0, I), and a uniform distribution over VQ codes."""

import math

import torch
from torch import Tensor

from molvae.nn.priors.base import Prior, standard_normal_log_prob


class StandardPrior(Prior):
    """The standard normal prior over z (Kingma and Welling 2014).

    >>> StandardPrior(2).log_prob(torch.zeros(1, 2))
    tensor([-1.8379])
    """

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.latent_dim = latent_dim

    def sample_target(
        self,
        n: int,
        *,
        condition: Tensor | None = None,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Sample z `(n, Z)` on the generator's device."""
        return torch.randn((n, self.latent_dim), generator=generator, device=_device(generator)) * temperature

    def log_prob(self, target: Tensor, *, condition: Tensor | None = None) -> Tensor:
        """Log density of z `(n, Z)`, nats, `(n,)`."""
        return standard_normal_log_prob(target)

    def extra_repr(self) -> str:
        """Settings for `repr`."""
        return f"latent_dim={self.latent_dim}"


class UniformCodePrior(Prior):
    """A uniform prior over the codes of every slot (van den Oord et al. 2017).

    Args:
        n_slots: number of codes per molecule (M).
        n_codes: number of codes to choose from (K).

    >>> UniformCodePrior(2, 4).log_prob(torch.zeros(1, 2, dtype=torch.int64))
    tensor([-2.7726])
    """

    def __init__(self, n_slots: int, n_codes: int) -> None:
        super().__init__()
        self.n_slots = n_slots
        self.n_codes = n_codes

    def sample_target(
        self,
        n: int,
        *,
        condition: Tensor | None = None,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Sample code indices `(n, M)` on the generator's device."""
        return torch.randint(self.n_codes, (n, self.n_slots), generator=generator, device=_device(generator))

    def complete_target(
        self,
        begin: Tensor,
        *,
        condition: Tensor | None = None,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Sample code indices `(n, M)` that begin with `(n, k)` given ones."""
        target = self.sample_target(len(begin), generator=generator).to(begin.device)
        return torch.cat([begin, target[:, begin.shape[1] :]], dim=1)

    def begin_log_prob(self, begin: Tensor, *, condition: Tensor | None = None) -> Tensor:
        """Log-probability of the first codes `(n, k)`, nats, `(n,)`."""
        return torch.full((len(begin),), -begin.shape[1] * math.log(self.n_codes), device=begin.device)

    def log_prob(self, target: Tensor, *, condition: Tensor | None = None) -> Tensor:
        """Log-probability of the codes of each row, nats, `(n,)`; the same for all rows."""
        return torch.full((len(target),), -self.n_slots * math.log(self.n_codes), device=target.device)

    def extra_repr(self) -> str:
        """Settings for `repr`."""
        return f"n_slots={self.n_slots}, n_codes={self.n_codes}"


def _device(generator: torch.Generator | None) -> torch.device | None:
    return None if generator is None else generator.device
