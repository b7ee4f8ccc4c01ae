"""Trained models that ship with the package: one folder a model, a checkpoint with its model card."""

from pathlib import Path

from molvae.errors import CheckpointError

DEFAULT = "moses"
READER = "zinc"
"""The default of what is given molecules: it reads nitro groups, phosphorus and more that the other never met."""
FEATURIZER = "qsar"
"""The default of features: trained for them, on molecules of more sizes than it samples well."""
USED_FOR = {  # what it is the default of
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
        CheckpointError: for a name that is none of them.
    """
    if name not in model_names():
        raise CheckpointError(f"no shipped model is called {name!r}; there are: {', '.join(model_names()) or 'none'}")
    return FOLDER / name


def model_card(name: str) -> str:
    """The model card of a shipped model: data, recipe, figures, limits."""
    return (model_folder(name) / CARD).read_text(encoding="utf-8")
