"""The experiments that ship with the package, and the one that is made for molecules at hand."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from molvae.config import override, parse_config
from molvae.data.prepared import PreparedData
from molvae.errors import ConfigError
from molvae.training.config import ExperimentConfig, load_experiment, read_experiment

DEFAULT = "quickstart"
SMALL, LARGE = 5_000, 200_000  # molecules
SHORTEST_TRAINING = 200  # steps, so that a few molecules are seen often enough


def recipe_folder() -> Path:
    """Where the recipes lie: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).parents[1]
    inside = package / "configs"
    return inside if inside.is_dir() else package.parent / "configs"


def recipe_names() -> tuple[str, ...]:
    """Names of the recipes, the default first."""
    names = sorted(path.stem for path in recipe_folder().glob("*.yaml"))
    return tuple(sorted(names, key=lambda name: name != DEFAULT))


def recipe_path(name: str) -> Path:
    """The YAML file of a recipe.

    Raises:
        ConfigError: for a name that is none of them.
    """
    if name not in recipe_names():
        raise ConfigError(f"no recipe is called {name!r}; there are: {', '.join(recipe_names())}")
    return recipe_folder() / f"{name}.yaml"


def recipe_summary(name: str) -> str:
    """What a recipe is for: the first sentence of the comment at its head."""
    lines = []
    for line in recipe_path(name).read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.removeprefix("#").strip())
    return " ".join(lines).partition(". ")[0].rstrip(".:") + "."


def experiment_for(data: PreparedData, overrides: Sequence[str] = ()) -> ExperimentConfig:
    """The default recipe, its sizes fitted to the molecules of a prepared folder.

    A few thousand molecules get narrower networks, which a long training would otherwise only teach to remember them,
    and hundreds of thousands wider ones. Molecules longer than drugs get a wider latent. What was chosen is written
    to `experiment.yaml` like everything else.
    """
    path = recipe_path(DEFAULT)
    values = read_experiment(path, ())
    n, tokens = data.meta["splits"].get("train", len(data)), data.meta["tokens"]["mean_length"]
    scale = 0.5 if n < SMALL else 1.5 if n > LARGE else 1.0
    model = values["model"]
    model["encoder"]["hidden_dim"] = _of_32(model["encoder"]["hidden_dim"] * scale)
    model["decoder"]["hidden_dim"] = _of_32(model["decoder"]["hidden_dim"] * scale)
    usual = 12.0  # tokens of a drug-like molecule
    model["latent"]["latent_dim"] = _of_32(model["latent"]["latent_dim"] * max(1.0, min(2.0, tokens / usual)))
    batch_size = values["training"].get("batch_size", 256)
    values["training"]["batch_size"] = max(16, min(batch_size, n // 20))
    values["training"]["valid_every"] = max(SHORTEST_TRAINING, values["training"].get("valid_every", 500))
    values["data"] = {"prepared": str(data.path.resolve()), "prepare": data.meta["options"]}
    for text in overrides:
        override(values, text)
    return parse_config(ExperimentConfig, values, where="the default recipe")


def default_preparation() -> dict[str, Any]:
    """How the default recipe prepares molecules; the split is by their hash."""
    prepare = dict(load_experiment(recipe_path(DEFAULT)).data.prepare.model_dump(mode="json"))
    return prepare | {"split": "hash"}


def _of_32(size: float) -> int:
    return max(32, round(size / 32) * 32)
