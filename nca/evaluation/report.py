"""`nca eval`: measure a rule; write the report as HTML, and its figures as JSON."""

import copy
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor
from tqdm import tqdm

import nca
from nca.errors import InputError
from nca.evaluation.comparisons import build_losses, export_sizes
from nca.evaluation.evaluation import Evaluation, Figures, grown_measurement, run_figures, verdict
from nca.evaluation.healing import heal, healing_figures
from nca.evaluation.material import Maps, compare_maps, grown_maps
from nca.evaluation.measures import GROWN, Measurement, PatchDistance, follow, seam
from nca.evaluation.page import page
from nca.evaluation.settings import MAX_SIZE, MIN_SIZE, EvalSettings
from nca.images import read_texture
from nca.images.map_files import is_material
from nca.images.material import read_material
from nca.losses.term import Term
from nca.maps import map_channels
from nca.pictures import named_material
from nca.rule_settings import RuleSettings
from nca.rulefile import RuleFile, load_rule
from nca.system.files import write_text
from nca.system.text import encodable

STOPS = (100, GROWN, 10_000, 100_000)
SIZES = ((64, 64), (256, 256), (512, 512), (31, 77))  # height and width of grids, in cells
DECODED_SIZES = ((16, 16), (32, 32), (96, 96), (31, 77))
RUNS = 4  # number of seeds
USUAL_SIZE = 128


@dataclass(frozen=True)
class Measured:
    """A target image, and distances from it.

    Attributes:
        target: target image, [1, 3, S, S] in [0, 1].
        distance: patch distance.
        losses: losses by features and statistic, for rules that wrap (True) and those that do not.
        maps: maps of the material whose color is the target; empty for a plain image.
    """

    target: Tensor
    distance: PatchDistance
    losses: dict[bool, dict[str, Term]]
    maps: Maps


def evaluate(settings: EvalSettings) -> list[Evaluation]:
    """Measure a rule, and its peer if there is one, and write the report.

    Raises:
        InputError: a file cannot be read, a rule does not make a texture, or the report already
            exists or cannot be written.
    """
    figures_path = _check_outputs(settings)
    files = [_load(settings.rule, settings.noise)]
    paths = [settings.rule]
    if settings.second is not None:
        files.append(_load(settings.second, settings.peer_noise))
        paths.append(settings.second)
    target, maps = _read_target(settings.target, settings.size or training_size(files[0]))
    # Build the losses before the first run, to fail early if features are not available.
    losses = {
        wraps: build_losses(target, settings.features, wraps=wraps)
        for wraps in dict.fromkeys(file.rule.settings.wraps for file in files)
    }
    measured = Measured(target, PatchDistance(target), losses, maps)
    evaluations = [
        measure(name, file, measured, settings)
        for name, file in zip(names(paths), files, strict=True)
    ]
    report = {
        "nca": nca.__version__,
        "target": settings.target.name,
        "size": target.shape[-1],
        "seed": settings.seed,
        "rules": {evaluation.name: evaluation.figures for evaluation in evaluations},
    }
    figures = json.dumps(report, indent=1, allow_nan=False)
    text = page(settings.target.name, target[0], evaluations, maps)
    write_text(figures_path, figures)
    write_text(settings.out, text)
    return evaluations


def _read_target(path: Path, size: int) -> tuple[Tensor, Maps]:
    """Read the target image, [1, 3, S, S], and all maps if it is a material."""
    path = named_material(path)
    if not is_material(path):
        return read_texture(path, size)[None], {}
    material = read_material(path, size)
    maps = {name: material.values[part] for name, part in map_channels(material.maps).items()}
    return maps["color"][None], maps


def _check_outputs(settings: EvalSettings) -> Path:
    """Refuse paths that cannot be written; return the path of the figures."""
    out = settings.out
    check_free("out", out, settings.overwrite)
    figures = settings.json or out.with_suffix(".json")
    if figures.resolve() == out.resolve():
        raise InputError(
            f"`out` {out}: is also the path of the JSON file; use another name, or `json`"
        )
    check_free("json", figures, settings.overwrite)
    return figures


def check_free(name: str, path: Path, overwrite: bool) -> None:
    """Refuse a path that cannot be written.

    Raises:
        InputError: the path is a folder or already exists, or its parent folder is missing.
    """
    if path.is_dir() or not path.name:
        raise InputError(f"`{name}` {path}: is a folder; give the name of a file")
    if path.exists() and not overwrite:
        raise InputError(f"{path} exists already; choose another name, or use `overwrite`")
    if not path.parent.is_dir():
        raise InputError(f"{path}: there is no folder {path.parent}")


def _load(path: Path, noise: float | None) -> RuleFile:
    """Read a rule that makes a texture; ``noise``, if given, replaces its initial noise level."""
    file = load_rule(path)
    trained, alive = _training_settings(file), file.rule.settings.alive_threshold
    reasons = [f"trained with `{name}`" for name in ("grow", "restore") if trained.get(name)]
    if alive is not None:
        reasons.append(f"its cells can die (alive_threshold {alive:g})")
    if reasons:
        raise InputError(f"{path}: {reasons[0]}; nca eval measures rules that make a texture")
    if noise is None:
        return file
    rule = copy.deepcopy(file.rule)
    rule.settings = replace(rule.settings, start="noise", noise_level=noise)
    return RuleFile(rule, file.info)


