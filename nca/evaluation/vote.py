"""Make a page for a blind vote: which of two images is more like the target?"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from markupsafe import Markup
from torch import Tensor

import nca
from nca.backends.simulate import simulate
from nca.errors import InputError
from nca.evaluation.evaluation import Evaluation
from nca.evaluation.measures import GROWN
from nca.evaluation.report import USUAL_SIZE, cells_of, check_free, evaluate, names, training_size
from nca.evaluation.settings import EvalSettings
from nca.exporters.web.page import render_page, script_json
from nca.images import data_url, read_square, read_texture, to_image
from nca.images.picture_files import is_picture
from nca.rulefile import load_rule
from nca.system.console import say
from nca.system.files import write_text

RULE_EXTENSION, RULE_OF_TRAINING = ".safetensors", "rule.safetensors"


@dataclass(frozen=True)
class Pair:
    """A target and two images to compare, [3, h, w] in [0, 1].

    Attributes:
        texture: name of the texture.
        target: the target.
        pictures: name of each side -> its image.
    """

    texture: str
    target: Tensor
    pictures: dict[str, Tensor]


def evaluate_or_vote(settings: EvalSettings) -> list[Evaluation] | Path:
    """Measure the rule, or only write the page of ``vote`` and return its path."""
    return evaluate(settings) if settings.vote is None else write_vote(settings)


def write_vote(settings: EvalSettings) -> Path:
    """Write the page; leave out textures that are missing on one side or have no target.

    Raises:
        InputError: a file cannot be read or written, or no texture remains.
    """
    second, out = settings.second, settings.vote
    assert second is not None
    assert out is not None
    check_free("vote", out, settings.overwrite)
    sides = names([settings.rule, second])
    mine, theirs, targets = (
        rules_and_images(path) for path in (settings.rule, second, settings.target)
    )
    if settings.target.is_file():
        if settings.rule.is_file() and second.is_file():  # their names may differ
            mine, theirs = ({settings.target.stem: path} for path in (settings.rule, second))
        targets = dict.fromkeys(mine, settings.target)
    pairs = []
    for name in sorted({*mine, *theirs}):
        if not all(name in files for files in (mine, theirs, targets)):
            say(f"left out: {name}: it is not in all of {settings.rule}, {second} and the targets")
            continue
        size = settings.size or _size(mine[name])
        pictures = [image_of(files[name], size, settings.seed) for files in (mine, theirs)]
        target = read_texture(targets[name], size)
        pairs.append(Pair(name, target, dict(zip(sides, pictures, strict=True))))
    if not pairs:
        raise InputError(f"`vote` {out}: {settings.rule} and {second} have no names in common")
    write_text(out, vote_page(pairs, settings.seed))
    return out


def _size(path: Path) -> int:
    return training_size(load_rule(path)) if path.suffix == RULE_EXTENSION else USUAL_SIZE


def rules_and_images(path: Path) -> dict[str, Path]:
    """Find rules and images by name: a single file, or a folder (from ``nca train`` or your own).

    Raises:
        InputError: there is no such file or folder.
    """
    if path.is_file():
        return {path.stem: path}
    if not path.is_dir():
        raise InputError(f"{path}: there is no such file or folder")
    here = [p for p in sorted(path.iterdir()) if p.suffix == RULE_EXTENSION or is_picture(p)]
    return {p.stem: p for p in here} | {
        p.parent.name: p for p in sorted(path.glob(f"*/{RULE_OF_TRAINING}"))
    }


@torch.no_grad()
def image_of(path: Path, size: int, seed: int) -> Tensor:
    """The texture of a rule after 1,000 steps, or the image itself: [3, size, size] in [0, 1]."""
    if path.suffix != RULE_EXTENSION:
        return read_square(path, size)
    rule = load_rule(path).rule
    side = cells_of(size, rule.settings)
    (state,) = simulate(rule, rule.initial_state(1, side, side, seed=seed), [GROWN], seed=seed)
    picture: Tensor = torch.nan_to_num(rule.to_image(state)[0]).clamp(0, 1)
    return picture


def vote_page(pairs: Sequence[Pair], seed: int) -> str:
    """Make the page: one HTML file that makes no requests.

    Args:
        pairs: at least one pair; all pairs have the same two sides.
        seed: random seed for the order of the pairs, and for which side is on the left.
    """
    chance = random.Random(seed)
    shuffled = chance.sample(list(pairs), len(pairs))
    data = {
        "nca": nca.__version__,
        "seed": seed,
        "sides": list(pairs[0].pictures),
        "pairs": [_pair_data(pair, chance) for pair in shuffled],
    }
    script, style = _source("vote.js"), _source("vote.css")
    text, data_json = _source("vote.html"), Markup(script_json(data))
    return render_page(text, script, style, "img-src data:", data=data_json).decode()


def _pair_data(pair: Pair, chance: random.Random) -> dict[str, Any]:
    left, right = chance.sample(list(pair.pictures), 2)
    return {
        "texture": pair.texture,
        "target": data_url(to_image(pair.target)),
        "left": {"side": left, "picture": data_url(to_image(pair.pictures[left]))},
        "right": {"side": right, "picture": data_url(to_image(pair.pictures[right]))},
    }


def _source(name: str) -> str:
    return resources.files("nca.evaluation").joinpath(name).read_text(encoding="utf-8")
