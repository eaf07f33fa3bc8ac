"""The command line: settings in, one call, one result printed.

Modules that need torch are imported by the command that needs them, so that help is there at once.
"""

import contextlib
import io
import json
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Any, NamedTuple, TypeVar

import tyro

from nca.errors import GraphicsError, InputError
from nca.settings import DemoSettings, InfoSettings, RenderSettings
from nca.texture.settings import PRESETS, TrainSettings

DONE, FAILED, WRONG_USE, NO_GRAPHICS, INTERRUPTED = 0, 1, 2, 3, 130

Settings = TypeVar("Settings")


class Command(NamedTuple):
    """A command: its settings with their defaults, and what it does with them."""

    defaults: Callable[[Sequence[str]], Any]
    run: Callable[[Any], None]


def run_train(settings: TrainSettings) -> None:
    """Train, and say where the results are."""
    from nca.texture.train import train

    trained = train(settings)
    print(f"{trained.iterations} iterations in {trained.seconds:.0f} s; results in {trained.folder}")
    print(f"  {trained.folder / 'preview.png'}   the picture beside what the rule makes of it")
    print(f"  {trained.folder / 'rule.safetensors'}   {trained.rule.weight_count()} weights")


def run_render(settings: RenderSettings) -> None:
    """Write a picture or an animation."""
    from nca.render import render

    print(render(settings))


def run_info(settings: InfoSettings) -> None:
    """Describe a rule file."""
    from nca.info import describe_rule, format_description

    description = describe_rule(settings.rule)
    print(json.dumps(description) if settings.json else format_description(description))


def train_defaults(arguments: Sequence[str]) -> TrainSettings:
    """The preset that the arguments name gives the defaults, and the help text shows them."""
    names: list[str] = [a.removeprefix("--preset=") for a in arguments if a.startswith("--preset=")]
    names += [after for a, after in zip(arguments, arguments[1:], strict=False) if a == "--preset"]
    preset = next((p for name, p in PRESETS.items() if names and name == names[-1]), PRESETS["small"])
    return replace(preset, picture=tyro.MISSING, out=tyro.MISSING)


def defaults_of(settings: type[Settings]) -> Callable[[Sequence[str]], Settings]:
    """For settings whose defaults do not depend on the arguments."""

    def defaults(_: Sequence[str]) -> Settings:
        return settings

    return defaults


COMMANDS = {
    "train": (TrainSettings, run_train),
    "render": (RenderSettings, run_render),
    "info": (InfoSettings, run_info),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 failed, 2 wrong use or bad input, 3 no
    usable OpenGL, 130 interrupted after saving.
    """
