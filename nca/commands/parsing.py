"""Parse the arguments of a command into its settings, with one-line errors."""

import contextlib
import inspect
import io
import itertools
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Annotated, Any, cast, get_type_hints

import tyro
from tyro.constructors import (
    ConstructorRegistry,
    StructConstructorSpec,
    StructFieldSpec,
    StructTypeInfo,
)

from nca.commands.catalog import defaults_of, docstrings, is_fixed, option_of, options_of
from nca.commands.config import FLAG, HELP
from nca.errors import InputError
from nca.options import override
from nca.texture.settings import PRESETS, TASKS, TrainSettings


def flag_values(arguments: Sequence[str]) -> dict[str, str]:
    """Map each word to the next word, which also maps each flag to its value."""
    words = [word for argument in arguments for word in argument.split("=", 1)]
    return dict(itertools.pairwise(words))


def of_preset(
    settings: Any, presets: Mapping[str, Mapping[str, Any]], *required: str, **usual: Any
) -> Callable[[Sequence[str]], Any]:
    """Make a function that returns the defaults of the preset that the words select.

    The help text shows these defaults.
    """

    def defaults(words: Sequence[str]) -> Any:
        preset = flag_values(words).get("--preset", settings.preset)
        if preset not in presets:
            preset = settings.preset  # tyro will refuse the unknown preset
        values = {"preset": preset, **presets[preset]}
        return override(settings(**dict.fromkeys(required, tyro.MISSING), **usual), values)

    return defaults


def train_defaults(words: Sequence[str]) -> TrainSettings:
    """The defaults of the preset and of the task that the words select."""
    defaults: TrainSettings = of_preset(TrainSettings, PRESETS, "picture", "out")(words)
    for task, values in TASKS.items():
        if f"--{task}" in words:
            defaults = override(defaults, values)
    return defaults


def with_preset(words: Sequence[str], preset: str) -> list[str]:
    """The same arguments with another preset."""
    kept = [word for word in words if not word.startswith("--preset=")]
    if "--preset" in kept:
        place = kept.index("--preset")
        del kept[place : place + 2]
    return [*kept, "--preset", preset]


REGISTRY = ConstructorRegistry()


@REGISTRY.struct_rule
def settings_rule(info: StructTypeInfo) -> StructConstructorSpec | None:
    """Read settings with tyro, but describe their options in the same words as the catalog.

    Without this rule, tyro prints ``{None}|INT`` for an optional number, and ``(default: None)`` or
    ``(default: False)`` for an option that is off.
    """
    if not is_dataclass(info.default):
        return None
    kind: Any = type(info.default)
    hints = get_type_hints(kind, include_extras=True)
    texts = docstrings(cast(Hashable, kind))
    specs = []
    for field in fields(kind):
        hint, value = hints[field.name], getattr(info.default, field.name)
        if not (is_dataclass(value) or is_fixed(hint)):
            hint = Annotated[hint, help_of(field.name, hint, value, texts.get(field.name, ""))]
        specs.append(StructFieldSpec(field.name, hint, value))
    return StructConstructorSpec(kind, tuple(specs))


def help_of(name: str, hint: Any, value: Any, text: str) -> Any:
    """The entry of an option in the help text, as a mark for tyro; see :func:`option_of`."""
    option = option_of(name, hint, value, text, "")
    default = f"(default: {option.default})" if option.default else ""
    metavar = option.metavar or None
    return tyro.conf.arg(help=option.help, metavar=metavar, help_behavior_hint=default)


def parse(name: str, settings: type[Any], words: Sequence[str], default: Any = None) -> Any:
    """Parse the arguments after a command's name into its settings.

    Raises:
        InputError: the words are not valid; the message is the first sentence of tyro's message.
        SystemExit: help was requested and printed.
    """
    complaint = io.StringIO()
    start = defaults_of(settings) if default is None else default
    try:
        with contextlib.redirect_stderr(complaint):
            return tyro.cli(
                settings,
                prog=program(name, start) if {"-h", "--help"} & set(words) else f"nca {name}",
                args=words,
                default=start,
                description=description(settings, default),
                config=(
                    tyro.conf.FlagCreatePairsOff,
                    tyro.conf.OmitArgPrefixes,
                    tyro.conf.SuppressFixed,
                ),
                registry=REGISTRY,
            )
    except SystemExit as stop:
        if not stop.code:
            raise
        said = first_sentence(complaint.getvalue())
        if said.startswith("Missing from "):  # tyro goes on with the help texts of these options
            missing = [option.usage for option in options_of(start) if option.is_required]
            said = f"{name} needs {' and '.join(usage for usage in missing if usage in said)}"
        raise InputError(f"{said.rstrip('.')}; see nca {name} --help") from None


def program(name: str, settings: Any) -> str:
    """The command in the usage line, followed by its required flags if tyro leaves them out.

    If all options together have 80 characters or more, tyro prints ``[OPTIONS]`` for them.
    """
    options = options_of(settings)
    if sum(len(f"[{option.usage}] ") for option in options) < 80:
        return f"nca {name}"
    required = [option.usage for option in options if option.flags and option.is_required]
    return " ".join([f"nca {name}", *required])


def description(settings: type[Any], default: Any) -> str:
    """Help text of a command; commands with presets also mention ``--config``."""
    text = inspect.cleandoc(settings.__doc__ or "")
    return text if default is None else f"{text}\n\nOption {FLAG} FILE: {HELP}"


def first_sentence(box: str) -> str:
    """The text in tyro's error box before the first horizontal line or further explanation."""
    words: list[str] = []
    for line in box.splitlines()[1:]:
        text = line.strip("│ ")
        if not text.startswith(("─", "╰", "---", "Argument helptext")):
            words.append(text)
        elif words:  # without Unicode, there is also a line above the words
            break
    said = " ".join(words)
    # For an optional value, tyro lists every type that it tried, with classes and addresses.
    said = re.sub(r": no type matching \{None\}\|(\S+) could .* from \[(.*?)\]\. +Got .*",
                  r": \2 is not of the kind \1", said)  # fmt: skip
    # If a settings class refuses a value, tyro adds the class name, which means nothing to users.
    return re.sub(r"^Error parsing [\w.]+: ", "", said) or "wrong use"
