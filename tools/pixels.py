"""``python -m tools.pixels OUT PICTURE ... --loss LOSS ...``: try losses without a rule.

It optimizes the pixels of a tiling image, starting from noise, and prints a table of results. A
LOSS is a sum of terms, such as ``wasserstein+patches7``. A term is a statistic of the built-in
features, or nearest patches of a given side. In ``patches11|wasserstein+patches11``, the loss
before the ``|`` is used in the first half of the steps, and the other loss in the second half.
"""

import argparse
import sys
import time
from pathlib import Path

import torch
from torch import Tensor

from nca.errors import InputError
from nca.evaluation.appearance import AppearanceMeter
from nca.evaluation.measures import PatchDistance
from nca.evaluation.page import number
from nca.images import read_texture, to_image
from nca.losses.build import build_loss
from nca.losses.patches import NearestPatches
from nca.losses.settings import LossSettings
from nca.losses.term import Term

SIZE, STEPS = 128, 250  # side of the image in pixels; default number of optimizer steps
RATES, SLOW_FROM = (0.02, 0.005), 0.7  # two learning rates; fraction of steps with the first one
PATCHES = "patches"


def term_of(name: str, target: Tensor, generator: torch.Generator) -> Term:
    """Make a term: a statistic of the built-in features, or ``patchesN``: nearest NxN patches.

    Raises:
        InputError: the name is unknown.
    """
    side = name.removeprefix(PATCHES)
    if name.startswith(PATCHES) and side.isdecimal():
        return NearestPatches(target, generator, size=int(side), name=name)
    return build_loss(target, LossSettings(statistic=name), generator, name=name)


def optimize(target: Tensor, spec: str, steps: int) -> tuple[Tensor, float]:
    """Optimize pixels, [1, 3, SIZE, SIZE]; also return the CPU seconds.

    Args:
        target: target image, [1, 3, H, W] in [0, 1].
        spec: the loss, as described above.
        steps: number of Adam steps.
    """
    generator = torch.Generator().manual_seed(1)
    phases = [
        [term_of(name, target, generator) for name in phase.split("+")] for phase in spec.split("|")
    ]
    noise = torch.randn(1, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    pixels = torch.nn.Parameter(0.5 + 0.2 * noise)
    optimizer = torch.optim.Adam([pixels], RATES[0])
    began = time.process_time()
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = RATES[step >= SLOW_FROM * steps]
        optimizer.zero_grad()
        terms = phases[step * len(phases) // steps]
        total = torch.stack([v.sum() for term in terms for v in term(pixels).values()]).sum()
        total.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        pixels.data.clamp_(0, 1)
    return pixels.detach(), time.process_time() - began


def main(out: Path, pictures: list[Path], losses: list[str], steps: int, judge: str | None) -> None:
    """Optimize every image with every loss; write the results and print a table.

    Raises:
        InputError: an image, a loss or the judge's features are not available.
    """
    out.mkdir(parents=True, exist_ok=True)
    print("| loss | picture | patch | judge | speckle | order | misplaced | seconds |")
    print("|---|---|---|---|---|---|---|---|")
    for loss in losses:
        for picture in pictures:
            target = read_texture(picture, SIZE)[None]
            pixels, seconds = optimize(target, loss, steps)
            looks, by_judge = AppearanceMeter(target)(pixels[0]), None
            if judge is not None:
                by_gram = LossSettings(features=judge, statistic="gram")
                features = build_loss(target, by_gram, torch.Generator())
                by_judge = float(sum(value.sum() for value in features(pixels).values()))
            figures = [float(PatchDistance(target)(pixels)), by_judge, looks.speckle, looks.order]
            cells = [*map(number, figures), number(looks.misplaced, ".1f"), f"{seconds:.0f}"]
            name = loss.replace("|", ", then ")
            print(f"| {name} | {picture.stem} | {' | '.join(cells)} |", flush=True)
            to_image(pixels[0]).save(out / f"{picture.stem}, {name}.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tools.pixels")
    parser.add_argument("out", type=Path)
    parser.add_argument("pictures", type=Path, nargs="+")
    parser.add_argument("--loss", nargs="+", required=True)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument(
        "--judge", help="network whose Gram matrices judge the results, such as vgg19"
    )
    words = parser.parse_args()
    try:
        main(words.out, words.pictures, words.loss, words.steps, words.judge)
    except InputError as error:
        print(f"python -m tools.pixels: {error}", file=sys.stderr)
        sys.exit(2)
