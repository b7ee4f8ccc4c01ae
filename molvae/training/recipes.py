"""Recipes, the experiments that ship with the package, and the adaptation of the default one to given molecules."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from molvae.config import override, parse_config
from molvae.data.prepared import PreparedData
from molvae.errors import ConfigError
from molvae.training.config import ExperimentConfig, load_experiment, read_experiment
from molvae.training.selection import passes_as_one

DEFAULT = "quickstart"
SMALL, LARGE = 5_000, 200_000  # training molecules below and above which the network sizes change
SHORTEST_TRAINING = 200  # least number of steps between validations


def recipe_folder() -> Path:
    """The folder of the recipes: inside the installed package, or beside it in a source checkout."""
    package = Path(__file__).parents[1]
    inside = package / "configs"
    return inside if inside.is_dir() else package.parent / "configs"


def recipe_names() -> tuple[str, ...]:
    """The names of the recipes, with the default first."""
    names = sorted(path.stem for path in recipe_folder().glob("*.yaml"))
    return tuple(sorted(names, key=lambda name: name != DEFAULT))


def recipe_path(name: str) -> Path:
    """The YAML file of a recipe.

    Raises:
        ConfigError: for an unknown name.
    """
    if name not in recipe_names():
        raise ConfigError(f"no recipe is called {name!r}; there are: {', '.join(recipe_names())}")
    return recipe_folder() / f"{name}.yaml"


def recipe_summary(name: str) -> str:
    """What a recipe is for: the first sentence of the comment at the top of its file."""
    lines = []
    for line in recipe_path(name).read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.removeprefix("#").strip())
    return " ".join(lines).partition(". ")[0].rstrip(".:") + "."


def experiment_for(data: PreparedData, overrides: Sequence[str] = ()) -> ExperimentConfig:
    """The default recipe, with sizes adapted to the molecules of a prepared folder.

    Fewer than 5,000 training molecules get narrower networks, which overfit less, and more than 200,000 get wider ones.
    Molecules with more tokens than drug-like ones get a larger latent. Training writes the chosen sizes to
    `experiment.yaml`, like all settings.
    """
    path = recipe_path(DEFAULT)
    values = read_experiment(path, ())
    n, tokens = data.meta["splits"].get("train", len(data)), data.meta["tokens"]["mean_length"]
    scale = 0.5 if n < SMALL else 1.5 if n > LARGE else 1.0
    model = values["model"]
    for part in ("encoder", "decoder"):
        model[part]["hidden_dim"] = _multiple(model[part]["hidden_dim"] * scale, 32)
    usual = 12.0  # mean number of tokens of drug-like molecules
    model["latent"]["latent_dim"] = _multiple(model["latent"]["latent_dim"] * max(1.0, min(2.0, tokens / usual)), 4)
    batch_size = values["training"].get("batch_size", 256)
    values["training"]["batch_size"] = max(16, min(batch_size, n // 20))
    values["training"]["valid_every"] = max(SHORTEST_TRAINING, values["training"].get("valid_every", 500))
    passes = passes_as_one(n)
    values["prior"] |= {"max_epochs": 100 * passes, "patience": values["prior"]["patience"] * passes}
    folders = [str(folder.resolve()) for folder in data.folders]
    values["data"] = {"prepared": folders[0] if len(folders) == 1 else folders, "prepare": data.meta["options"]}
    for text in overrides:
        override(values, text)
    return parse_config(ExperimentConfig, values, where="the default recipe")


def default_preparation() -> dict[str, Any]:
    """The settings with which the default recipe prepares molecules, but with a split by hash."""
    prepare = dict(load_experiment(recipe_path(DEFAULT)).data.prepare.model_dump(mode="json"))
    return prepare | {"split": "hash"}


def _multiple(size: float, of: int) -> int:
    return max(of, round(size / of) * of)
