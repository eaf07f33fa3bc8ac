"""`nca classic`: make rule files of classic automata."""

from pathlib import Path

from nca.automata.construction import build
from nca.automata.notation import NAMES, parse_automaton
from nca.commands.settings import ClassicSettings
from nca.errors import InputError
from nca.rulefile import save_rule
from nca.system.outputs import check_free


def classic(settings: ClassicSettings) -> Path | list[str]:
    """Write the rule file of an automaton and return its path, or list the names.

    Raises:
        InputError: the automaton or the path is missing, the automaton is unknown, or the file
            cannot be written.
    """
    if settings.list:
        return [f"{name:15}{each.notation:14}{each.about}" for name, each in NAMES.items()]
    if not settings.automaton or settings.out is None:
        raise InputError(
            "an automaton and `out` are needed, as in nca classic life --out life.safetensors"
        )
    automaton = parse_automaton(settings.automaton)
    check_free(settings.out, settings.overwrite, file=True)
    named = NAMES.get(settings.automaton.lower())
    density = named.density if named and settings.density is None else settings.density
    file = build(automaton, density).file()
    save_rule(settings.out, file.rule, file.info)
    return settings.out
