"""A kernel's shell and its displays, for tests without a kernel."""

import sys
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import pytest


@dataclass
class Display:
    """An output area below a cell; records everything that it has shown, in order."""

    shown: list[Any] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)

    def update(self, content: Any, **options: Any) -> None:
        self.shown.append(content)
        self.options = options


class ZMQInteractiveShell:
    """Has the same name as the shell of Jupyter's kernel."""


class OtherShell(ZMQInteractiveShell):
    """Like the shell of another kind of notebook, which derives from Jupyter's."""


class TerminalInteractiveShell:
    """Has the same name as IPython's shell in a terminal."""


def pretend(monkeypatch: pytest.MonkeyPatch, shell: Any) -> list[Display]:
    """Pretend to be IPython with a shell; return the list of displays made from now on."""
    displays: list[Display] = []

    def display(content: Any, *, display_id: bool, **options: Any) -> Display:
        assert display_id
        displays.append(Display([content], options))
        return displays[-1]

    ipython, of_display = ModuleType("IPython"), ModuleType("IPython.display")
    ipython.get_ipython = lambda: shell  # type: ignore[attr-defined]
    of_display.display = display  # type: ignore[attr-defined]
    ipython.display = of_display  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", of_display)
    return displays
