"""The building blocks of configurations: immutable sections that reject unknown keys, read from YAML.

The settings of each part are defined beside it: `molvae.nn` has those of the model, `molvae.training.config` those of
an experiment, `molvae.data.prepare.config` those of a prepared folder.
"""

import re
import typing
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    TypeAdapter,
    ValidationError,
)

from molvae.documents import MAX_YAML_BYTES, DocumentError, Located, parse_yaml
from molvae.errors import ConfigError

MOST_SECONDS = 366 * 24 * 3600
Fraction = Annotated[float, Field(ge=0, le=1)]
Share = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[int, Field(ge=1, le=1_000_000_000)]
"""A count."""
Size = Annotated[int, Field(ge=1, le=65_536)]
"""The width of a layer, or a number of slots or codes."""
Depth = Annotated[int, Field(ge=1, le=64)]
"""A number of layers."""
Weight = Annotated[float, Field(ge=0, le=1e9)]
"""A factor of a loss."""
Temperature = Annotated[float, Field(ge=0.01, le=100)]
"""Nearer to 0, probabilities outgrow what a float can hold."""
TopP = Annotated[float, Field(ge=1e-6, le=1)]
SEEDS = 2**32
"""Seeds lie below this, so that torch, NumPy, RDKit and every other generator can take them."""
Seed = Annotated[int, Field(ge=0, lt=SEEDS)]
MOST_JOBS = 1024


def _jobs(value: int) -> int:
    if not 1 <= abs(value) <= MOST_JOBS:
        raise ValueError(f"expected 1 to {MOST_JOBS} processes, or -1 for one per core")
    return value


Jobs = Annotated[int, AfterValidator(_jobs)]
"""A number of processes; -1 is one per core, -2 one fewer, and so on, as joblib has it."""
MOST_RANDOMIZED = 255  # per molecule: numbered in one byte, in which 0 is the canonical SMILES
RandomizedSmiles = Annotated[int, Field(ge=0, le=MOST_RANDOMIZED)]
BatchSize = Annotated[int, Field(ge=1, le=100_000)]
Steps = Annotated[int, Field(ge=2, le=10_000)]
"""Molecules on a path, both ends counted."""
Stereoisomers = Annotated[int, Field(ge=1, le=1024)]
Walks = Annotated[int, Field(ge=1, le=10_000)]
Reach = Annotated[float, Field(ge=1e-6, le=1000)]
Number = Annotated[float, Field(ge=-1e12, le=1e12)]
Seconds = Annotated[float, Field(ge=0.001, le=MOST_SECONDS)]

MOST_COMPLAINTS = 8
"""Errors of a configuration that its message lists."""
LONGEST_VALUE = 200
"""Characters of a wrong value that a message shows."""

RENAMED_KEYS = {
    "stretch": "tokens_per_slot",
    "described": "descriptor_fraction",
    "variants": "randomized_smiles",
    "augment": "randomized_smiles",
    "neutralise": "neutralize",
}
"""Keys of earlier versions → their present names."""


