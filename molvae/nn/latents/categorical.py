"""Categorical latents, trained by Gumbel-softmax (Jang et al. 2017; Maddison et al. 2017) or REINFORCE."""

import math
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from molvae.config import Size, Temperature
from molvae.nn.draws import draw_index
from molvae.nn.latents.base import ACTIVE_NATS, Latent, LatentOutput, LatentSettings, LatentSummary, LogPrior
from molvae.nn.latents.codes import CodeLatent
from molvae.nn.slots import SlotLinear


class CategoricalLatent(CodeLatent):
    """M categorical variables with K values each, q(c_m|x) = softmax(logits_m); z joins the embeddings of the values.

    The KL to the uniform prior is exact: Σ_m Σ_k q log q + log K. For the reconstruction, either

    - "gumbel": y = softmax((logits + g) / τ), g ~ Gumbel(0, 1), relaxes a draw, which gradients pass through; with
      `straight_through`, the decoder gets the value argmax(y), and the gradient is that of y. τ falls from
      `temperature` to `final_temperature` over training, exponentially.
    - "reinforce": ∇ E_q[R] = E_q[(R − b) ∇ log q(c|x)], without bias, with the mean of the other molecules of
      the batch as baseline b (Williams 1992).

    Args:
        h_dim: size of h.
        n_slots: number of variables (M).
        n_codes: number of values of each (K).
        code_dim: size of a value's embedding (S); Z = M · code_dim.
        estimator: of the gradient.
        straight_through: whether the decoder gets discrete values in training.
        temperature: τ at the start of training.
        final_temperature: τ at its end.
        h_slots: number of slots of h: 1 or n_slots.
    """

    def __init__(
        self,
        h_dim: int,
        *,
        n_slots: int = 16,
        n_codes: int = 32,
        code_dim: int = 8,
        estimator: Literal["gumbel", "reinforce"] = "gumbel",
        straight_through: bool = True,
        temperature: float = 1.0,
        final_temperature: float = 0.3,
        h_slots: int = 1,
    ) -> None:
        super().__init__()
        self.n_slots, self.n_codes = n_slots, n_codes
        self.estimator, self.straight_through = estimator, straight_through
        self.temperatures = (temperature, final_temperature)
        self.tau = temperature
        self.latent_dim = n_slots * code_dim
        self.to_logits = SlotLinear(h_dim, n_slots * n_codes, n_slots=h_slots)
        self.codes = nn.Parameter(torch.randn(n_slots, n_codes, code_dim))

    def anneal(self, progress: float) -> None:
        """Lower τ from `temperature` to `final_temperature`, exponentially in the share of training."""
        first, last = self.temperatures
        self.tau = first * (last / first) ** progress

    def forward(
        self, h: Tensor, *, log_prior: LogPrior | None = None, generator: torch.Generator | None = None
    ) -> LatentOutput:
        """Compute the latents of a batch: draws in training, the most probable values in eval mode."""
        parameters = self.posterior(h)
        log_q = self._log_q(parameters)
        kl = (log_q.exp() * log_q).sum((1, 2)).mean() + self.n_slots * math.log(self.n_codes)
        likeliest = log_q.argmax(-1)
        mean, z, log_drawn = self.codes_to_z(likeliest), None, None
        if not self.training:
            z = mean
        elif self.estimator == "gumbel":
            z = torch.einsum("bmk,mks->bms", self._relaxed(log_q, generator), self.codes).flatten(1)
        else:
            drawn = self.sample_posterior(parameters, generator=generator)
            z, log_drawn = self.codes_to_z(drawn), self.log_posterior(parameters, drawn)
        diagnostics = {
            "kl": kl.detach(),
            "perplexity": self.entropy(parameters).detach().mean().div(self.n_slots).exp(),
        }
        if self.estimator == "gumbel":
            diagnostics["tau"] = torch.tensor(self.tau)
        return LatentOutput(z, mean, kl, kl.new_zeros(()), diagnostics, log_drawn)

    def codes_to_z(self, indices: Tensor) -> Tensor:
        """The latent z `(B, Z)` of code indices `(B, M)`."""
        return self.codes[torch.arange(self.n_slots, device=indices.device), indices].flatten(1)

    def posterior(self, h: Tensor) -> Tensor:
        """Logits of all values of all variables, `(B, M · K)`."""
        return self.to_logits(h).float()

    def likeliest(self, h: Tensor) -> Tensor:
        """The most probable code indices `(B, M)`."""
        return self._log_q(self.posterior(h)).argmax(-1)

    def sample_posterior(
        self, parameters: Tensor, *, generator: torch.Generator | None = None, same_noise: bool = False
    ) -> Tensor:
        """Sample code indices `(B, M)` from each posterior; see `Latent.sample_posterior`."""
        weights = self._log_q(parameters).exp()
        device = parameters.device if generator is None else generator.device
        shape = (1 if same_noise else len(parameters), self.n_slots)
        places = torch.rand(shape, generator=generator, dtype=torch.float64, device=device).to(parameters.device)
        chosen = draw_index(weights.detach().flatten(0, 1), places=places.expand(len(parameters), -1).flatten())
        return chosen.view(-1, self.n_slots)

    def entropy(self, parameters: Tensor) -> Tensor:
        """Entropy of each posterior, nats, `(B,)`."""
        log_q = self._log_q(parameters)
        return -(log_q.exp() * log_q).sum((1, 2))

    def log_posterior(self, parameters: Tensor, target: Tensor) -> Tensor:
        """Log-probability of code indices `(B, M)` under the posteriors, nats, `(B,)`."""
        return self._log_q(parameters).gather(2, target.unsqueeze(2)).sum((1, 2))

    @torch.no_grad()
    def summarize(self, h: Tensor) -> LatentSummary:
        """KL per variable to the uniform prior, active variables and mutual information of n molecules.

        The mutual information is that of each variable alone, added up; it is capped at log n.
        """
        log_q = self._log_q(self.posterior(h)).cpu()
        q = log_q.exp()
        kl = (q * log_q).sum(2).mean(0) + math.log(self.n_codes)
        marginal = q.mean(0)
        own = (-torch.special.xlogy(marginal, marginal).sum(1) + (q * log_q).sum(2).mean(0)).clamp(min=0.0)
        active = int(((kl > ACTIVE_NATS) & (own > ACTIVE_NATS)).sum())
        return LatentSummary(kl.clamp(min=0.0), active, min(float(own.sum()), math.log(len(h))))

    def _log_q(self, parameters: Tensor) -> Tensor:
        return parameters.unflatten(1, (self.n_slots, self.n_codes)).log_softmax(-1)

    def _relaxed(self, log_q: Tensor, generator: torch.Generator | None) -> Tensor:
        """A relaxed draw y, or a discrete one with its gradient, `(B, M, K)`."""
        uniform = torch.rand(log_q.shape, generator=generator, device=log_q.device).clamp(1e-10, 1 - 1e-7)
        soft = ((log_q - (-uniform.log()).log()) / self.tau).softmax(-1)
        if not self.straight_through:
            return soft
        hard = torch.zeros_like(soft).scatter(-1, soft.argmax(-1, keepdim=True), 1.0)
        return soft + (hard - soft).detach()


class CategoricalLatentConfig(LatentSettings):
    """Categorical variables with an exact KL to the uniform prior."""

    member: ClassVar[type[Latent]] = CategoricalLatent

    kind: Literal["categorical"] = "categorical"
    n_slots: Size = 16
    n_codes: Annotated[int, Field(ge=2, le=65_536)] = 32
    code_dim: Size = 8
    estimator: Literal["gumbel", "reinforce"] = "gumbel"
    straight_through: bool = True
    temperature: Temperature = 1.0
    """τ of the Gumbel-softmax at the start of training."""
    final_temperature: Temperature = 0.3
    """τ at its end."""

    @property
    def z_dim(self) -> int:
        """Size of z (Z)."""
        return self.n_slots * self.code_dim

    @property
    def code_slots(self) -> int:
        """Number of variables (M)."""
        return self.n_slots

    @property
    def no_joint_prior(self) -> str | None:
        """The KL is the exact one to the uniform prior."""
        return "a categorical latent has the exact KL to its uniform prior; fit another afterwards with fit: two-stage"

    def build(self, h_dim: int, *, h_slots: int = 1) -> CategoricalLatent:
        """Build the latent, with untrained weights."""
        return CategoricalLatent(h_dim, h_slots=h_slots, **self.arguments())
