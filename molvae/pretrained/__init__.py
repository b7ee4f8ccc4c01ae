"""Trained models that ship with the package: one folder per model, with a checkpoint and its model card."""

from pathlib import Path

from molvae.errors import CheckpointError

DEFAULT = "moses"
READER = "zinc"
"""The default of commands that are given molecules: unlike `moses` it reads nitro groups, phosphorus and more."""
FEATURIZER = "qsar"
"""The default of `LatentFeaturizer`: it was trained for features, and is not meant for sampling."""
USED_FOR = {  # model → what it is the default for
    DEFAULT: "sampling",
    READER: "optimizing",
    FEATURIZER: "features",
}
FOLDER = Path(__file__).parent
CARD = "MODEL_CARD.md"


def model_names() -> tuple[str, ...]:
    """Names of the shipped models, the default first."""
    names = sorted(path.parent.name for path in FOLDER.glob("*/config.json"))
    return tuple(sorted(names, key=lambda name: name != DEFAULT))


def model_folder(name: str) -> Path:
    """The checkpoint directory of a shipped model.

    Raises:
        CheckpointError: when no shipped model has this name.
    """
    if name not in model_names():
        raise CheckpointError(f"no shipped model is called {name!r}; there are: {', '.join(model_names()) or 'none'}")
    return FOLDER / name


def model_card(name: str) -> str:
    """The model card of a shipped model: data, recipe, figures, limits."""
    return (model_folder(name) / CARD).read_text(encoding="utf-8")
