"""Export targets by name: each module of :mod:`nca.exporters.hosts` is one.

For example, ``web_component.py`` is the target ``web-component``. The names come from the file
names, so that the command line can list them without importing any module.
"""

from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, cast

from nca.errors import InputError
from nca.exporters import hosts

if TYPE_CHECKING:
    from nca.exporters.target import Target


def target_names() -> tuple[str, ...]:
    """Names of all targets."""
    return tuple(sorted(module.name.replace("_", "-") for module in iter_modules(hosts.__path__)))


def find_target(name: str) -> "Target":
    """The ``TARGET`` of a module.

    Raises:
        InputError: there is no such target.
    """
    names = target_names()
    if name not in names:
        raise InputError(f"`to` {name}: no such target; there are {', '.join(names)}")
    return cast("Target", import_module(f"{hosts.__name__}.{name.replace('-', '_')}").TARGET)