class Section(BaseModel):
    """An immutable part of a configuration, which rejects unknown keys, NaN and infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def arguments(self) -> dict[str, Any]:
        """The values by name, without `kind`: the keyword arguments of the class that this section configures."""
        return {name: value for name, value in self if name != "kind"}


T = TypeVar("T", bound=Section)

_LONGEST = 30  # characters of a duration
_CLOCK = re.compile(r"[0-9]{1,10}(:[0-9]{1,10}){0,2}")


def parse_duration(value: str | int) -> timedelta:
    """Parse a duration given as `HH:MM:SS`, `MM:SS` or seconds.

    YAML 1.1 reads an unquoted 0:08:00 as a number in base 60, which is the same duration in seconds.

    Raises:
        ValueError: for anything else, and for a duration of zero.
    """
    parts = str(value).split(":") if _CLOCK.fullmatch(str(value)) else []
    seconds = sum(int(p) * 60**i for i, p in enumerate(reversed(parts)))
    if not 1 <= seconds <= MOST_SECONDS:
        shown = repr(str(value)[:_LONGEST])
        raise ValueError(f"got {shown}; expected a duration such as 00:30:00 (hours:minutes:seconds), at most a year")
    return timedelta(seconds=seconds)


def _read_clock(value: Any) -> Any:
    return parse_duration(value) if isinstance(value, str | int) else value


def clock(value: timedelta) -> str:
    """A duration as `HH:MM:SS`."""
    minutes, seconds = divmod(round(value.total_seconds()), 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}"


Duration = Annotated[timedelta, BeforeValidator(_read_clock), PlainSerializer(clock)]
"""A duration, written as `HH:MM:SS` in configurations."""


def checked(kind: Any, value: Any, name: str) -> Any:
    """A single setting, as a type such as `Seed` or `Temperature` takes it.

    Raises:
        ConfigError: for a value out of range, NaN and infinity included, or of another type; the message has the name.

    >>> checked(Seed, 7, "seed")
    7
    """
    try:
        return _adapter(kind).validate_python(value)
    except ValidationError as error:
        message = error.errors()[0]["msg"].removeprefix("Value error, ")
        message = message.replace("greater than or equal to", "at least").replace("less than or equal to", "at most")
        raise ConfigError(f"got {name} {_shown(value)}; {message[0].lower()}{message[1:]}") from error


@lru_cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind, config=ConfigDict(allow_inf_nan=False))


def read_yaml(path: str | Path, *, expected: str) -> Located:
    """Read a YAML file whose top level is a mapping; see `molvae.documents` for what is refused.

    Args:
        path: the file.
        expected: what the file should contain, for the error message when it is not a mapping.

    Returns:
        The plain values, with which `parse_config` says where in the file an error is.

    Raises:
        ConfigError: when the file cannot be read, is not valid YAML or is not a mapping.
    """
    try:
        with Path(path).open("rb") as file:
            text = file.read(MAX_YAML_BYTES + 1).decode("utf-8-sig")
        values, places = parse_yaml(text)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise ConfigError(f"cannot read the configuration {path}: {reason}") from error
    except DocumentError as error:
        raise ConfigError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path} holds no settings; expected {expected}")
    located = Located(values)
    located.places = places
    return located


def parse_config(kind: type[T], values: Mapping[str, Any], *, where: str) -> T:
    """Validate plain values and build the section `kind` from them.

    Raises:
        ConfigError: for an unknown key or an invalid value; the message names it in one sentence, and for `Located`
            values its line and column.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        complaints = [_explain(kind, e, values) for e in error.errors()]
        more = f"; and {len(complaints) - MOST_COMPLAINTS} more" if len(complaints) > MOST_COMPLAINTS else ""
        raise ConfigError(f"{where}: " + "; ".join(complaints[:MOST_COMPLAINTS]) + more) from error


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
        node[last], _ = parse_yaml(value)
    except DocumentError as error:
        raise ConfigError(f"--set {key}: the value is not valid YAML: {error}") from error


def _explain(kind: type[Section], error: Any, values: Mapping[str, Any]) -> str:
    section, path = _located(kind, [str(part) for part in error["loc"]])
    place = values.place(tuple(path)) if isinstance(values, Located) and path else ""
    return f"{place}: {_complaint(section, path, error)}" if place else _complaint(section, path, error)


def _complaint(section: type[Section] | None, path: list[str], error: Any) -> str:
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
    return f"{name}: {message[0].lower()}{message[1:]} (got {_shown(error['input'])})" if path else message


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"


def _located(kind: Any, location: Sequence[str]) -> tuple[type[Section] | None, list[str]]:
    """The section that contains the last part of `location`, and the location without pydantic's union tags."""
    path: list[str] = []
    section: type[Section] | None = None
    for part in location:
        members = list(_sections(kind))
        tagged = [member for member in members if part in _tags(member)]
        if tagged and len(members) > 1:  # the tag of a union member, not a key
            kind = tagged[0]
            continue
        if part.isdigit():  # a place in a list
            path.append(part)
            continue
        section = next(iter(members), None)
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
