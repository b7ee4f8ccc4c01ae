"""An extension of mkdocstrings: examples in docstrings, which begin with `>>>`, are shown as code."""

import re
from typing import Any

import griffe

EXAMPLE = re.compile(r"^>>> .*(?:\n.+)*", re.MULTILINE)


class Doctests(griffe.Extension):
    """Puts a fence around every example, without its remarks for doctest."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Change the docstring of a class, function, module or attribute."""
        if obj.docstring is not None:
            shown = re.sub(r"\s*# doctest: \+\w+", "", obj.docstring.value)
            obj.docstring.value = EXAMPLE.sub(lambda example: f"```pycon\n{example[0]}\n```", shown)
