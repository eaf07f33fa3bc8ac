"""The command line: settings in, one call, one result printed.

Modules that need torch are imported by the command that needs them, so that help is there at once.
"""

import contextlib
import io
import itertools
import json
import os
import re
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import tyro

import nca
from nca.benchmarks.settings import (
    BenchCoreSettings,
    BenchDDPMSettings,
    BenchGpuSettings,
    BenchLoadSettings,
    BenchPageSettings,
    BenchStyleSettings,
    BenchTrainSettings,
    BenchViewSettings,
)
from nca.commands.settings import DemoSettings, InfoSettings, PlaySettings, RenderSettings
from nca.ddpm.settings import PRESETS as DDPM_PRESETS
from nca.ddpm.settings import FidSettings, SampleSettings
from nca.ddpm.settings import TrainSettings as DDPMTrainSettings
from nca.errors import (
    DONE,
    FAILED,
    INTERRUPTED,
    TERMINATED,
    GraphicsError,
    InputError,
    exit_code,
    one_line,
)
from nca.evaluation.settings import EvalSettings
from nca.export.settings import ExportSettings, ImportSettings
from nca.options import override
from nca.style.settings import PRESETS as STYLE_PRESETS
from nca.style.settings import ReconstructSettings, StyleSettings, VisualizeSettings
from nca.system.console import flush_output, prepare_console
from nca.system.signals import Terminated, raise_on_termination
from nca.texture.settings import PRESETS, TASKS, TrainSettings
from nca.viewer.settings import ViewSettings


@dataclass(frozen=True)
class Command:
    """A command: the settings it takes, what it does, and where its defaults come from.

    Attributes:
        settings: class of the settings.
        run: runs the command.
        defaults: what the flags change, from the words of the command line.
        presets: presets that the same words are parsed for as well; ``run`` gets these settings as
            further arguments.
    """

    settings: type[Any]
    run: Callable[..., None]
    defaults: Callable[[Sequence[str]], Any] | None = None
    presets: Callable[[Any], Sequence[str]] = lambda _: ()

    @property
    def summary(self) -> str:
        """First line of the help text."""
        return (self.settings.__doc__ or "").partition("\n")[0]


def run_train(settings: TrainSettings, *variants: TrainSettings) -> None:
    """Train, and print where the results are; ``variants`` are the settings of ``--presets``."""
    from nca.texture.sweep import sweep
    from nca.texture.train import train
    from nca.viewer.files.watch import start_beside

    if settings.picture.is_dir():
        print(sweep(variants or [settings]))
        return
    trained = train(settings, show=start_beside if settings.view else None)
    report(trained)
    losses = ", ".join(
        f"{loss:.3f} as {state}" if loss is not None else f"blown up as {state}"
        for state, loss in trained.loss_by_state.items()
    )
    if losses:
        print(f"Texture loss by the state's format: {losses}")
    if trained.kept.warning:
        print(trained.kept.warning)


def report(trained: Any) -> None:
    """Say how long a training took and where its results are."""
    print(f"{trained.iterations} iterations in {trained.seconds:.0f} s: {trained.folder}")
    for name, what in trained.results.items():
        print(f"  {trained.folder / name}  {what}")


def run_demo(settings: DemoSettings) -> None:
    """Train on a bundled picture and make its page."""
    from nca.commands.demo import demo

    for path, what in demo(settings).items():
        print(f"  {path}  {what}")


def run_export(settings: ExportSettings) -> None:
    """Write a page or shaders, and say what was written."""
    from nca.export.command import export_rules

    print(as_flags("\n".join(export_rules(settings))))


def run_import(settings: ImportSettings) -> None:
    """Write rule files, and say which."""
    from nca.export.importers import import_rules

    for file in import_rules(settings):
        print(f"{file.path}  {file.size:,} bytes")


def run_view(settings: ViewSettings) -> None:
    """Show rules until the window is closed."""
    from nca.viewer.app import run

    run(settings)


def run_render(settings: RenderSettings) -> None:
    """Write a picture or an animation."""
    from nca.commands.render import render

    print(render(settings))


def run_play(settings: PlaySettings) -> None:
    """Write a picture."""
    from nca.commands.play import play

    print(play(settings))


def run_eval(settings: EvalSettings) -> None:
    """Measure a rule, and say the most important figures."""
    from nca.evaluation.report import evaluate
    from nca.evaluation.vote import write_vote

    if settings.vote is not None:
        print(write_vote(settings))
        return
    for evaluation in evaluate(settings):
        said, run = f"{evaluation.name}: {evaluation.figures['verdict']}", evaluation.figures["run"]
        if run:
            said += f"; patch distance {run[-1]['patch']:.2f} after {run[-1]['steps']:,} steps"
        print(said)
    print(settings.out)


