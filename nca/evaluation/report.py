"""The evaluation of a rule: figures as JSON, and a page with the pictures behind them."""

import base64
import io
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import torch
from PIL import Image
from torch import Tensor

import nca
from nca.errors import InputError
from nca.evaluation.measures import DISC, Moment, follow, heal, seam
from nca.evaluation.settings import EvalSettings
from nca.export.hosts import TARGETS
from nca.export.settings import ExportOptions
from nca.files import write_atomically
from nca.images import read_square, to_image
from nca.losses.texture import build_texture_loss
from nca.rule import Rule
from nca.rulefile import RuleFile, load_rule

Figures = dict[str, Any]

STOPS = (100, 1000, 10_000, 100_000)
SIZES = ((64, 64), (256, 256), (512, 512), (31, 77))
SIZE_STEPS = 1000
RUNS = 4
FROZEN, SATURATED, DRIFT = 1e-3, 0.2, 1.5


@dataclass(frozen=True)
class Evaluation:
    """What was measured of one rule.

    Attributes:
        name: of the rule.
        figures: plain numbers, for JSON.
        pictures: [3, h, w] in [0, 1] by what they show.
    """

    name: str
    figures: Figures
    pictures: dict[str, Tensor]


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
    evaluations = [measure(path, load_rule(path), target, settings) for path in paths]
    report = {
        "nca": nca.__version__,
        "target": settings.target.name,
        "rules": {str(path): e.figures for path, e in zip(paths, evaluations, strict=True)},
    }
    write_atomically(figures_path, json.dumps(report, indent=1).encode())
    write_atomically(settings.out, page(settings.target.name, target[0], evaluations).encode())
    return evaluations


def measure(path: Path, file: RuleFile, target: Tensor, settings: EvalSettings) -> Evaluation:
    """Measure one rule against a target, [1, 3, S, S]."""
    rule, side, seed = file.rule, settings.size, settings.seed
    stops = [s for s in STOPS if s < settings.steps] + [settings.steps]
    run = follow(rule, target, stops, (side, side), seed)
    others = [follow(rule, target, [SIZE_STEPS], (side, side), seed + i) for i in range(1, RUNS)]
    sizes = {s: follow(rule, target, [SIZE_STEPS], s, seed) for s in SIZES}
    healing = [heal(rule, target, side, seed + i) for i in range(RUNS)]
    pictures = {f"after {moment.steps:,} steps": moment.picture for moment in run}
    pictures |= {f"{w} x {h} cells": m[0].picture for (h, w), m in sizes.items() if m}
    pictures |= {
        "before": healing[0].before,
        "erased": healing[0].erased,
        "after healing": healing[0].after,
    }
    figures = {
        "weights": rule.weight_count(),
        "losses": losses(rule, target, settings, run),
        "run": [plain(moment) for moment in run],
        "verdict": verdict(run, stops),
        "seeds": [m[0].patch if m else None for m in others],
        "sizes": {f"{w}x{h}": m[0].patch if m else None for (h, w), m in sizes.items()},
        "seam": seam(run[-1].picture) if run else None,
        "healing": {"disc": DISC, "steps": [h.steps for h in healing]},
        "exports": export_sizes(path.stem, file),
    }
    return Evaluation(str(path), figures, pictures)


def plain(moment: Moment) -> Figures:
    """The numbers of a moment."""
    return {k: v for k, v in vars(moment).items() if k != "picture"}


def losses(rule: Rule, target: Tensor, settings: EvalSettings, run: list[Moment]) -> Figures:
    """Texture loss by feature set and layer, of the picture after 1,000 steps."""
    moment = next((m for m in run if m.steps >= SIZE_STEPS), None)
    if moment is None:
        return {}
    torus = rule.settings.padding == "circular"
    result = {}
    for features in ("builtin", *settings.features):
        loss = build_texture_loss(target, features, "gram", torch.Generator(), torus=torus)
        layers = loss(moment.picture[None])
        result[features] = {name: float(value[0]) for name, value in layers.items()}
    return result


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
    early = next((m for m in run if m.steps >= SIZE_STEPS), run[0])
    if run[-1].patch > DRIFT * early.patch:
        return f"drifted by {run[-1].steps:,} steps"
    return "stable"


def export_sizes(name: str, file: RuleFile) -> Figures:
    """Bytes of what each host is given, in all."""
    options = ExportOptions()
    return {
        target: sum(map(len, host.build(name, file, options).values()))
        for target, host in TARGETS.items()
    }


def page(target_name: str, target: Tensor, evaluations: list[Evaluation]) -> str:
    """The report as one HTML file."""
    template = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(
        files("nca.evaluation").joinpath("report.html").read_text(encoding="utf-8")
    )
    return template.render(
        target_name=target_name,
        target=data_url(target),
        rules=[
            {
                "name": e.name,
                "figures": e.figures,
                "pictures": {name: data_url(p) for name, p in e.pictures.items()},
            }
            for e in evaluations
        ],
        finite=lambda value: isinstance(value, float) and math.isfinite(value),
    )


def data_url(picture: Tensor) -> str:
    """A picture for an ``img`` element."""
    data = io.BytesIO()
    image: Image.Image = to_image(picture)
    image.save(data, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(data.getvalue()).decode()
