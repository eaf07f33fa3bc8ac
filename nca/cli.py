"""The command line: parse settings, call one function, print its result.

Modules that need torch are imported by the command that needs them, so that help appears at once.
"""

import os
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

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
from nca.commands.config import with_config
from nca.commands.parsing import of_preset, parse, train_defaults, with_preset
from nca.commands.settings import (
    ClassicSettings,
    DemoSettings,
    DoctorSettings,
    InfoSettings,
    PlaySettings,
    RenderSettings,
)
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
from nca.exporters.settings import ExportSettings, ImportSettings
from nca.options import as_flags
from nca.style.settings import PRESETS as STYLE_PRESETS
from nca.style.settings import ReconstructSettings, StyleSettings, VisualizeSettings
from nca.system.console import flush_output, prepare_console
from nca.system.signals import Terminated, raise_on_termination
from nca.texture.settings import TrainSettings
from nca.viewer.settings import ViewSettings


def as_lines(settings: Any, result: Any) -> str:
    """The result as text, with each entry of a list on its own line; empty for None."""
    del settings
    if result is None:
        return ""
    return "\n".join(map(str, result)) if isinstance(result, list) else str(result)


def no_text(settings: Any, result: Any) -> str:
    """No text, for commands that open a window."""
    del settings, result
    return ""


def show_evaluations(settings: EvalSettings, evaluations: Any) -> str:
    """Each rule's main figures and the path of the report; for a vote, only the page's path."""
    if settings.vote is not None:
        return str(settings.vote)
    lines = []
    for evaluation in evaluations:
        said, run = f"{evaluation.name}: {evaluation.figures['verdict']}", evaluation.figures["run"]
        if run:
            said += f"; patch distance {run[-1]['patch']:.2f} after {run[-1]['steps']:,} steps"
        lines.append(said)
    return "\n".join([*lines, str(settings.out)])


def show_figures(settings: Any, report: Any) -> str:
    """The table of a benchmark, as text; also writes the files that the settings request."""
    if settings.json is not None:
        report.write(settings.json)
    if isinstance(settings, BenchTrainSettings) and settings.plot is not None:
        import_module("nca.benchmarks.measuring.plot").draw(report, settings.plot)
    return str(report.table())


@dataclass(frozen=True)
class Command:
    """A command: its settings, its function, and the source of its defaults.

    Attributes:
        settings: class of the settings.
        runs: ``module:function``, which takes the settings; the module is imported only when the
            command runs.
        show: returns the text to print, given the settings and the result.
        defaults: returns the default settings, which may depend on the words of the command line.
        presets: returns the names of further presets. The words are parsed again with each of
            them, and the function gets the resulting settings as additional arguments.
    """

    settings: type[Any]
    runs: str
    show: Callable[[Any, Any], str] = as_lines
    defaults: Callable[[Sequence[str]], Any] | None = None
    presets: Callable[[Any], Sequence[str]] = lambda _: ()

    @property
    def summary(self) -> str:
        """First line of the help text."""
        return (self.settings.__doc__ or "").partition("\n")[0]

    def options(self) -> Any:
        """The options of the command as data, with their defaults."""
        catalog = import_module("nca.commands.catalog")
        if self.defaults is None:
            return catalog.options_of(self.settings)
        return [*catalog.options_of(self.defaults(())), catalog.CONFIG]