def run_info(settings: InfoSettings) -> None:
    """Describe a rule file."""
    from nca.commands.info import describe_rule, format_description

    description = describe_rule(settings.rule)
    print(json.dumps(description) if settings.json else format_description(description))


def run_ddpm_train(settings: DDPMTrainSettings) -> None:
    """Train a diffusion model, and say where the results are."""
    from nca.ddpm.train import train

    report(train(settings))


def run_ddpm_sample(settings: SampleSettings) -> None:
    """Draw pictures, and say where they are."""
    from nca.ddpm.command import sample

    print(sample(settings))


def run_ddpm_fid(settings: FidSettings) -> None:
    """Measure samples, and print a table."""
    from nca.ddpm.fid.evaluator import measure

    print(measure(settings).table())


def run_style(settings: StyleSettings) -> None:
    """Paint, and say where the results are."""
    from nca.style.train import stylize

    report(stylize(settings))


def run_style_visualize(settings: VisualizeSettings) -> None:
    """Find the picture, and say where it is."""
    from nca.style.visualize import visualize

    report(visualize(settings))


def run_style_reconstruct(settings: ReconstructSettings) -> None:
    """Find the picture, and say where it is."""
    from nca.style.train import stylize

    report(stylize(settings.as_style()))


def run_bench(name: str) -> Callable[[Any], None]:
    """What measures with a module of the benchmarks, and writes and prints the figures."""

    def run(settings: Any) -> None:
        report = import_module(f"nca.benchmarks.{name}").run(settings)
        print(report.table())
        if settings.json is not None:
            report.write(settings.json)
        if isinstance(settings, BenchTrainSettings) and settings.plot is not None:
            import_module("nca.benchmarks.plot").draw(report, settings.plot)

    return run


def asked(arguments: Sequence[str]) -> dict[str, str]:
    """The word after each word: the value of a flag, wherever it stands."""
    words = [word for argument in arguments for word in argument.split("=", 1)]
    return dict(itertools.pairwise(words))


def of_preset(
    settings: Any, presets: Mapping[str, Mapping[str, Any]], *required: str, **usual: Any
) -> Callable[[Sequence[str]], Any]:
    """Defaults of the preset that the words ask for; the help text shows them."""

    def defaults(words: Sequence[str]) -> Any:
        preset = asked(words).get("--preset", settings.preset)
        if preset not in presets:
            preset = settings.preset  # tyro refuses the one that was asked for
        values = {"preset": preset, **presets[preset]}
        return override(settings(**dict.fromkeys(required, tyro.MISSING), **usual), values)

    return defaults


def train_defaults(words: Sequence[str]) -> TrainSettings:
    """As :func:`of_preset`, with what the task sets."""
    defaults: TrainSettings = of_preset(TrainSettings, PRESETS, "picture", "out")(words)
    for task, values in TASKS.items():
        if f"--{task}" in words:
            defaults = override(defaults, values)
    return defaults


def with_preset(words: Sequence[str], preset: str) -> list[str]:
    """The same words with another preset."""
    kept = [word for word in words if not word.startswith("--preset=")]
    if "--preset" in kept:
        place = kept.index("--preset")
        del kept[place : place + 2]
    return [*kept, "--preset", preset]


