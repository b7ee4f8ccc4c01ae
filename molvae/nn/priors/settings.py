"""What the settings of every learned prior are."""

from typing import ClassVar

from molvae.config import Section
from molvae.nn.latents.base import Latent, LatentSettings
from molvae.nn.priors.base import Prior


class PriorSettings(Section):
    """Base of every learned prior's settings, which build it."""

    member: ClassVar[type[Prior]]
    joint: ClassVar[bool] = True
    """Whether it can be trained with the model, and not only afterwards."""

    def check(self, latent: LatentSettings) -> None:
        """Raise `ValueError` when prior and latent do not fit."""

    def build(self, latent: Latent, *, condition_dim: int = 0) -> Prior:
        """The prior of a latent's targets, unfitted, given a condition of that size."""
        raise NotImplementedError
