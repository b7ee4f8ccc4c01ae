"""Configurations to and from YAML; pydantic's report of a bad one becomes one sentence."""

import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from molvae.config import ExperimentConfig, Section
from molvae.errors import ConfigError

T = TypeVar("T", bound=Section)


def load_experiment(path: str | Path, overrides: Sequence[str] = ()) -> ExperimentConfig:
    """Read one experiment's YAML and apply `key.path=value` overrides.

    Raises:
        ConfigError: for an unreadable file, an unknown key or a bad value, naming it.
    """
    values = read_yaml(path, expected="the sections data, model and training")
    for override in overrides:
        _override(values, override)
    return parse_config(ExperimentConfig, values, where=str(path))


def read_yaml(path: str | Path, *, expected: str) -> dict[str, Any]:
    """The keys and plain values of a YAML file.

    Args:
        path: the file.
        expected: what should be in it, for the message when it holds no keys at all.

    Raises:
        ConfigError: when it cannot be read as such.
    """
    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise ConfigError(f"cannot read the configuration {path}: {reason}") from error
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f", line {where.line + 1}" if where else ""
        raise ConfigError(f"{path}{line} is not valid YAML: {getattr(error, 'problem', error)}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path} holds no settings; expected {expected}")
    return values


def parse_config(kind: type[T], values: dict[str, Any], *, where: str) -> T:
    """Validate plain values; pydantic's report becomes one sentence."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"{where}: " + "; ".join(_explain(kind, e) for e in error.errors())) from error


def dump_config(config: Section) -> str:
    """YAML of a configuration, complete with defaults."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)


def _override(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"got --set {override!r}; expected KEY=VALUE such as model.latent.latent_dim=64")
    *parents, last = key.strip().split(".")
    node = values
    for parent in parents:
        child = node.setdefault(parent, {})
        if not isinstance(child, dict):
            raise ConfigError(f"--set {override}: {parent!r} is a value, not a section")
        node = child
    try:
        node[last] = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {override}: {text!r} is not a YAML value") from error


def _explain(kind: type[BaseModel], error: Any) -> str:
    section, path = _walk(kind, [str(p) for p in error["loc"]])
    name = ".".join(path) or "the configuration"
    if error["type"] == "extra_forbidden":
        return f"unknown key {name!r}" + (f"; expected one of: {', '.join(section.model_fields)}" if section else "")
    if error["type"] == "missing":
        return f"missing key {name!r}"
    message = error["msg"].removeprefix("Value error, ")
    return f"{name}: {message[0].lower()}{message[1:]} (got {error['input']!r})" if path else message


def _walk(kind: Any, location: Sequence[str]) -> tuple[type[BaseModel] | None, list[str]]:
    """The section that the last part of `location` is in, and the location without pydantic's tags of unions."""
    path: list[str] = []
    section: type[BaseModel] | None = None
    for part in location:
        members = [m for m in typing.get_args(kind) if _tag(m) == part]
        if members:  # a tag, not a key
            kind = members[0]
            continue
        section = kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None
        path.append(part)
        field = section.model_fields.get(part) if section else None
        kind = field.annotation if field else None
    return section, path


def _tag(kind: Any) -> str | None:
    field = getattr(kind, "model_fields", {}).get("kind")
    return field.default if field is not None else None
