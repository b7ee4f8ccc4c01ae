"""Hooks of `mkdocs build`: the pages that are made from the code and from files of the repository, and the notebooks.

A page of docs/ that mkdocs.yml does not name is added to the navigation: `performance*` and `family*` to the figures,
`notebooks/*` under their own heading, all others to the guides.
"""

import ast
import inspect
import re
import textwrap
import typing
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from pydantic_core import PydanticUndefined

from molvae.config import Section
from molvae.optimize.constraints import Constraints
from molvae.optimize.objective import ObjectiveConfig
from molvae.training.config import ExperimentConfig

ROOT = Path(__file__).parents[2]
COPIED = {"security.md": "SECURITY.md", "changelog.md": "CHANGELOG.md", "contributing.md": "CONTRIBUTING.md"}
FIGURES = ("performance", "family", "benchmarks", "cluster")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made, and put every page into the navigation."""
    for page, source in COPIED.items():
        files.append(File.generated(config, page, content=_for_site((ROOT / source).read_text(encoding="utf-8"))))
    files.append(File.generated(config, "reference/settings.md", content=settings_page()))
    for notebook in sorted((ROOT / "docs" / "notebooks").glob("*.py")):
        files.append(File.generated(config, f"notebooks/{notebook.stem}.md", content=notebook_page(notebook)))
    named = set(_named(config.nav))
    sections = {title: pages for part in config.nav or [] for title, pages in part.items()}
    for file in sorted(files.documentation_pages(), key=lambda file: file.src_uri):
        if file.src_uri in named:
            continue
        folder, _, name = file.src_uri.rpartition("/")
        if folder == "notebooks":
            if "Notebooks" not in sections:
                sections["Notebooks"] = []
                config.nav.insert(2, {"Notebooks": sections["Notebooks"]})
            sections["Notebooks"].append(file.src_uri)
        elif name.startswith(FIGURES):
            sections["Figures"].append(file.src_uri)
        elif name == "contributing.md":
            sections["Changing molvae"].append(file.src_uri)
        else:
            sections["Guides"].append(file.src_uri)
    return files


def _for_site(text: str) -> str:
    """A page of the repository's root: links into docs/ are those of the site, links to other files are their names."""
    pages = {source: page for page, source in COPIED.items()}

    def link(match: re.Match[str]) -> str:
        words, target = match.groups()
        if target.startswith("docs/"):
            return f"[{words}]({target.removeprefix('docs/')})"
        return f"[{words}]({pages[target]})" if target in pages else match[0] if "://" in target else words

    return re.sub(r"\[([^\]]*)\]\(([^)]*)\)", link, text)


def _named(nav: Any) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
    elif isinstance(nav, dict):
        for pages in nav.values():
            yield from _named(pages)
    elif isinstance(nav, list):
        for pages in nav:
            yield from _named(pages)


