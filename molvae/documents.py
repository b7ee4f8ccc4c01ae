"""JSON, YAML and arrays from anyone: read within limits, and refused with a place where they make no sense.

Python's own readers take whatever they are given: nested lists as deep as the stack, numbers as long as the file, a key
twice, an alias of aliases that unfolds to more values than memory holds, NaN where JSON has none.
"""

import json
import math
from collections.abc import Hashable
from pathlib import Path
from tokenize import TokenError
from typing import TYPE_CHECKING, Any

import yaml

from molvae.errors import MolvaeError

if TYPE_CHECKING:
    import numpy as np

MAX_JSON_BYTES = 256 << 20
MAX_YAML_BYTES = 4 << 20
MAX_YAML_VALUES = 200_000
"""Values of a YAML file, each alias counted as all that it stands for."""
MAX_DEPTH = 64
"""Lists and mappings inside each other."""


class DocumentError(MolvaeError, ValueError):
    """JSON, YAML or an array that cannot be read; its readers raise it anew as an error of their own."""


class Located(dict[str, Any]):
    """The plain values of a YAML mapping, with the line and column of each value in `places`, by its keys."""

    places: dict[tuple[str, ...], str]

    def place(self, keys: tuple[str, ...]) -> str:
        """Where a value stands, or the nearest section around it, as `line 3, column 5`; "" where nothing is known."""
        for n in range(len(keys), -1, -1):
            if keys[:n] in self.places:
                return self.places[keys[:n]]
        return ""


def read_json(path: str | Path) -> Any:
    """The value of a JSON file.

    Raises:
        DocumentError: for text that is not JSON, nesting deeper than `MAX_DEPTH`, a key given twice, NaN or infinity,
            a number of thousands of digits, or a file larger than `MAX_JSON_BYTES`.
        OSError: when the file cannot be read.
    """
    size = Path(path).stat().st_size
    if size > MAX_JSON_BYTES:
        raise DocumentError(f"it has {size:,} bytes; at most {MAX_JSON_BYTES:,} are read")
    return parse_json(Path(path).read_bytes())


def parse_json(text: str | bytes) -> Any:
    """The value of JSON text; raises `DocumentError` as `read_json` does."""
    try:
        value = json.loads(text, object_pairs_hook=_once, parse_constant=_no_number, parse_float=_finite)
    except json.JSONDecodeError as error:
        raise DocumentError(f"line {error.lineno}, column {error.colno}: {error.msg}") from error
    except UnicodeDecodeError as error:
        raise DocumentError(f"it is not UTF-8 text: {error.reason} at byte {error.start}") from error
    except RecursionError as error:
        raise DocumentError(f"lists and objects are nested deeper than {MAX_DEPTH}") from error
    except DocumentError:
        raise
    except ValueError as error:  # Python refuses integers of more than 4,300 digits
        raise DocumentError("a number has too many digits") from error
    if _depth(value) > MAX_DEPTH:
        raise DocumentError(f"lists and objects are nested deeper than {MAX_DEPTH}")
    return value


def json_text(value: Any, *, indent: int | None = None, separators: tuple[str, str] | None = None) -> str:
    """The JSON of plain values; JSON has no NaN and no infinity, so they become null.

    >>> json_text({"r2": float("nan"), "n": 3})
    '{"r2": null, "n": 3}'
    """
    return json.dumps(_without_nan(value), indent=indent, separators=separators, ensure_ascii=False, allow_nan=False)


def read_array(path: str | Path) -> "np.ndarray":
    """The array of an `.npy` file, memory-mapped, so that a header that promises terabytes takes no memory.

    Raises:
        DocumentError: for a file that is no such array, is cut, or holds pickled objects.
        OSError: when the file cannot be read.
    """
    import numpy as np

    try:
        try:
            return np.lib.format.open_memmap(path, mode="r")
        except ValueError:  # an empty array cannot be mapped
            with Path(path).open("rb") as file:
                if np.lib.format.read_magic(file) != (1, 0) or 0 not in np.lib.format.read_array_header_1_0(file)[0]:
                    raise
                file.seek(0)
                return np.lib.format.read_array(file, allow_pickle=False)
    except (ValueError, TypeError, SyntaxError, TokenError, OverflowError, EOFError, MemoryError) as error:
        reason = str(error).strip() or type(error).__name__
        raise DocumentError(f"it is no array, or damaged: {reason.splitlines()[0]}") from error


