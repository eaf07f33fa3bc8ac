"""Every host of shaders by name, and ``export``: build the files, measure them, write them."""

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import moderngl
import torch

from nca.errors import GraphicsError, InputError
from nca.export import glslviewer, godot, isf, plain, shadertoy, touchdesigner, wgsl
from nca.export.manifest import with_measurement
from nca.export.settings import ExportOptions
from nca.export.target import Files, NotMeasuredError, Target, matrix_count, notes
from nca.export.text import file_names
from nca.files import write_atomically
from nca.gl.context import open_headless
from nca.outputs import check_free
from nca.rule import Rule
from nca.rulefile import RuleFile

NamedRule = tuple[str, RuleFile]

TARGETS: dict[str, Target] = {
    "glsl": plain.TARGET,
    "shadertoy": shadertoy.TARGET,
    "isf": isf.TARGET,
    "glslviewer": glslviewer.TARGET,
    "touchdesigner": touchdesigner.TARGET,
    "godot": godot.TARGET,
    "wgsl": wgsl.TARGET,
}

# Compiling more unrolled matrices than this takes minutes on a CPU renderer.
MAX_MEASURED_MATRICES = 2000
MEASURED_GRID = (48, 64)


@dataclass(frozen=True)
class ExportedFile:
    """A file that was written.

    Attributes:
        path: where.
        size: in bytes.
    """

    path: Path
    size: int


@dataclass(frozen=True)
class Difference:
    """How far an exported rule is from torch.

    Attributes:
        largest: largest absolute difference of any value, None if it was not measured.
        steps: after so many steps from a grown state.
        reason: why it was not measured, else empty.
    """

    largest: float | None
    steps: int = 0
    reason: str = ""

    def __str__(self) -> str:
        if self.largest is None:
            return f"not measured: {self.reason}"
        return f"{self.largest:.2g} largest difference to torch after {self.steps} steps"


@dataclass
class ExportReport:
    """What an export gave.

    Attributes:
        target: its name.
        files: all that was written.
        differences: by name of the rule.
        notes: what a person should know, by name of the rule.
        verified: how this target is known to work, or that it is untested.
    """

    target: str
    files: list[ExportedFile] = field(default_factory=list)
    differences: dict[str, Difference] = field(default_factory=dict)
    notes: dict[str, list[str]] = field(default_factory=dict)
    verified: str = ""

    def lines(self) -> list[str]:
        """Text for a terminal."""
        text = [f"{one.path}  {one.size:,} bytes" for one in self.files]
        for name, difference in self.differences.items():
            text.append(f"{name}: {difference}")
            text += [f"{name}: {note}" for note in self.notes.get(name, [])]
        return [*text, f"{self.target}: {self.verified}"]


def export(
    rules: Sequence[NamedRule],
    target: str,
    out: Path,
    options: ExportOptions,
    *,
    context: moderngl.Context | None = None,
) -> ExportReport:
    """Turn rules into what a host runs.

    One rule of a host with one file is written to ``out``, or, if that has another ending, to
    ``out/<name>``; the files of any other host go to the folder ``out``, and those of several
    rules to folders ``out/<name>``. All text is made before anything is written; nothing that is
    there is touched without ``options.overwrite``, and then only files of the same names.

    Args:
        rules: names and rules, at least one.
        target: a name of :data:`TARGETS`.
        out: file or folder.
        options: what may be chosen.
        context: OpenGL context to measure with; default: one is made.

    Raises:
        InputError: an unknown target, an option that the host does not have, a weight that is not
            finite, or a path that is there, or cannot be written.
    """
    host = TARGETS.get(target)
    if host is None:
        raise InputError(f"--to {target}: no such target; there are {', '.join(TARGETS)}")
    if not rules:
        raise InputError("no rule to export; give at least one rule file")
    for name, file in rules:
        check_finite(name, file.rule)
    single = host.suffix is not None and len(rules) == 1 and out.suffix == host.suffix
    check_free(out, options.overwrite, file=single)
    report = ExportReport(target, verified=host.verified)
    written: dict[str, bytes] = {}
    for folder, (name, file) in zip(file_names(name for name, _ in rules), rules, strict=True):
        files = host.build(folder if host.suffix else name, file, options)
        difference = measure(host, files, file.rule, options, context)
        report.differences[folder] = difference
        report.notes[folder] = notes(host, file.rule, options, files)
        files = _with_measured(files, difference)
        inside = f"{folder}/" if len(rules) > 1 and not host.suffix else ""
        written |= {inside + path: data for path, data in files.items()}
    if single:
        (data,) = written.values()
        write_atomically(out, data)
        report.files.append(ExportedFile(out, len(data)))
    else:
        report.files += write_folder(out, written)
    return report


