"""``python -m tools.fine FINE PLAIN PICTURES ... [--large LARGE]``: compare rules with a decoder.

FINE, PLAIN, PICTURES and LARGE are folders; files with the same name belong together, and
``scales-fine`` counts as ``scales``. The table compares three textures with each picture, all as
large as the picture that the rule with a decoder was trained on: that of the rule with a decoder in
FINE; that of the rule in PLAIN, enlarged; and that of the rule in LARGE on a grid with one cell per
pixel. LARGE is for rules that were trained with the ``--size`` of the rules in FINE; default:
PLAIN.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from nca.backends.simulate import simulate
from nca.errors import InputError
from nca.evaluation.appearance import relative_speckle
from nca.evaluation.measures import GROWN, PatchDistance
from nca.evaluation.report import cells_of, training_size
from nca.evaluation.vote import rules_and_images
from nca.gallery import picture_of
from nca.images import read_texture, to_image
from nca.images.enlarging import enlarged
from nca.rule import Rule
from nca.rulefile import load_rule
from nca.texture.results import labeled_sheet

WARM_UP, SEED = 20, 1000
WAYS = ("fine", "enlarged", "one cell per pixel")


@dataclass(frozen=True)
class Texture:
    """A texture after 1,000 steps, [3, S, S] in [0, 1], and the CPU time of a step in ms."""

    picture: Tensor
    milliseconds: float

    def metrics(self, distance: PatchDistance, target: Tensor, *, wraps: bool) -> tuple[float, ...]:
        """Patch distance, speckle relative to the target [3, H, W], and time."""
        patch = float(distance(self.picture[None], wraps=wraps))
        return patch, relative_speckle(self.picture, target, wraps=wraps), self.milliseconds


@torch.no_grad()
def grow(rule: Rule, cells: int, size: int) -> Texture:
    """Grow a texture on a square grid, and draw it with ``size`` pixels on every side.

    Raises:
        InputError: ``size`` is not a multiple of the width of its picture.
    """
    start = rule.initial_state(1, cells, cells, seed=SEED)
    states = simulate(rule, start, (WARM_UP, GROWN), seed=SEED)
    next(states)
    began = time.process_time()
    state = next(states)
    milliseconds = 1000 * (time.process_time() - began) / (GROWN - WARM_UP)
    picture = rule.to_image(state)[0].clamp(0, 1)
    side = picture.shape[-1]
    if size % side:
        raise InputError(f"a picture of {side} pixels cannot be enlarged to {size}")
    large = enlarged(picture, size // side, "sharp", wraps=rule.settings.wraps)
    return Texture(large, milliseconds)


def fine_texture(path: Path) -> Texture:
    """The texture of a rule with a decoder, as large as the picture in training.

    Raises:
        InputError: the rule cannot be read, or has no decoder.
    """
    file = load_rule(path)
    if file.rule.decoder is None:
        raise InputError(f"{path}: has no decoder")
    size = training_size(file)
    return grow(file.rule, cells_of(size, file.rule.settings), size)


def enlarged_texture(path: Path, size: int) -> Texture:
    """The texture of a plain rule on a grid of the size in training, enlarged to ``size`` pixels.

    Raises:
        InputError: the rule cannot be read, or its size in training does not fit.
    """
    file = load_rule(path)
    return grow(file.rule, training_size(file), size)


def comparison(target: Path, plain: Path | None, fine: Path) -> Image.Image:
    """A picture of the target, of a plain rule's texture, and of that of a rule with a decoder."""
    finest = fine_texture(fine).picture
    size = finest.shape[-1]
    shown = [("target", read_texture(target, size))]
    if plain is not None:
        shown.append(("without a decoder, enlarged", enlarged_texture(plain, size).picture))
    shown.append(("with a decoder", finest))
    return labeled_sheet([(label, to_image(one)) for label, one in shown])


def row(name: str, picture: Path, fine: Path, plain: Path, large: Path) -> str:
    """A row of the table."""
    finest = fine_texture(fine)
    size = finest.picture.shape[-1]
    target = read_texture(picture, size, enlarge=False)
    distance = PatchDistance(target[None])
    textures = finest, enlarged_texture(plain, size), grow(load_rule(large).rule, size, size)
    wraps = [load_rule(path).rule.settings.wraps for path in (fine, plain, large)]
    each = [
        texture.metrics(distance, target, wraps=wrap)
        for texture, wrap in zip(textures, wraps, strict=True)
    ]
    cells = [f"{value:.2f}" for metric in zip(*each, strict=True) for value in metric]
    return f"| {' | '.join([name, *cells])} |"


def by_name(folder: Path) -> dict[str, Path]:
    """Rules or pictures of a folder; the names of rules with a decoder lose their end.

    Raises:
        InputError: there is no such folder.
    """
    return {picture_of(name): path for name, path in rules_and_images(folder).items()}


def main(fine: Path, plain: Path, pictures: Sequence[Path], large: Path) -> None:
    """Print the table, line by line.

    Raises:
        InputError: a folder is missing, or a file cannot be used.
    """
    targets = {name: path for folder in pictures for name, path in by_name(folder).items()}
    finer, plainer, larger = by_name(fine), by_name(plain), by_name(large)
    heads = [f"{kind}: {way}" for kind in ("patch", "speckle", "ms per step") for way in WAYS]
    print(f"| after {GROWN:,} steps | {' | '.join(heads)} |\n{'|---' * (1 + len(heads))}|")
    for name in sorted(targets.keys() & finer.keys() & plainer.keys() & larger.keys()):
        print(row(name, targets[name], finer[name], plainer[name], larger[name]), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tools.fine")
    parser.add_argument("fine", type=Path)
    parser.add_argument("plain", type=Path)
    parser.add_argument("pictures", type=Path, nargs="+")
    parser.add_argument("--large", type=Path)
    words = parser.parse_args()
    try:
        main(words.fine, words.plain, words.pictures, words.large or words.plain)
    except InputError as error:
        print(f"python -m tools.fine: {error}", file=sys.stderr)
        sys.exit(2)