def parse_yaml(text: str) -> tuple[Any, dict[tuple[str, ...], str]]:
    """The plain values of YAML text, and the place of each value by the keys that lead to it.

    Tags that make Python objects are refused, as by `yaml.safe_load`; dates are text, since no setting is a date.

    Raises:
        DocumentError: for text that is not YAML, a key given twice, a value that does not exist such as a number of
            thousands of digits, an alias of itself, or more than `MAX_YAML_VALUES` values or `MAX_DEPTH` levels; the
            message begins with the line and column.
    """
    if len(text) > MAX_YAML_BYTES:
        raise DocumentError(f"it has {len(text):,} characters; at most {MAX_YAML_BYTES:,} are read")
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            values = None if node is None else loader.construct_document(node)
        finally:
            loader.dispose()
    except yaml.reader.ReaderError as error:
        raise DocumentError(f"character {error.position + 1} is no text: {error.reason}") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or str(error)
        raise DocumentError(f"{_place(mark)}: {reason}" if mark else reason) from error
    places: dict[tuple[str, ...], str] = {}
    if node is not None:
        _locate(node, (), places)
    return values, places


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with limits, and with a place for every complaint."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.depth = self.total = 0
        self.sizes: dict[int, int] = {}

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent):
            node = super().compose_node(parent, index)
            if id(node) not in self.sizes:
                raise yaml.composer.ComposerError(None, None, f"{event.anchor!r} contains itself", event.start_mark)
            self._count(self.sizes[id(node)], event.start_mark)
            return node
        before = self.total
        self._count(1, event.start_mark)
        self.depth += 1
        if self.depth > MAX_DEPTH:
            problem = f"lists and mappings are nested deeper than {MAX_DEPTH}"
            raise yaml.composer.ComposerError(None, None, problem, event.start_mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        self.sizes[id(node)] = self.total - before
        return node

    def _count(self, n: int, mark: Any) -> None:
        self.total += n
        if self.total > MAX_YAML_VALUES:
            raise yaml.composer.ComposerError(None, None, f"it has more than {MAX_YAML_VALUES:,} values", mark)

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep=deep)
        except (ValueError, OverflowError) as error:  # well formed, and no such number, such as one of 5,000 digits
            raise yaml.constructor.ConstructorError(
                None, None, f"{_shortened(node.value)} is no value: {error}", node.start_mark
            ) from error

    def construct_scalar(self, node: Any) -> Any:
        value = super().construct_scalar(node)
        if "\0" in value:
            raise yaml.constructor.ConstructorError(None, None, "a NUL character is no text", node.start_mark)
        return value

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen: set[Hashable] = set()
        for key, _ in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                continue
            name = self.construct_object(key, deep=True)
            if not isinstance(name, Hashable):
                raise yaml.constructor.ConstructorError(None, None, "a list or mapping is no key", key.start_mark)
            if name in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {_shortened(str(name))} is given twice", key.start_mark
                )
            seen.add(name)
        return super().construct_mapping(node, deep=deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _locate(node: Any, keys: tuple[str, ...], places: dict[tuple[str, ...], str]) -> None:
    places[keys] = _place(node.start_mark)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            _locate(value, (*keys, str(key.value)), places)
    elif isinstance(node, yaml.SequenceNode):
        for i, value in enumerate(node.value):
            _locate(value, (*keys, str(i)), places)


def _place(mark: Any) -> str:
    return f"line {mark.line + 1}, column {mark.column + 1}"


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name in values:
            raise DocumentError(f"the key {_shortened(name)} is given twice")
        values[name] = value
    return values


def _no_number(text: str) -> Any:
    raise DocumentError(f"{text} is no JSON number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise DocumentError(f"{_shortened(text)} is too large a number")
    return value


def _depth(value: Any) -> int:
    """How deep lists and objects are nested; counted without recursion."""
    depth, level = 0, [value]
    while depth <= MAX_DEPTH and (outer := [v for v in level if isinstance(v, dict | list)]):
        level = [inner for v in outer for inner in (v.values() if isinstance(v, dict) else v)]
        depth += 1
    return depth


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nan(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