def check_finite(name: str, rule: Rule) -> None:
    """Refuse a rule with a weight that no shader can say.

    Raises:
        InputError: names the tensor.
    """
    tensors = {**dict(rule.named_parameters()), "filters": rule.filters}
    for tensor, values in tensors.items():
        if not torch.isfinite(values).all():
            raise InputError(f"{name}: {tensor} holds a number that is not finite")


def measure(
    host: Target,
    files: Files,
    rule: Rule,
    options: ExportOptions,
    context: moderngl.Context | None = None,
) -> Difference:
    """Run the files as the host would, and compare with torch."""
    if host.run is None:
        return Difference(None, reason=host.verified)
    if options.weights == "inline" and matrix_count(rule) > MAX_MEASURED_MATRICES:
        return Difference(None, reason="so large a shader takes minutes to compile here")
    size = host.grid(rule, options) if host.grid else MEASURED_GRID
    frames = max(1, 8 // host.frame_steps(rule, options))
    steps = frames * host.frame_steps(rule, options)

    def run(state: torch.Tensor, used: moderngl.Context) -> torch.Tensor:
        assert host.run is not None
        return host.run(files, rule, options, state, frames, used)

    return compare(run, rule, size, steps, options.seed, context)


def compare(
    run: Callable[[torch.Tensor, moderngl.Context], torch.Tensor],
    rule: Rule,
    size: tuple[int, int],
    steps: int,
    seed: int,
    context: moderngl.Context | None = None,
) -> Difference:
    """Compare ``run(state [C, H, W], context)`` with some steps of torch from a grown state."""
    state = grown_state(rule, *size, seed)
    expected = rule(state, steps, seed=seed)[0]
    own = context is None
    try:
        used = open_headless() if context is None else context
        try:
            got = run(state[0], used)
        finally:
            if own:
                used.release()
    except (GraphicsError, NotMeasuredError) as error:
        return Difference(None, reason=str(error))
    return Difference(float((got - expected).abs().max()), steps)


def grown_state(rule: Rule, height: int, width: int, seed: int) -> torch.Tensor:
    """A state [1, C, H, W] in which a rule is at work: 32 steps from its seed and some noise."""
    state = rule.seed(1, height, width, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    # Wide enough that cells live where a rule knows death: dead ones compare nothing.
    width_of_noise = 0.2 + 4 * max(0.0, rule.settings.alive_threshold or 0.0)
    state = state + width_of_noise * (torch.rand(state.shape, generator=generator) - 0.5)
    grown: torch.Tensor = rule(state, 32, seed=(seed + 1) % 2**32)
    return grown


def _with_measured(files: Files, difference: Difference) -> Files:
    if "manifest.json" not in files:
        return files
    measured: dict[str, Any] = {"largest": difference.largest, "steps": difference.steps}
    if difference.reason:
        measured["reason"] = difference.reason
    return {**files, "manifest.json": with_measurement(files["manifest.json"], measured)}


def write_folder(out: Path, files: Mapping[str, bytes]) -> list[ExportedFile]:
    """Write files into a folder: all or, if anything fails before the last renames, none.

    Args:
        out: the folder; it is made. Files of other names in it stay.
        files: contents by path inside it.

    Raises:
        InputError: it cannot be written.
    """
    try:
        temporary = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}."))
    except OSError as error:
        _cannot_write(out, error)
    try:
        for path, data in files.items():
            place = temporary / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
        _move(temporary, out, files)
    except OSError as error:
        _cannot_write(out, error)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return [ExportedFile(out / path, len(data)) for path, data in files.items()]


def _move(temporary: Path, out: Path, files: Mapping[str, bytes]) -> None:
    if not out.exists():
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o777 & ~umask)  # mkdtemp makes private folders
        temporary.rename(out)
        return
    for path in files:
        place = out / path
        place.parent.mkdir(parents=True, exist_ok=True)
        (temporary / path).replace(place)


def _cannot_write(out: Path, error: OSError) -> NoReturn:
    raise InputError(f"cannot write {out}: {error.strerror or error}") from error
