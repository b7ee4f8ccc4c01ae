"""Weights over the course of training, each a section of the configuration.

A schedule is a pure function of `progress`, the share of the budget used, in [0, 1]. The budget is steps, time or both
(`molvae.training.clock`), so a schedule ends with the training it belongs to, whether that is 20,000 steps or 8
minutes.
"""

import math
from typing import Annotated, Literal

from pydantic import Field

from molvae.config import Positive, Section

Weight = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(gt=0, le=1)]


class BetaSettings(Section):
    """Base of every schedule of the KL weight."""

    def at(self, progress: float) -> float:
        """The KL weight asked for; where a constraint sets it, the one to start from."""
        raise NotImplementedError

    def next(self, beta: float, progress: float, *, reconstruction: float) -> float:
        """The KL weight of the next step.

        Args:
            beta: the present one.
            progress: share of the budget used.
            reconstruction: running mean of the training loss, nats.
        """
        return self.at(progress)


class ConstantBetaConfig(BetaSettings):
    """The same KL weight throughout."""

    kind: Literal["constant"] = "constant"
    beta: Weight = 0.1

    def at(self, progress: float) -> float:
        """Beta."""
        return self.beta


class LinearBetaConfig(BetaSettings):
    """From `start` to `beta` over the first `warmup` share of training, constant afterwards."""

    kind: Literal["linear"] = "linear"
    beta: Weight = 0.1
    start: Weight = 0.0
    warmup: Share = 0.3

    def at(self, progress: float) -> float:
        """From `start` to `beta`."""
        return self.start + (self.beta - self.start) * min(progress / self.warmup, 1.0)


class CyclicalBetaConfig(BetaSettings):
    """`n_cycles` ramps from `start` to `beta`, each followed by a plateau (Fu et al. 2019)."""

    kind: Literal["cyclical"] = "cyclical"
    beta: Weight = 0.1
    start: Weight = 0.0
    n_cycles: Positive = 4
    ramp: Share = 0.5
    """Share of each cycle spent rising."""

    def at(self, progress: float) -> float:
        """A ramp and a plateau per cycle; `beta` at the end."""
        if progress >= 1.0:
            return self.beta
        within = progress * self.n_cycles % 1.0
        return self.start + (self.beta - self.start) * min(within / self.ramp, 1.0)


class ConstrainedBetaConfig(BetaSettings):
    """The KL weight that just holds the reconstruction at a target (GECO, Rezende and Viola 2018).

    Beta falls while the training reconstruction, token dropout included, is above the target, and rises below it.
    """

    kind: Literal["geco"] = "geco"
    reconstruction: Annotated[float, Field(gt=0)] = 2.0
    """Target, nats per molecule."""
    start: Annotated[float, Field(gt=0)] = 0.1
    lowest: Annotated[float, Field(gt=0)] = 0.01
    highest: Annotated[float, Field(gt=0)] = 1.0
    speed: Annotated[float, Field(gt=0)] = 0.003
    """Largest relative change of beta per step."""

    def at(self, progress: float) -> float:
        """The weight to start from."""
        return self.start

    def next(self, beta: float, progress: float, *, reconstruction: float) -> float:
        """One step toward the weight that holds the target."""
        excess = (reconstruction - self.reconstruction) / self.reconstruction
        beta *= math.exp(-self.speed * max(-1.0, min(1.0, excess)))
        return max(self.lowest, min(self.highest, beta))


BetaConfig = Annotated[
    ConstantBetaConfig | LinearBetaConfig | CyclicalBetaConfig | ConstrainedBetaConfig, Field(discriminator="kind")
]


def warm_cosine(progress: float, step: int, *, warmup_steps: int, low: float) -> float:
    """Share of the peak learning rate: a linear warm-up, and over it a cosine from 1 to `low`."""
    warmup = min(1.0, (step + 1) / warmup_steps) if warmup_steps else 1.0
    return warmup * (low + (1.0 - low) * 0.5 * (1.0 + math.cos(math.pi * min(progress, 1.0))))