COMMANDS = {
    "train": Command(TrainSettings, run_train, train_defaults, lambda s: s.task.presets),
    "export": Command(ExportSettings, run_export),
    "import": Command(ImportSettings, run_import),
    "view": Command(ViewSettings, run_view),
    "render": Command(RenderSettings, run_render),
    "play": Command(PlaySettings, run_play),
    "eval": Command(EvalSettings, run_eval),
    "info": Command(InfoSettings, run_info),
    "style": Command(
        StyleSettings,
        run_style,
        of_preset(StyleSettings, STYLE_PRESETS, "content", "out", styles=()),
    ),
    "style visualize": Command(VisualizeSettings, run_style_visualize),
    "style reconstruct": Command(ReconstructSettings, run_style_reconstruct),
    "demo": Command(DemoSettings, run_demo),
    "ddpm train": Command(
        DDPMTrainSettings,
        run_ddpm_train,
        of_preset(DDPMTrainSettings, DDPM_PRESETS, "data", "out"),
    ),
    "ddpm sample": Command(SampleSettings, run_ddpm_sample),
    "ddpm fid": Command(FidSettings, run_ddpm_fid),
    "bench train": Command(BenchTrainSettings, run_bench("train")),
    "bench style": Command(BenchStyleSettings, run_bench("style")),
    "bench ddpm": Command(BenchDDPMSettings, run_bench("ddpm")),
    "bench load": Command(BenchLoadSettings, run_bench("load")),
    "bench gpu": Command(BenchGpuSettings, run_bench("gpu")),
    "bench core": Command(BenchCoreSettings, run_bench("core")),
    "bench view": Command(BenchViewSettings, run_bench("view")),
    "bench page": Command(BenchPageSettings, run_bench("page")),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit code: 0 done, 1 failed, 2 wrong use or bad input, 3 no usable OpenGL, 130
        interrupted, after saving; 128 + n ended by signal n, after saving.
    """
    prepare_console()
    settle_home()
    if threading.current_thread() is threading.main_thread():
        raise_on_termination()
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    try:
        try:
            run_command(words)
        finally:
            flush_output()
    except KeyboardInterrupt as stop:
        if isinstance(stop, Terminated):
            print(f"nca: ended by {stop}", file=sys.stderr)
            return TERMINATED + stop.signum
        print("nca: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        return FAILED  # what reads our output, such as `head`, has had enough
    except (InputError, GraphicsError, OSError, RuntimeError, MemoryError) as error:
        if debug:
            raise
        print(f"nca: {as_flags(one_line(error))}", file=sys.stderr)
        return exit_code(error)
    return DONE


def run_command(words: Sequence[str]) -> None:
    """Run the command that the words name, or print the help that they ask for."""
    if not words or words[0] in ("-h", "--help", "--version"):
        print(nca.__version__ if words[:1] == ["--version"] else usage())
        return
    name = command_name(words)
    command = COMMANDS[name]
    words = words[name.count(" ") + 1 :]
    settings = parse(name, command, words)
    presets = command.presets(settings)
    command.run(settings, *(parse(name, command, with_preset(words, p)) for p in presets))


def settle_home() -> None:
    """Give a user without a home, as in some containers, the one that Docker gives: the root.

    Libraries that we use cannot be imported where ``~`` means nothing. A relative home means the
    one of the user database.
    """
    home = os.environ.get("HOME")
    if home is not None and not Path(home).is_absolute():
        del os.environ["HOME"]
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = os.sep


def command_name(words: Sequence[str]) -> str:
    """The command that the first words name; some names are of two words.

    Raises:
        InputError: there is no such command.
    """
    for length in (2, 1):
        name = " ".join(words[:length])
        if name in COMMANDS:
            return name
    parts = [name.partition(" ")[2] for name in COMMANDS if name.startswith(f"{words[0]} ")]
    if parts:
        raise InputError(f"nca {words[0]} needs one of {', '.join(parts)} after it")
    raise InputError(f"no command {words[0]!r}; there are {', '.join(COMMANDS)}")


def parse(name: str, command: Command, words: Sequence[str]) -> Any:
    """Turn the words after a command's name into its settings.

    Raises:
        InputError: they are not right; tyro's first words tell what.
        SystemExit: help was asked for and printed.
    """
    options: dict[str, Any] = {}
    if command.defaults is not None:
        options["default"] = command.defaults(words)
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            return tyro.cli(
                command.settings,
                prog=f"nca {name}",
                args=words,
                config=(
                    tyro.conf.FlagCreatePairsOff,
                    tyro.conf.OmitArgPrefixes,
                    tyro.conf.SuppressFixed,
                ),
                **options,
            )
    except SystemExit as stop:
        if not stop.code:
            raise
        raise InputError(f"{first_words(complaint.getvalue())}; see nca {name} --help") from None


def first_words(box: str) -> str:
    """What stands in tyro's box of complaint up to the first rule or further explanation."""
    words: list[str] = []
    for line in box.splitlines()[1:]:
        text = line.strip("│ ")
        if not text.startswith(("─", "╰", "---", "Argument helptext")):
            words.append(text)
        elif words:  # where there is no Unicode, a rule stands above them too
            break
    said = " ".join(words)
    # For an optional value tyro lists every type that it tried, with classes and addresses.
    said = re.sub(r": no type matching \{None\}\|(\S+) could .* from \[(.*?)\]\. +Got .*",
                  r": \2 is not of the kind \1", said)  # fmt: skip
    # Of a settings class that refuses a value tyro tells the name, which means nothing to a person.
    return re.sub(r"^Error parsing \w+: ", "", said) or "wrong use"


def as_flags(text: str) -> str:
    """The text of an error with parameters, which are in backticks, as flags."""
    return re.sub("`([a-z_0-9]+)`", lambda name: "--" + name[1].replace("_", "-"), text)


def usage() -> str:
    """What ``nca --help`` prints."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {command.summary}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            "usage: nca COMMAND ...",
            "",
            nca.__doc__ or "",
            "",
            *lines,
            "",
            "nca COMMAND --help tells the settings of a command; --debug shows where an error is.",
        ]
    )
