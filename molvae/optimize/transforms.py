"""Raw values to scores in [0, 1]: GuacaMol's modifiers (Brown et al. 2019), each class is also the configuration."""

from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from molvae.config import Number, Section

PositiveNumber = Annotated[float, Field(ge=1e-9, le=1e9)]


class Gaussian(Section):
    """1 at `mu`, falling to both sides.

    >>> float(Gaussian(mu=2, sigma=1)(np.array(3.0)).round(4))
    0.6065
    """

    kind: Literal["gaussian"] = "gaussian"
    mu: Number
    sigma: PositiveNumber

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Transform raw values, any shape."""
        return np.exp(-0.5 * ((x - self.mu) / self.sigma) ** 2)


class MinGaussian(Section):
    """1 up to `mu`, then falling like a Gaussian: small values are wanted."""

    kind: Literal["min_gaussian"] = "min_gaussian"
    mu: Number
    sigma: PositiveNumber

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Transform raw values, any shape."""
        return np.exp(-0.5 * (np.maximum(x - self.mu, 0.0) / self.sigma) ** 2)


class MaxGaussian(Section):
    """1 from `mu` on, below it falling like a Gaussian: large values are wanted."""

    kind: Literal["max_gaussian"] = "max_gaussian"
    mu: Number
    sigma: PositiveNumber

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Transform raw values, any shape."""
        return np.exp(-0.5 * (np.minimum(x - self.mu, 0.0) / self.sigma) ** 2)


class Linear(Section):
    """`slope · x + intercept`, not clipped."""

    kind: Literal["linear"] = "linear"
    slope: Number = 1.0
    intercept: Number = 0.0

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Transform raw values, any shape."""
        return self.slope * x + self.intercept


class _Between(Section):
    """0 at `lower`, 1 at `upper`, which may be the smaller of the two."""

    upper: Number
    lower: Number = 0.0

    @model_validator(mode="after")
    def _ends_differ(self) -> "_Between":
        if self.upper == self.lower:
            raise ValueError("upper and lower must differ")
        return self


class Clipped(_Between):
    """0 at `lower`, 1 at `upper`, a straight line between and flat outside."""

    kind: Literal["clipped"] = "clipped"

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Transform raw values, any shape."""
        return np.clip((x - self.lower) / (self.upper - self.lower), 0.0, 1.0)


class SmoothClipped(_Between):
    """A logistic curve as steep in the middle as `clipped`."""

    kind: Literal["smooth_clipped"] = "smooth_clipped"

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Transform raw values, any shape."""
        middle = 0.5 * (self.upper + self.lower)
        return 1.0 / (1.0 + np.exp(-4.0 * (x - middle) / (self.upper - self.lower)))


class Thresholded(Section):
    """`min(x, threshold) / threshold`."""

    kind: Literal["thresholded"] = "thresholded"
    threshold: PositiveNumber

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Transform raw values, any shape."""
        return np.minimum(x, self.threshold) / self.threshold


class Absolute(Section):
    """1 at `target`, falling by 1 for every unit of distance, down to 0."""

    kind: Literal["absolute"] = "absolute"
    target: Number

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Transform raw values, any shape."""
        return np.maximum(1.0 - np.abs(x - self.target), 0.0)


Transform = Annotated[
    Gaussian | MinGaussian | MaxGaussian | Linear | Clipped | SmoothClipped | Thresholded | Absolute,
    Field(discriminator="kind"),
]
