"""A griffe extension that converts docstrings with Sphinx markup to Markdown."""

import re
from typing import Any

from griffe import Extension, Object

ROLE = re.compile(r":\w+:(`[^`]+`)")  # :class:`nca.rule.Rule`
CODE = re.compile(r"^( *)::$|(\S)::$", re.MULTILINE)  # the mark before an indented code block


class Markdown(Extension):
    """Rewrites each docstring when it is read."""

    def on_instance(self, *, obj: Object, **_: Any) -> None:
        """See :class:`Extension`."""
        if obj.docstring:
            obj.docstring.value = as_markdown(obj.docstring.value)


def as_markdown(text: str) -> str:
    """Remove Sphinx roles, and the double colons before code blocks."""
    return CODE.sub(lambda found: f"{found[2]}:" if found[2] else "", ROLE.sub(r"\1", text))
