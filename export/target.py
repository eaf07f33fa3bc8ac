"""The interface of export targets: turn rules into files, and compare them with torch."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import torch
from moderngl import Context
from torch import Tensor
from typing_extensions import override

from nca.errors import InputError
from nca.exporters.glsl.text import file_names, one_line
from nca.exporters.glsl.weights import MAX_INLINE_MATRICES, matrix_count
from nca.exporters.parity.compare import MEASURED_GRID, Difference, compare
from nca.exporters.settings import ExportOptions, StateFormat
from nca.rule import Rule
from nca.rulefile import RuleFile

Files = Mapping[str, bytes]
Rules = Mapping[str, RuleFile]

LONG_SHADER = 65_000  # characters, including the weights
# More unrolled matrices than this take minutes to compile on a CPU renderer.
MAX_MEASURED_MATRICES = 2000


@dataclass(frozen=True, kw_only=True)
class Target(ABC):
    """An export target.

    Attributes:
        verified: how the result was tested, or that it is untested, and why.
        suffix: extension, if each rule is a single file; None: the result is a folder.
        baked: whether the result is a finished picture, which does not run the rule.
        default_out: path of the result if none is given; None: a path is needed.
        bundled: bundled rules that are exported if none are given; empty: all.
    """

    verified: str
    suffix: str | None = None
    baked: bool = False
    default_out: Path | None = None
    bundled: tuple[str, ...] = ()

    @abstractmethod
    def build(self, rules: Rules, options: ExportOptions) -> Files:
        """Make all files of the result; return them by path inside its folder.

        Raises:
            InputError: there is no rule, a weight is not finite, or an option does not fit.
        """

    @abstractmethod
    def measure(
        self, rules: Rules, files: Files, options: ExportOptions, context: Context | None = None
    ) -> dict[str, Difference]:
        """Run the files as the target program would; return differences from torch, by rule."""

    def printed(self, rules: Rules, options: ExportOptions) -> list[str]:
        """Return the result as lines for a terminal if no path is given; empty: it needs a path."""
        del rules, options
        return []

    def is_file(self, rules: Rules, out: Path) -> bool:
        """Whether the result is the single file ``out`` instead of a folder."""
        return self.suffix is not None and len(rules) == 1 and out.suffix == self.suffix


@dataclass(frozen=True, kw_only=True)
class RuleTarget(Target):
    """A target with a file or a folder per rule.

    Attributes:
        build_rule: ``build_rule(name, rule file, options)`` returns the files of one rule by name.
        run: runs these files as the target program would. ``run(files, rule, options, state,
            frames, context)`` gets a state [C, H, W], starts at step 0, and returns the state after
            ``frames`` frames of ``frame_steps`` steps each. None: they cannot be run here.
        draw: draws a state as the target program would: ``draw(files, rule, options, state,
            context)`` returns what :func:`nca.exporters.parity.compare.picture` returns. None:
            pictures are not compared.
        frame_steps: number of steps per frame.
        grid: size of the state (height, width) that ``run`` needs; None: any.
        states: supported formats of the state.
        inline: whether weights can only be literals in the shader.
        longest: largest number of characters in a shader that users report to work; None: no known
            limit.
    """

    build_rule: Callable[[str, RuleFile, ExportOptions], Files]
    run: Callable[[Files, Rule, ExportOptions, Tensor, int, Context], Tensor] | None = None
    draw: Callable[[Files, Rule, ExportOptions, Tensor, Context], Tensor] | None = None
    frame_steps: Callable[[Rule, ExportOptions], int] = lambda rule, options: free_steps(options)
    grid: Callable[[Rule, ExportOptions], tuple[int, int]] | None = None
    states: tuple[StateFormat, ...] = get_args(StateFormat)
    inline: bool = False
    longest: int | None = None

    @override
    def build(self, rules: Rules, options: ExportOptions) -> Files:
        check_rules(rules)
        if options.state not in self.states:
            states = " or ".join(self.states)
            raise InputError(f"`state` {options.state}: this target supports {states}")
        if self.inline and options.weights == "texture":
            raise InputError(
                "`weights` texture: this target has no weight texture; use auto or inline"
            )
        built: dict[str, bytes] = {}
        for stem, (name, file) in zip(file_names(rules), rules.items(), strict=True):
            start = self._start(stem, rules)
            if self.suffix:
                (built[start],) = self.build_rule(stem, file, options).values()
            else:
                files = self.build_rule(name, file, options)
                built |= {start + path: data for path, data in files.items()}
        return built

    @override
    def measure(
        self, rules: Rules, files: Files, options: ExportOptions, context: Context | None = None
    ) -> dict[str, Difference]:
        differences: dict[str, Difference] = {}
        for stem, (name, file) in zip(file_names(rules), rules.items(), strict=True):
            start = self._start(stem, rules)
            cut = 0 if self.suffix else len(start)
            part = {path[cut:]: files[path] for path in files if path.startswith(start)}
            difference = self._compare(part, file.rule, options, context)
            notes = (*self._notes(part, file.rule, options), *difference.notes)
            differences[name] = replace(difference, notes=notes)
        return differences

    def _start(self, stem: str, rules: Rules) -> str:
        """Return the path of a rule's file, or the beginning of the paths of its files."""
        if self.suffix:
            return stem + self.suffix
        return f"{stem}/" if len(rules) > 1 else ""

    def _compare(
        self, files: Files, rule: Rule, options: ExportOptions, context: Context | None
    ) -> Difference:
        run, draw = self.run, self.draw
        if run is None:
            return Difference(None, reason="it cannot be run here")
        if options.weights == "inline" and matrix_count(rule) > MAX_MEASURED_MATRICES:
            return Difference(None, reason="such a large shader takes minutes to compile here")
        size = self.grid(rule, options) if self.grid else MEASURED_GRID
        frames = max(1, 8 // self.frame_steps(rule, options))
        return compare(
            lambda state, used: run(files, rule, options, state, frames, used),
            rule,
            size,
            frames * self.frame_steps(rule, options),
            options.seed,
            context,
            draw and (lambda state, used: draw(files, rule, options, state, used)),
        )

    def _notes(self, files: Files, rule: Rule, options: ExportOptions) -> Iterator[str]:
        longest = max((len(data) for name, data in files.items() if _is_shader(name)), default=0)
        if self.longest is not None and longest > self.longest:
            shorter = "; `digits` 5 makes it shorter" if options.digits > 5 else ""
            limit = f"more than {self.longest} may be too many"
            yield f"one shader has {longest} characters; {limit}{shorter}"
        if longest > LONG_SHADER and matrix_count(rule) > MAX_INLINE_MATRICES:
            yield "a shader with this many numbers compiles slowly on some drivers"
        trained = rule.settings.quantization.state
        if options.state == "rgba8" and (trained is None or trained.levels != 256):
            yield "this rule was not trained for an 8-bit state and may look different"


def check_rules(rules: Rules) -> None:
    """Refuse to export without a rule, or a rule that cannot be exported.

    Raises:
        InputError: there is no rule, or a weight is not finite.
    """
    if not rules:
        raise InputError("no rule to export; give at least one rule file")
    for name, file in rules.items():
        for tensor, values in (*file.rule.named_parameters(), ("filters", file.rule.filters)):
            if not torch.isfinite(values).all():
                raise InputError(f"{one_line(name)}: {tensor} holds a number that is not finite")


def free_steps(options: ExportOptions) -> int:
    """Return the steps per frame for a target that allows any number."""
    return options.steps_per_frame or 4


def _is_shader(name: str) -> bool:
    return name.rpartition(".")[2] in ("glsl", "frag", "fs", "wgsl")
