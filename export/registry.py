"""Export targets by name: each module of the packages ``hosts`` and ``baked`` is one.

For example, ``web_component.py`` is the target ``web-component``. The names come from the file
names, so that the command line can list them without importing any module.
"""

from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, cast

from nca.errors import InputError
from nca.exporters import baked, hosts

if TYPE_CHECKING:
    from nca.exporters.target import Target


def _modules() -> dict[str, str]:
    """Return the module of every target, by the name of the target."""
    return {
        module.name.replace("_", "-"): f"{package.__name__}.{module.name}"
        for package in (hosts, baked)
        for module in iter_modules(package.__path__)
    }


def target_names() -> tuple[str, ...]:
    """Return the names of all targets."""
    return tuple(sorted(_modules()))


def find_target(name: str) -> "Target":
    """Return the ``TARGET`` of a module.

    Raises:
        InputError: there is no such target.
    """
    modules = _modules()
    if name not in modules:
        raise InputError(f"`to` {name}: no such target; there are {', '.join(sorted(modules))}")
    return cast("Target", import_module(modules[name]).TARGET)
