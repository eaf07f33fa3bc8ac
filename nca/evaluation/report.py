"""The evaluation of a rule: what is measured, and the figures as JSON beside the page."""

import json
import statistics
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

import nca
from nca.errors import InputError
from nca.evaluation.measures import DISC, LOOK_EVERY, Healing, Moment, follow, heal, seam
from nca.evaluation.page import page
from nca.evaluation.settings import EvalSettings
from nca.export.component import export_component
from nca.export.hosts import TARGETS
from nca.export.html import export_html
from nca.export.settings import ExportOptions
from nca.files import write_atomically
from nca.images import read_square
from nca.losses.pretrained import fetched
from nca.losses.texture import build_texture_loss
from nca.rule import Rule
from nca.rulefile import RuleFile, load_rule

Figures = dict[str, Any]

STOPS = (100, 1000, 10_000, 100_000)
SIZES = ((64, 64), (256, 256), (512, 512), (31, 77))  # height, width
SIZE_STEPS = 1000
RUNS = 4
FROZEN, SATURATED, DRIFT = 1e-3, 0.2, 1.5
LOSS_SEED = 20_260_131


@dataclass(frozen=True)
class Evaluation:
    """What was measured of one rule.

    Attributes:
        name: of the rule.
        figures: plain numbers, for JSON.
        pictures: by group (``run``, ``seeds``, ``sizes``, ``healing``) and by what they show,
            [3, h, w] in [0, 1].
    """

    name: str
    figures: Figures
    pictures: dict[str, dict[str, Tensor]]


def evaluate(settings: EvalSettings) -> list[Evaluation]:
    """Measure a rule, and its peer if there is one, and write the report.

    Raises:
        InputError: a file cannot be read, or the report is there already or cannot be written.
    """
    figures_path = settings.json or settings.out.with_suffix(".json")
    for path in (settings.out, figures_path):
        if path.exists() and not settings.overwrite:
            raise InputError(f"{path} is already there; choose another, or use --overwrite")
    target = read_square(settings.target, settings.size)[None]
    paths = [path for path in (settings.rule, settings.peer) if path is not None]
    files = [load_rule(path) for path in paths]
    evaluations = [
        measure(name, file, target, settings)
        for name, file in zip(_names(paths), files, strict=True)
    ]
    report = {
        "nca": nca.__version__,
        "target": settings.target.name,
        "size": settings.size,
        "seed": settings.seed,
        "rules": {evaluation.name: evaluation.figures for evaluation in evaluations},
    }
    write_atomically(figures_path, json.dumps(report, indent=1).encode())
    write_atomically(settings.out, page(settings.target.name, target[0], evaluations).encode())
    return evaluations


def _names(paths: list[Path]) -> list[str]:
    """Short names that differ: a rule is often called ``rule``, and its folder tells more."""
    stems = [path.stem for path in paths]
    if len(set(stems)) == len(stems) and "rule" not in stems:
        return stems
    longer = [f"{path.resolve().parent.name}/{path.stem}" for path in paths]
    return longer if len(set(longer)) == len(longer) else [str(path) for path in paths]


def measure(name: str, file: RuleFile, target: Tensor, settings: EvalSettings) -> Evaluation:
    """Measure one rule against a target, [1, 3, S, S]."""
    rule, side, seed = file.rule, settings.size, settings.seed
    square = (side, side)
    stops = [s for s in STOPS if s < settings.steps] + [settings.steps]
    with _telling(name, 1 + RUNS - 1 + len(SIZES) + RUNS + 1) as tell:
        run = tell(follow(rule, target, stops, square, seed))
        others = [
            tell(follow(rule, target, [SIZE_STEPS], square, seed + i)) for i in range(1, RUNS)
        ]
        sizes = {s: tell(follow(rule, target, [SIZE_STEPS], s, seed)) for s in SIZES}
        healing = [tell(heal(rule, target, side, seed + i)) for i in range(RUNS)]
        after = next((m for m in run if m.steps >= SIZE_STEPS), None)
        seeds = [after, *(m[0] if m else None for m in others)]
        figures = {
            "weights": rule.weight_count(),
            "channels": rule.settings.channels,
            "hidden": rule.settings.hidden,
            "verdict": verdict(run, stops),
            "run": certificate(run),
            "seeds": [m and m.patch for m in seeds],
            "sizes": {f"{w}x{h}": m[0].patch if m else None for (h, w), m in sizes.items()},
            "seam": seam(run[-1].picture) if run else None,
            "healing": healing_figures(healing),
            "losses": losses(rule, target, settings, after) if after else {},
            "exports": tell(export_sizes(name, file)),
        }
    pictures = {
        "run": {f"{m.steps:,} steps": m.picture for m in run},
        "seeds": {f"seed {seed + i}": m.picture for i, m in enumerate(seeds) if m},
        "sizes": {f"{w} x {h}": m[0].picture for (h, w), m in sizes.items() if m},
        "healing": {
            "grown": healing[0].before,
            "a disc is erased": healing[0].erased,
            _healed(healing[0]): healing[0].after,
        },
    }
    return Evaluation(name, figures, pictures)


