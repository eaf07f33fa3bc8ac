"""What a host of shaders is to the rest: a name, a builder of files, and a way to run them here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from nca.errors import InputError
from nca.export.settings import ExportOptions, StateFormat
from nca.export.weights import MAX_INLINE_MATRICES, Store, WeightBlocks, choose_store
from nca.rule import EIGHT_BIT_STATE, Rule
from nca.rulefile import RuleFile

if TYPE_CHECKING:
    import moderngl

Files = Mapping[str, bytes]

LONG_SHADER = 65_000  # characters: the weights are in it


class NotMeasuredError(Exception):
    """The exported shader cannot be run here; the text says why."""


@dataclass(frozen=True)
class Target:
    """A host of shaders.

    Attributes:
        summary: one line, for help and lists.
        build: the files of one rule, by name: ``build(name, rule file, options)``.
        run: run the files here, as the host would: ``run(files, rule, options, state, frames,
            context)`` takes a state [C, H, W], starts at step 0 and returns the state after
            ``frames`` frames of ``steps_per_frame`` steps each. None: it cannot be run here.
        frame_steps: steps that one frame makes.
        suffix: ending of the one file of a rule; None: a rule is a folder of files.
        verified: how the result was made sure to work, or that it is untested, and why.
        grid: sides of the state (height, width) that ``run`` needs; None: any.
        longest: characters of one shader that users of the host report as the most it takes; None:
            no such limit is known.
    """

    summary: str
    build: Callable[[str, RuleFile, ExportOptions], Files]
    run: "Callable[[Files, Rule, ExportOptions, Tensor, int, moderngl.Context], Tensor] | None"
    frame_steps: Callable[[Rule, ExportOptions], int]
    verified: str
    suffix: str | None = None
    grid: Callable[[Rule, ExportOptions], tuple[int, int]] | None = None
    longest: int | None = None


def check_state(options: ExportOptions, target: str, *known: StateFormat) -> None:
    """Refuse a format of the state that a host does not have.

    Raises:
        InputError: it is none of the known ones.
    """
    if options.state not in known:
        raise InputError(
            f"--state {options.state}: {target} keeps its state in {' or '.join(known)}"
        )


def check_inline(options: ExportOptions, target: str) -> None:
    """Refuse a weight texture for a host that has none.

    Raises:
        InputError: the weights were to go into a texture.
    """
    if options.weights == "texture":
        raise InputError(f"--weights texture: {target} has none; use auto or inline")


def state_code(rule: Rule, state: StateFormat) -> tuple[float, float]:
    """Scale and offset of a texel: it holds the value ``(texel - offset) * scale``."""
    if state != "rgba8":
        return 1.0, 0.0
    quantizer = rule.settings.quantization.state or EIGHT_BIT_STATE
    return quantizer.range, quantizer.zero


def store_of(rule: Rule, options: ExportOptions) -> Store:
    """Where the weights go, for hosts that have both places."""
    return choose_store(rule, options.weights)


def matrix_count(rule: Rule) -> int:
    """Count the 4x4 blocks of weights that an unrolled shader multiplies by."""
    blocks = WeightBlocks(rule)
    return blocks.hidden_groups * blocks.groups * (blocks.filters + 1)


def notes(target: Target, rule: Rule, options: ExportOptions, files: Files) -> list[str]:
    """What a person should know about these files."""
    found = []
    settings = rule.settings
    longest = max((len(data) for name, data in files.items() if _is_shader(name)), default=0)
    if target.longest is not None and longest > target.longest:
        shorter = "; --digits 5 makes it shorter" if options.digits > 5 else ""
        found.append(
            f"{longest} characters in one shader, {target.longest} may be too many{shorter}"
        )
    if longest > LONG_SHADER and matrix_count(rule) > MAX_INLINE_MATRICES:
        found.append("so many numbers in a shader compile slowly on some drivers")
    trained = settings.quantization.state
    if options.state == "rgba8" and (trained is None or trained.levels != 256):
        found.append("this rule was not trained for an 8-bit state and may look different")
    return [*found, *rounding_note(rule)]


def rounding_note(rule: Rule) -> list[str]:
    """Why a rule that rounds does not follow torch exactly; empty for one that does not."""
    steps = [q.range / (q.levels - 1) for q in vars(rule.settings.quantization).values() if q]
    if not steps:
        return []
    return [
        f"this rule rounds to levels up to {max(steps):.2g} apart; a sum added up in another"
        " order may be rounded to the neighboring level"
    ]


def _is_shader(name: str) -> bool:
    return name.rpartition(".")[2] in ("glsl", "frag", "fs", "wgsl")
