"""Weights over the course of training: pure functions of `progress`, the share of the budget used, in [0, 1].

The budget is steps, time or both (`molvae.training.clock`), so a schedule ends with the training it belongs to,
whether that is 20,000 steps or 8 minutes.
"""

import math

from molvae.config import (
    BetaConfig,
    ConstantBetaConfig,
    ConstrainedBetaConfig,
    CyclicalBetaConfig,
    LinearBetaConfig,
    TrainingConfig,
)


def constant(progress: float, *, value: float) -> float:
    """The same value throughout."""
    return value


def linear(progress: float, *, start: float, end: float, warmup: float) -> float:
    """From `start` to `end` over the first `warmup` share, then `end`."""
    return start + (end - start) * min(progress / warmup, 1.0)


def cyclical(progress: float, *, start: float, end: float, n_cycles: int, ramp: float) -> float:
    """`n_cycles` times: rise from `start` to `end` over the `ramp` share of a cycle, then stay (Fu et al. 2019)."""
    if progress >= 1.0:
        return end
    within = progress * n_cycles % 1.0
    return start + (end - start) * min(within / ramp, 1.0)


def beta_at(progress: float, config: BetaConfig) -> float:
    """The KL weight that a schedule asks for; where a constraint sets it, the one to start from."""
    match config:
        case ConstantBetaConfig():
            return constant(progress, value=config.beta)
        case LinearBetaConfig():
            return linear(progress, start=config.start, end=config.beta, warmup=config.warmup)
        case CyclicalBetaConfig():
            return cyclical(progress, start=config.start, end=config.beta, n_cycles=config.n_cycles, ramp=config.ramp)
        case ConstrainedBetaConfig():
            return config.start


def constrained(beta: float, *, reconstruction: float, config: ConstrainedBetaConfig) -> float:
    """The next beta of GECO, from the present one and a running mean of the reconstruction in nats."""
    excess = (reconstruction - config.reconstruction) / config.reconstruction
    beta *= math.exp(-config.speed * max(-1.0, min(1.0, excess)))
    return max(config.lowest, min(config.highest, beta))


def learning_rate_at(progress: float, step: int, config: TrainingConfig) -> float:
    """Linear warm-up over `warmup_steps`, then a cosine down to `final_learning_rate` of the peak."""
    share = warm_cosine(progress, step, warmup_steps=config.warmup_steps, low=config.final_learning_rate)
    return config.learning_rate * share


def warm_cosine(progress: float, step: int, *, warmup_steps: int, low: float) -> float:
    """Share of the peak: a linear warm-up, and over it a cosine from 1 to `low`."""
    warmup = min(1.0, (step + 1) / warmup_steps) if warmup_steps else 1.0
    return warmup * (low + (1.0 - low) * 0.5 * (1.0 + math.cos(math.pi * min(progress, 1.0))))
