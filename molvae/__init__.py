"""molvae: generate molecules with variational autoencoders.

>>> import molvae
>>> vae = molvae.load("runs/quickstart")  # doctest: +SKIP
>>> vae.sample(3, seed=0)  # doctest: +SKIP
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from molvae.featurizer import LatentFeaturizer
    from molvae.generator import MoleculeGenerator

__all__ = ["LatentFeaturizer", "MoleculeGenerator", "load"]


def load(path: str | Path | None = None, *, device: str = "auto") -> "MoleculeGenerator":
    """Open a trained model.

    Args:
        path: a checkpoint directory, or the directory of a training run; `None` is the shipped model.
        device: "auto" (a GPU when there is one), "cpu", "cuda", …

    Raises:
        CheckpointError: when there is no complete checkpoint.
        ConfigError: for a device that is not there.
    """
    from molvae.errors import CheckpointError
    from molvae.generator import MoleculeGenerator

    if path is None:
        raise CheckpointError(
            "this molvae ships no model yet; name one by its path, a checkpoint's or a training run's directory"
        )
    return MoleculeGenerator.load(path, device=device)


def __getattr__(name: str) -> Any:  # torch and rdkit are loaded when first used
    if name == "MoleculeGenerator":
        from molvae.generator import MoleculeGenerator

        return MoleculeGenerator
    if name == "LatentFeaturizer":
        from molvae.featurizer import LatentFeaturizer

        return LatentFeaturizer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
