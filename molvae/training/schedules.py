"""Schedules of beta and of the learning rate.

A schedule is a function of `progress`, the share of the budget used, in [0, 1]. The budget is a number of steps, a time
or both (`molvae.training.clock`), so that a schedule fits any length of training.
"""

import math
from typing import Annotated, Literal

from pydantic import Field

from molvae.config import Positive, Section, Weight

Share = Annotated[float, Field(gt=0, le=1)]
Factor = Annotated[float, Field(ge=1e-9, le=1e9)]


class BetaSettings(Section):
    """Base of the schedules of beta, the weight of the KL term (Higgins et al. 2017)."""

    def at(self, progress: float) -> float:
        """Beta at `progress`; for GECO, which adapts beta, its initial value."""
        raise NotImplementedError

    def next(self, beta: float, progress: float, *, reconstruction: float) -> float:
        """Beta of the next step.

        Args:
            beta: the present beta.
            progress: share of the budget used, in [0, 1].
            reconstruction: running mean of the reconstruction loss, nats per molecule.
        """
        return self.at(progress)


class ConstantBetaConfig(BetaSettings):
    """A constant beta (Higgins et al. 2017)."""

    kind: Literal["constant"] = "constant"
    beta: Weight = 0.1

    def at(self, progress: float) -> float:
        """`beta`, at any progress."""
        return self.beta


class LinearBetaConfig(BetaSettings):
    """KL annealing: beta rises linearly from `start` over the first `warmup` share of training (Bowman et al. 2016)."""

    kind: Literal["linear"] = "linear"
    beta: Weight = 0.1
    start: Weight = 0.0
    warmup: Share = 0.3

    def at(self, progress: float) -> float:
        """A linear rise from `start` to `beta`, then `beta`."""
        return self.start + (self.beta - self.start) * min(progress / self.warmup, 1.0)


class CyclicalBetaConfig(BetaSettings):
    """`n_cycles` ramps from `start` to `beta`, each followed by a plateau (Fu et al. 2019)."""

    kind: Literal["cyclical"] = "cyclical"
    beta: Weight = 0.1
    start: Weight = 0.0
    n_cycles: Positive = 4
    ramp: Share = 0.5
    """Share of each cycle in which beta rises."""

    def at(self, progress: float) -> float:
        """A ramp and a plateau in each cycle; `beta` at the end."""
        if progress >= 1.0:
            return self.beta
        within = progress * self.n_cycles % 1.0
        return self.start + (self.beta - self.start) * min(within / self.ramp, 1.0)


class ConstrainedBetaConfig(BetaSettings):
    """Adapts beta to keep the reconstruction loss at a given value (GECO, Rezende and Viola 2018).

    Beta falls while the training reconstruction loss (with token dropout) is above this value, and rises below it.
    """

    kind: Literal["geco"] = "geco"
    reconstruction: Factor = 2.0
    """The reconstruction loss to keep, nats per molecule."""
    start: Factor = 0.1
    lowest: Factor = 0.01
    highest: Factor = 1.0
    speed: Factor = 0.003
    """Largest relative change of beta per step."""

    def at(self, progress: float) -> float:
        """The initial beta."""
        return self.start

    def next(self, beta: float, progress: float, *, reconstruction: float) -> float:
        """Beta after one multiplicative step."""
        excess = (reconstruction - self.reconstruction) / self.reconstruction
        beta *= math.exp(-self.speed * max(-1.0, min(1.0, excess)))
        return max(self.lowest, min(self.highest, beta))


BetaConfig = Annotated[
    ConstantBetaConfig | LinearBetaConfig | CyclicalBetaConfig | ConstrainedBetaConfig, Field(discriminator="kind")
]


def warm_cosine(progress: float, step: int, *, warmup_steps: int, low: float) -> float:
    """Share of the peak learning rate: linear warm-up and cosine decay from 1 to `low` (Loshchilov and Hutter 2017)."""
    warmup = min(1.0, (step + 1) / warmup_steps) if warmup_steps else 1.0
    return warmup * (low + (1.0 - low) * 0.5 * (1.0 + math.cos(math.pi * min(progress, 1.0))))