@contextmanager
def _telling(name: str, parts: int) -> Iterator[Any]:
    """Count the finished parts on a terminal; ``tell(value)`` gives the value back."""
    with tqdm(total=parts, desc=name, disable=None, leave=False) as bar:

        def tell(value: Any) -> Any:
            bar.update()
            return value

        yield tell


def _healed(healing: Healing) -> str:
    return "2,000 steps later" if healing.steps is None else f"{healing.steps} steps later"


def certificate(run: list[Moment]) -> list[Figures]:
    """The numbers of every moment; ``drift`` is its patch distance, the one at 1,000 steps = 1."""
    early = next((m for m in run if m.steps >= SIZE_STEPS), run[-1] if run else None)
    return [
        {k: v for k, v in vars(m).items() if k != "picture"}
        | {"drift": m.patch / max(early.patch, 1e-6) if early else None}
        for m in run
    ]


def verdict(run: list[Moment], stops: Iterable[int]) -> str:
    """One word for a long run: ``stable``, or what went wrong first."""
    for moment in run:
        if moment.saturated > SATURATED:
            return f"saturated after {moment.steps:,} steps"
        if moment.flicker < FROZEN:
            return f"frozen after {moment.steps:,} steps"
    missing = [stop for stop in stops if stop not in {moment.steps for moment in run}]
    if missing:
        return f"blew up before {missing[0]:,} steps"
    if certificate(run)[-1]["drift"] > DRIFT:
        return f"drifted by {run[-1].steps:,} steps"
    return "stable"


def healing_figures(healing: list[Healing]) -> Figures:
    """Steps of every run, None where it did not heal, and the distances on the way."""
    steps = [h.steps for h in healing]
    known = [s for s in steps if s is not None]
    return {
        "disc": DISC,
        "steps": steps,
        "median": statistics.median(known) if len(known) > len(steps) / 2 else None,
        "every": LOOK_EVERY,
        "bounds": [h.bound for h in healing],
        "distances": [h.distances for h in healing],
    }


def losses(rule: Rule, target: Tensor, settings: EvalSettings, moment: Moment) -> Figures:
    """Loss of a picture by feature set and layer, for every feature set that can be had here."""
    torus = rule.settings.padding == "circular"
    result = {}
    for features in dict.fromkeys(("builtin", "random", "patches", *fetched(), *settings.features)):
        # Raw patches are compared as distributions; their Gram matrix knows only covariances.
        statistic = "transport" if features == "patches" else "gram"
        generator = torch.Generator().manual_seed(LOSS_SEED)
        loss = build_texture_loss(target, features, statistic, generator, torus=torus)
        layers = loss(moment.picture[None])
        label = Path(features).stem if features.endswith(".safetensors") else features
        result[f"{label}, {statistic}"] = {k: float(v[0]) for k, v in layers.items()}
    return result


def export_sizes(name: str, file: RuleFile) -> Figures:
    """Bytes, and characters of text, of what each host is given; None where it takes no such rule.

    A host that is given several files counts as their sum. Weights in a picture count as bytes.
    """
    sizes: Figures = {}
    with TemporaryDirectory() as folder:
        for target, export in (("html", export_html), ("web-component", export_component)):
            sizes[target] = _size([export({name: file}, Path(folder, target)).path.read_bytes()])
    options = ExportOptions()
    for target, host in TARGETS.items():
        try:
            sizes[target] = _size(host.build(name.replace("/", "-"), file, options).values())
        except InputError:
            sizes[target] = None
    return sizes


def _size(parts: Iterable[bytes]) -> Figures:
    parts = list(parts)
    return {"bytes": sum(map(len, parts)), "characters": sum(map(_characters, parts))}


def _characters(part: bytes) -> int:
    try:
        return len(part.decode())
    except UnicodeDecodeError:
        return 0