def notebook_page(path: Path) -> str:
    """A notebook in jupytext's percent format as a page: its text, and its code in fences."""
    parts = []
    for cell in re.split(r"^# %%", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        kind, _, body = cell.partition("\n")
        if "[markdown]" in kind:
            parts.append(re.sub(r"^# ?", "", body, flags=re.MULTILINE).strip())
        else:
            code = re.sub(r"^# (?=[!%])", "", body, flags=re.MULTILINE).strip()
            parts.append(f"```python\n{code}\n```")
    source = f"`docs/notebooks/{path.name}`: `jupytext --to notebook` makes a notebook of it."
    return "\n\n".join([*parts, f"*{source}*"]) + "\n"


def settings_page() -> str:
    """Every key of an experiment and of an objective, with type, default and meaning, from the classes themselves."""
    lines = [
        "# Settings",
        "",
        "Every key of the YAML of an experiment (`molvae train --config`) and of an objective (`molvae optimize "
        "--objective`), made from the classes that check them. A key that is not here is an error. "
        "`--set model.latent.latent_dim=64` changes one.",
    ]
    seen: set[type[Section]] = set()
    for title, top in (
        ("An experiment", ExperimentConfig),
        ("An objective", ObjectiveConfig),
        ("Constraints", Constraints),
    ):
        lines += ["", f"## {title}"]
        for section in _reachable(top):
            if section not in seen:
                seen.add(section)
                lines += _section(section)
    return "\n".join(lines) + "\n"


def _reachable(top: type[Section]) -> Iterator[type[Section]]:
    waiting, met = [top], {top}
    while waiting:
        section = waiting.pop(0)
        yield section
        inside = [kind for field in section.model_fields.values() for kind in _sections(field.annotation)]
        new = [kind for kind in dict.fromkeys(inside) if kind not in met]
        met.update(new)
        waiting += new


def _sections(annotation: Any) -> Iterator[type[Section]]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for member in typing.get_args(annotation):
        yield from _sections(member)


def _section(section: type[Section]) -> list[str]:
    said = inspect.cleandoc(section.__doc__ or "").replace("\n", " ")
    lines = [
        "",
        f"### {section.__name__}",
        "",
        said,
        "",
        "| key | values | default | meaning |",
        "| --- | --- | --- | --- |",
    ]
    meanings = _meanings(section)
    for name, field in section.model_fields.items():
        default = field.get_default(call_default_factory=True, validated_data={})
        shown = "*required*" if default is PydanticUndefined else f"`{_plain(default)}`"
        cells = [
            f"`{name}`",
            _type(field.annotation, field.metadata),
            shown,
            meanings.get(name, field.description or ""),
        ]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return lines


def _meanings(section: type[Section]) -> dict[str, str]:
    """The docstrings under the fields, those of base classes too."""
    found: dict[str, str] = {}
    for base in reversed(section.__mro__):
        if not (isinstance(base, type) and issubclass(base, Section)) or base is Section:
            continue
        body = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0].body  # type: ignore[attr-defined]
        for field, text in pairwise(body):
            if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
                found[field.target.id] = (
                    inspect.cleandoc(str(text.value.value)).replace("\n", " ").replace("`None`", "`null`")
                )  # type: ignore[union-attr]
    return found


def _plain(value: Any) -> str:
    if isinstance(value, Section):
        kind = getattr(value, "kind", None)
        return str(kind) if kind else "see below"
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, tuple | list):
        return "[" + ", ".join(_plain(item) for item in value) + "]"
    return str(value)


def _type(annotation: Any, metadata: Any = ()) -> str:
    """A type in words, with bounds; sections as links."""
    bounds = []
    for item in metadata:
        for word, sign in (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<")):
            if getattr(item, word, None) is not None:
                bounds.append(f"{sign} {getattr(item, word):g}")
    where = f" {', '.join(bounds)}" if bounds else ""
    origin, members = typing.get_origin(annotation), typing.get_args(annotation)
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return f"[{annotation.__name__}](#{annotation.__name__.lower()})"
    if origin is typing.Annotated:
        return _type(members[0], members[1:])
    if origin is typing.Literal:
        return ", ".join(f"`{member}`" for member in members)
    if origin in (tuple, list):
        inner = [member for member in members if member is not Ellipsis]
        return "list of " + ", ".join(dict.fromkeys(_type(member) for member in inner))
    if origin is dict or (origin is not None and "Mapping" in str(origin)):
        return f"{_type(members[0])} → {_type(members[1])}"
    if members:
        return " or ".join(dict.fromkeys(_type(member) for member in members if member is not type(None))) + (
            " or null" if type(None) in members else ""
        )
    names = {
        "int": "integer",
        "float": "number",
        "str": "text",
        "bool": "true or false",
        "Path": "path",
        "timedelta": "HH:MM:SS",
    }
    name = getattr(annotation, "__name__", str(annotation))
    return names.get(name, name) + where