COMMANDS = {
    "train": Command(
        TrainSettings,
        "nca.texture.command:train_all",
        defaults=train_defaults,
        presets=lambda settings: settings.task.presets,
    ),
    "export": Command(ExportSettings, "nca.commands.export:export"),
    "import": Command(ImportSettings, "nca.exporters.importers:import_rules"),
    "view": Command(ViewSettings, "nca.viewer.app:run", no_text),
    "render": Command(RenderSettings, "nca.commands.render:render"),
    "play": Command(PlaySettings, "nca.commands.play:play"),
    "classic": Command(ClassicSettings, "nca.commands.classic:classic"),
    "eval": Command(EvalSettings, "nca.evaluation.vote:evaluate_or_vote", show_evaluations),
    "info": Command(InfoSettings, "nca.commands.info:info"),
    "doctor": Command(DoctorSettings, "nca.commands.doctor:doctor"),
    "style": Command(
        StyleSettings,
        "nca.style.video:paint",
        defaults=of_preset(StyleSettings, STYLE_PRESETS, "content", "out", styles=()),
    ),
    "style visualize": Command(VisualizeSettings, "nca.style.visualize:visualize"),
    "style reconstruct": Command(ReconstructSettings, "nca.style.train:reconstruct"),
    "demo": Command(DemoSettings, "nca.commands.demo:demo"),
    "ddpm train": Command(
        DDPMTrainSettings,
        "nca.ddpm.train:train",
        defaults=of_preset(DDPMTrainSettings, DDPM_PRESETS, "data", "out"),
    ),
    "ddpm sample": Command(SampleSettings, "nca.ddpm.command:sample"),
    "ddpm fid": Command(FidSettings, "nca.ddpm.fid.evaluator:measure"),
    "bench train": Command(BenchTrainSettings, "nca.benchmarks.train:run", show_figures),
    "bench style": Command(BenchStyleSettings, "nca.benchmarks.style:run", show_figures),
    "bench ddpm": Command(BenchDDPMSettings, "nca.benchmarks.ddpm:run", show_figures),
    "bench load": Command(BenchLoadSettings, "nca.benchmarks.load:run", show_figures),
    "bench gpu": Command(BenchGpuSettings, "nca.benchmarks.gpu:run", show_figures),
    "bench core": Command(BenchCoreSettings, "nca.benchmarks.core:run", show_figures),
    "bench view": Command(BenchViewSettings, "nca.benchmarks.view:run", show_figures),
    "bench page": Command(BenchPageSettings, "nca.benchmarks.page:run", show_figures),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit code. 0: done; 1: failed; 2: wrong use or bad input; 3: no usable OpenGL; 130:
            interrupted, after saving; 128 + n: ended by signal n, after saving.
    """
    prepare_console()
    ensure_home()
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
        return FAILED  # the reader of our output, such as `head`, has closed it
    except (InputError, GraphicsError, OSError, RuntimeError, MemoryError) as error:
        if debug:
            raise
        print(f"nca: {as_flags(one_line(error))}", file=sys.stderr)
        return exit_code(error)
    return DONE


def run_command(words: Sequence[str]) -> None:
    """Run the command that the words ask for, or print the requested help."""
    if words[:1] == ["--print-completion"]:
        print(completion(words[1:]))
        return
    if not words or words[0] in ("-h", "--help", "--version"):
        print(version() if words[:1] == ["--version"] else usage())
        return
    name = command_name(words)
    command = COMMANDS[name]
    words = words[name.count(" ") + 1 :]

    if command.defaults is not None:
        words = with_config(words, command.defaults)

    def settings_of(words: Sequence[str]) -> Any:
        defaults = None if command.defaults is None else command.defaults(words)
        return parse(name, command.settings, words, defaults)

    settings = settings_of(words)
    variants = [settings_of(with_preset(words, p)) for p in command.presets(settings)]
    module, _, function = command.runs.partition(":")
    text = command.show(settings, getattr(import_module(module), function)(settings, *variants))
    if text:
        print(text)


def ensure_home() -> None:
    """Set a home folder for users without one, as in some containers.

    Some libraries cannot be imported without a home folder. The root folder is used as the home
    folder, as in Docker. If ``HOME`` is a relative path, the home folder from the user database is
    used instead.
    """
    home = os.environ.get("HOME")
    if home is not None and not Path(home).is_absolute():
        del os.environ["HOME"]
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = os.sep


def command_name(words: Sequence[str]) -> str:
    """Name of the command, which is the first word or the first two words.

    Raises:
        InputError: there is no such command.
    """
    for length in (2, 1):
        name = " ".join(words[:length])
        if name in COMMANDS:
            return name
    parts = [name.partition(" ")[2] for name in COMMANDS if name.startswith(f"{words[0]} ")]
    if parts:
        raise InputError(f"nca {words[0]} must be followed by one of {', '.join(parts)}")
    raise InputError(f"no command {words[0]!r}; the commands are {', '.join(COMMANDS)}")


def version() -> str:
    """What ``nca --version`` prints."""
    import torch  # noqa: PLC0415  (heavy)

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    return f"nca {nca.__version__}, torch {torch.__version__}, {device}"


def completion(words: Sequence[str]) -> str:
    """What ``nca --print-completion SHELL`` prints."""
    module = import_module("nca.commands.completion")
    named = {
        name: module.Completions(command.summary, command.options())
        for name, command in COMMANDS.items()
    }
    return str(module.script(" ".join(words), named))


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
            'Run "nca COMMAND --help" to see its options. With --debug, errors show a traceback.',
            '"nca --print-completion SHELL" prints a completion script for bash, zsh or fish.',
        ]
    )
