"""The command line: settings in, one call, one result printed.

Modules that need torch are imported by the command that needs them, so that help is there at once.
"""

import contextlib
import io
import itertools
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import tyro

import nca
from nca.benchmarks.settings import BenchDDPMSettings, BenchTrainSettings
from nca.ddpm.settings import PRESETS as DDPM_PRESETS
from nca.ddpm.settings import FidSettings, SampleSettings
from nca.ddpm.settings import TrainSettings as DDPMTrainSettings
from nca.errors import GraphicsError, InputError
from nca.evaluation.settings import EvalSettings
from nca.export.settings import ExportSettings, ImportSettings
from nca.settings import DemoSettings, InfoSettings, RenderSettings
from nca.texture.settings import PRESETS, TrainSettings
from nca.viewer.settings import ViewSettings

DONE, FAILED, WRONG_USE, NO_GRAPHICS, INTERRUPTED = 0, 1, 2, 3, 130


@dataclass(frozen=True)
class Command:
    """A command: the settings it takes, what it does, and where its defaults come from."""

    settings: type[Any]
    run: Callable[[Any], None]
    defaults: Callable[[Sequence[str]], Any] | None = None

    @property
    def summary(self) -> str:
        """First line of the help text."""
        return (self.settings.__doc__ or "").partition("\n")[0]


def run_train(settings: TrainSettings) -> None:
    """Train, and say where the results are."""
    from nca.texture.train import train
    from nca.viewer.watch import start_beside

    trained = train(settings, start_beside if settings.view else None)
    print(f"{trained.iterations} iterations in {trained.seconds:.0f} s: {trained.folder}")
    for name, what in trained.results.items():
        print(f"  {trained.folder / name}  {what}")
    losses = ", ".join(
        f"{loss:.3f} as {state}" if loss is not None else f"blown up as {state}"
        for state, loss in trained.loss_by_state.items()
    )
    print(f"Texture loss by the state's format: {losses}")


def run_demo(settings: DemoSettings) -> None:
    """Train on a bundled picture and make its page."""
    from nca.demo import demo

    for path, what in demo(settings).items():
        print(f"  {path}  {what}")


def run_export(settings: ExportSettings) -> None:
    """Write a page or shaders, and say what was written."""
    from nca.export.command import export_rules

    print("\n".join(export_rules(settings)))


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
    from nca.render import render

    print(render(settings))


def run_eval(settings: EvalSettings) -> None:
    """Measure a rule, and say the most important figures."""
    from nca.evaluation.report import evaluate

    for evaluation in evaluate(settings):
        last = evaluation.figures["run"][-1] if evaluation.figures["run"] else {"patch": "-"}
        print(f"{evaluation.name}: {evaluation.figures['verdict']}, patch distance {last['patch']}")
    print(settings.out)


def run_info(settings: InfoSettings) -> None:
    """Describe a rule file."""
    from nca.info import describe_rule, format_description

    description = describe_rule(settings.rule)
    print(json.dumps(description) if settings.json else format_description(description))


def run_ddpm_train(settings: DDPMTrainSettings) -> None:
    """Train a diffusion model, and say where the results are."""
    from nca.ddpm.train import train

    trained = train(settings)
    print(f"{trained.iterations} iterations in {trained.seconds:.0f} s: {trained.folder}")
    for name, what in trained.results.items():
        print(f"  {trained.folder / name}  {what}")


def run_ddpm_sample(settings: SampleSettings) -> None:
    """Draw pictures, and say where they are."""
    from nca.ddpm.sample import sample

    print(sample(settings).path)


def run_ddpm_fid(settings: FidSettings) -> None:
    """Measure samples, and print a table."""
    from nca.ddpm.fid import measure

    print(measure(settings).table())


def run_bench_train(settings: BenchTrainSettings) -> None:
    """Measure and print a table."""
    from nca.benchmarks.train import run

    print(run(settings).table())


def run_bench_ddpm(settings: BenchDDPMSettings) -> None:
    """Measure and print a table."""
    from nca.benchmarks.ddpm import run

    print(run(settings).table())


def train_defaults(arguments: Sequence[str]) -> TrainSettings:
    """The preset that is asked for gives the defaults; the help text shows them."""
    words = [word for argument in arguments for word in argument.split("=", 1)]
    preset = PRESETS["small"]
    for flag, name in itertools.pairwise(words):
        if flag == "--preset" and name in PRESETS:
            preset = PRESETS[name]
    return replace(preset, picture=tyro.MISSING, out=tyro.MISSING)


def ddpm_defaults(arguments: Sequence[str]) -> DDPMTrainSettings:
    """The preset that is asked for gives the defaults; the help text shows them."""
    words = [word for argument in arguments for word in argument.split("=", 1)]
    preset = DDPM_PRESETS["small"]
    for flag, name in itertools.pairwise(words):
        if flag == "--preset" and name in DDPM_PRESETS:
            preset = DDPM_PRESETS[name]
    return replace(preset, data=tyro.MISSING, out=tyro.MISSING)


COMMANDS = {
    "train": Command(TrainSettings, run_train, train_defaults),
    "export": Command(ExportSettings, run_export),
    "import": Command(ImportSettings, run_import),
    "view": Command(ViewSettings, run_view),
    "render": Command(RenderSettings, run_render),
    "eval": Command(EvalSettings, run_eval),
    "info": Command(InfoSettings, run_info),
    "demo": Command(DemoSettings, run_demo),
    "ddpm train": Command(DDPMTrainSettings, run_ddpm_train, ddpm_defaults),
    "ddpm sample": Command(SampleSettings, run_ddpm_sample),
    "ddpm fid": Command(FidSettings, run_ddpm_fid),
    "bench train": Command(BenchTrainSettings, run_bench_train),
    "bench ddpm": Command(BenchDDPMSettings, run_bench_ddpm),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit code: 0 done, 1 failed, 2 wrong use or bad input, 3 no usable OpenGL, 130
        interrupted, after saving.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    if not words or words[0] in ("-h", "--help"):
        print(usage())
        return DONE
    if words[0] == "--version":
        print(nca.__version__)
        return DONE
    try:
        name = command_name(words)
        command = COMMANDS[name]
        command.run(parse(name, command, words[name.count(" ") + 1 :]))
    except KeyboardInterrupt:
        print("nca: interrupted", file=sys.stderr)
        return INTERRUPTED
    except (InputError, GraphicsError, OSError, RuntimeError, MemoryError) as error:
        if debug:
            raise
        print(f"nca: {one_line(error)}", file=sys.stderr)
        if isinstance(error, InputError):
            return WRONG_USE
        return NO_GRAPHICS if isinstance(error, GraphicsError) else FAILED
    return DONE


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
                config=(tyro.conf.FlagCreatePairsOff,),
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
        if text.startswith(("─", "╰", "Argument helptext")):
            break
        words.append(text)
    return " ".join(words) or "wrong use"


def one_line(error: BaseException) -> str:
    """The text of an error without line breaks, its kind where it has no text."""
    return " ".join(str(error).split()) or type(error).__name__


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
