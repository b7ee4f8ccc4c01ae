"""molvae: generate molecules with variational autoencoders.

>>> import molvae
>>> vae = molvae.load()  # doctest: +SKIP
>>> vae.sample(3, seed=0)  # doctest: +SKIP
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from molvae.featurizer import LatentFeaturizer
    from molvae.generator import MoleculeGenerator
    from molvae.report.frames import MoleculeFrame, grid

    __version__: str

__all__ = ["LatentFeaturizer", "MoleculeFrame", "MoleculeGenerator", "__version__", "grid", "load"]


def load(path: str | Path | None = None, *, device: str = "auto") -> "MoleculeGenerator":
    """Open a trained model.

    Args:
        path: a checkpoint directory, the directory of a training run, or the name of a shipped model (`molvae models`);
            `None` is the default one.
        device: "auto" (a GPU if there is one), "cpu", "cuda", …

    Raises:
        CheckpointError: when there is no complete checkpoint.
        ConfigError: for a device that is not there.
    """
    from molvae.generator import MoleculeGenerator

    return MoleculeGenerator.load(path, device=device)


def __getattr__(name: str) -> Any:  # torch and rdkit are loaded when first used
    if name == "MoleculeGenerator":
        from molvae.generator import MoleculeGenerator

        return MoleculeGenerator
    if name == "LatentFeaturizer":
        from molvae.featurizer import LatentFeaturizer

        return LatentFeaturizer
    if name in ("MoleculeFrame", "grid"):
        from molvae.report import frames

        return getattr(frames, name)
    if name == "__version__":
        from importlib.metadata import version

        return version("molvae")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
