"""The building blocks of configurations: immutable sections that reject unknown keys, read from YAML.

The settings of each part are defined beside it: `molvae.nn` has those of the model, `molvae.training.config` those of
an experiment, `molvae.data.prepare.config` those of a prepared folder.
"""

import typing
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, ValidationError

from molvae.errors import ConfigError

Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(ge=1)]

RENAMED_KEYS = {
    "stretch": "tokens_per_slot",
    "described": "descriptor_fraction",
    "variants": "randomized_smiles",
    "augment": "randomized_smiles",
    "neutralise": "neutralize",
}
"""Keys of earlier versions → their present names."""


class Section(BaseModel):
    """An immutable part of a configuration, which rejects unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def arguments(self) -> dict[str, Any]:
        """The values by name, without `kind`: the keyword arguments of the class that this section configures."""
        return {name: value for name, value in self if name != "kind"}


T = TypeVar("T", bound=Section)


def parse_duration(value: str | int) -> timedelta:
    """Parse a duration given as `HH:MM:SS`, `MM:SS` or seconds.

    YAML 1.1 reads an unquoted 0:08:00 as a number in base 60, which is the same duration in seconds.

    Raises:
        ValueError: for anything else, and for a duration of zero.
    """
    try:
        parts = [int(p) for p in str(value).split(":")]
    except ValueError:
        parts = []
    if not 1 <= len(parts) <= 3 or any(p < 0 for p in parts) or not any(parts):
        raise ValueError(f"got {value!r}; expected a duration such as 00:30:00 (hours:minutes:seconds)")
    return timedelta(seconds=sum(p * 60**i for i, p in enumerate(reversed(parts))))


def _read_clock(value: Any) -> Any:
    return parse_duration(value) if isinstance(value, str | int) else value


def _write_clock(value: timedelta) -> str:
    minutes, seconds = divmod(round(value.total_seconds()), 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}"


Duration = Annotated[timedelta, BeforeValidator(_read_clock), PlainSerializer(_write_clock)]
"""A duration, written as `HH:MM:SS` in configurations."""


def read_yaml(path: str | Path, *, expected: str) -> dict[str, Any]:
    """Read a YAML file whose top level is a mapping.

    Args:
        path: the file.
        expected: what the file should contain, for the error message when it is not a mapping.

    Raises:
        ConfigError: when the file cannot be read, is not valid YAML or is not a mapping.
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


def parse_config(kind: type[T], values: Mapping[str, Any], *, where: str) -> T:
    """Validate plain values and build the section `kind` from them.

    Raises:
        ConfigError: for an unknown key or an invalid value; the message names it in one sentence.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"{where}: " + "; ".join(_explain(kind, e) for e in error.errors())) from error


def dump_config(config: Section) -> str:
    """The YAML of a configuration, including the default values."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)


def override(values: dict[str, Any], text: str) -> None:
    """Set one key of nested plain values, given as `key.path=value`.

    Raises:
        ConfigError: when `text` has another form, or its path leads through a value that is not a section.
    """
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise ConfigError(f"got --set {text!r}; expected KEY=VALUE such as model.latent.latent_dim=64")
    *parents, last = key.strip().split(".")
    node = values
    for parent in parents:
        child = node.setdefault(parent, {})
        if not isinstance(child, dict):
            raise ConfigError(f"--set {text}: {parent!r} is a value, not a section")
        node = child
    try:
        node[last] = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {text}: {value!r} is not a YAML value") from error


def _explain(kind: type[Section], error: Any) -> str:
    section, path = _located(kind, [str(part) for part in error["loc"]])
    name = ".".join(path) or "the configuration"
    if error["type"] == "extra_forbidden":
        now = RENAMED_KEYS.get(path[-1])
        known = section.model_fields if section else {}
        if now in known:
            return f"unknown key {name!r}: it is called {now} now"
        return f"unknown key {name!r}" + (f"; expected one of: {', '.join(known)}" if known else "")
    if error["type"] == "missing":
        return f"missing key {name!r}"
    if error["type"] == "union_tag_invalid":
        return f"{name}: unknown kind {error['ctx']['tag']!r}; expected one of: {error['ctx']['expected_tags']}"
    message = error["msg"].removeprefix("Value error, ")
    return f"{name}: {message[0].lower()}{message[1:]} (got {error['input']!r})" if path else message


def _located(kind: Any, location: Sequence[str]) -> tuple[type[Section] | None, list[str]]:
    """The section that contains the last part of `location`, and the location without pydantic's union tags."""
    path: list[str] = []
    section: type[Section] | None = None
    for part in location:
        tagged = [member for member in _sections(kind) if part in _tags(member)]
        if tagged:  # the tag of a union member, not a key
            kind = tagged[0]
            continue
        section = next(iter(_sections(kind)), None)
        path.append(part)
        field = section.model_fields.get(part) if section else None
        kind = field.annotation if field else None
    return section, path


def _sections(kind: Any) -> Iterator[type[Section]]:
    """The section classes that a type annotation allows, those inside unions too."""
    if isinstance(kind, type) and issubclass(kind, Section):
        yield kind
    for member in typing.get_args(kind):
        yield from _sections(member)


def _tags(section: type[Section]) -> tuple[str, ...]:
    return tuple(field.default for name, field in section.model_fields.items() if name in ("kind", "fit"))