def _training_settings(file: RuleFile) -> dict[str, Any]:
    """Settings that ``nca train`` wrote to the file; empty for files from other programs."""
    settings = file.training.get("settings")
    return settings if isinstance(settings, dict) else {}


def training_size(file: RuleFile) -> int:
    """Side of the image that a rule was trained on, or 128; limited to the range of ``size``."""
    size = _training_settings(file).get("size")
    return min(max(size, MIN_SIZE), MAX_SIZE) if type(size) is int else USUAL_SIZE


def cells_of(size: int, rule: RuleSettings) -> int:
    """Side, in cells, of a grid whose picture is ``size`` pixels wide.

    Raises:
        InputError: ``size`` is not a multiple of the pixels per cell.
    """
    scale = rule.pixels_per_cell
    if size % scale:
        raise InputError(
            f"`size` {size}: must be a multiple of {scale}, the decoder's pixels per cell"
        )
    return size // scale


def names(paths: list[Path]) -> list[str]:
    """Make short unique names; files called ``rule`` are named after their folder."""
    stems = [encodable(path.stem) for path in paths]
    if len(set(stems)) == len(stems) and "rule" not in stems:
        return stems
    longer = [encodable(f"{path.resolve().parent.name}/{path.stem}") for path in paths]
    return longer if len(set(longer)) == len(longer) else [longer[0], f"{longer[1]} (peer)"]


def measure(name: str, file: RuleFile, measured: Measured, settings: EvalSettings) -> Evaluation:
    """Measure one rule against a target."""
    rule, target, distance = file.rule, measured.target, measured.distance
    scale, seed, wraps = rule.settings.pixels_per_cell, settings.seed, rule.settings.wraps
    side = cells_of(target.shape[-1], rule.settings)
    square, all_sizes = (side, side), SIZES if scale == 1 else DECODED_SIZES
    stops = [s for s in STOPS if s < settings.steps] + [settings.steps]
    mapped = bool(rule.settings.maps and measured.maps)
    with _counting(name, 1 + RUNS - 1 + len(all_sizes) + RUNS + 1 + mapped) as done:

        def grow(size: tuple[int, int], seed: int) -> list[Measurement]:
            moments: list[Measurement] = done(follow(rule, target, distance, [GROWN], size, seed))
            return moments

        run = done(follow(rule, target, distance, stops, square, seed))
        others = [grow(square, seed + i) for i in range(1, RUNS)]
        sizes = {size: grow(size, seed) for size in all_sizes}
        healing = [done(heal(rule, side, seed + i)) for i in range(RUNS)]
        after = grown_measurement(run)
        seeds = [after, *(m[0] if m else None for m in others)]
        maps = done(grown_maps(rule, side, seed)) if mapped else {}
        figures = {
            "weights": rule.weight_count(),
            "decoder_weights": rule.decoder_weight_count(),
            "pixels_per_cell": scale,
            "channels": rule.settings.channels,
            "hidden": rule.settings.hidden,
            "noise": rule.settings.noise_level if rule.settings.start == "noise" else 0.0,
            "verdict": verdict(run, stops),
            "run": run_figures(run),
            "seeds": [m and m.patch for m in seeds],
            "sizes": {f"{w}x{h}": m[0].patch if m else None for (h, w), m in sizes.items()},
            "size_floors": {
                f"{w}x{h}": distance.floor((scale * h, scale * w), wraps=wraps)
                for h, w in all_sizes
            },
            "seam": seam(run[-1].picture) if run else None,
            "healing": healing_figures(healing),
            "losses": _losses(measured.losses[wraps], after) if after else {},
            "exports": done(export_sizes(name, file)),
        }
        if mapped:
            figures["maps"] = compare_maps(maps, measured.maps, wraps=wraps)
    pictures = {
        "run": {f"{m.steps:,} steps": m.picture for m in run},
        "seeds": {f"seed {seed + i}": m.picture for i, m in enumerate(seeds) if m},
        "sizes": {f"{w} x {h}": m[0].picture for (h, w), m in sizes.items() if m},
        "healing": healing[0].pictures,
        "maps": {str(kind): one for kind, one in maps.items()},
    }
    return Evaluation(name, figures, pictures)


def _losses(losses: dict[str, Term], moment: Measurement) -> Figures:
    """Losses of a measurement's picture, by features and layer."""
    return {
        label: {layer: float(value) for layer, value in loss(moment.picture[None]).items()}
        for label, loss in losses.items()
    }


@contextmanager
def _counting(name: str, parts: int) -> Iterator[Any]:
    """Show on a terminal how many parts are done; ``done(x)`` counts one part and returns x."""
    with tqdm(total=parts, desc=name, disable=None, leave=False) as bar:

        def done(value: Any) -> Any:
            bar.update()
            return value

        yield done
