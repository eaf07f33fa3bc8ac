"""An extension of griffe: docstrings, which are written for Sphinx too, as Markdown."""

import re
from typing import Any

from griffe import Extension, Object

ROLE = re.compile(r":\w+:(`[^`]+`)")  # :class:`nca.rule.Rule`
CODE = re.compile(r"^( *)::$|(\S)::$", re.MULTILINE)  # what introduces an indented block


class Markdown(Extension):
    """Rewrites each docstring when it is read."""

    def on_instance(self, *, obj: Object, **_: Any) -> None:
        """See :class:`Extension`."""
        if obj.docstring:
            obj.docstring.value = as_markdown(obj.docstring.value)


def as_markdown(text: str) -> str:
    """A docstring without roles and without the colons of blocks of code."""
    return CODE.sub(lambda found: f"{found[2]}:" if found[2] else "", ROLE.sub(r"\1", text))
