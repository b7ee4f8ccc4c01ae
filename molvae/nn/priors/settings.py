"""The base class of the settings of learned priors."""

from typing import ClassVar

from molvae.config import Section, a
from molvae.nn.latents.base import Latent, LatentSettings
from molvae.nn.priors.base import Prior


class PriorSettings(Section):
    """Base of the settings of learned priors, which build them."""

    member: ClassVar[type[Prior]]
    kind: str
    joint: ClassVar[bool] = True
    """Whether the prior can be trained jointly with the model; otherwise only afterwards."""
    two_stage: ClassVar[bool] = True
    """Whether the prior can be fitted after training; otherwise only jointly."""
    continuous_only: ClassVar[bool] = False
    """Whether the prior needs a continuous latent."""
    codes_only: ClassVar[bool] = False
    """Whether the prior needs a latent of codes."""

    def check(self, latent: LatentSettings) -> None:
        """Raise `ValueError` if the prior cannot be used with the latent."""
        if self.continuous_only and latent.member.discrete:
            raise ValueError(
                f"{a(self.kind)} prior needs a continuous latent; for VQ codes choose kind: autoregressive or masked"
            )
        if self.codes_only and not latent.member.discrete:
            raise ValueError(f"{a(self.kind)} prior needs a latent of codes, which {a(latent.kind)} latent has not")
        if latent.member.curved:
            raise ValueError(
                f"{a(self.kind)} prior is a density over all z, and {a(latent.kind)} latent lies on a surface; "
                f"leave out `prior`"
            )

    def check_condition(self, conditional: bool) -> None:
        """Raise `ValueError` if the prior needs a condition and the model has none."""

    def build(self, latent: Latent, *, condition_dim: int = 0) -> Prior:
        """Build the prior of a latent's targets, with untrained weights, for a condition of the given size."""
        raise NotImplementedError
