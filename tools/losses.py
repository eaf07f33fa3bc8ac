"""``python -m tools.losses OUT PICTURE ... --seconds S``: compare losses at equal training time.

It trains a rule on every image with every loss in :func:`losses`, and prints a table of results. A
short run first estimates how many iterations of a loss fit into S seconds of CPU time. The rules
are written to OUT. For each image, a sheet is also written, which shows the target and then the
textures in random order; ``PICTURE.key.json`` records that order. Existing rules are kept.
"""

import argparse
import json
import random
import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nca.backends.simulate import simulate
from nca.errors import InputError
from nca.evaluation.appearance import AppearanceMeter
from nca.evaluation.measures import PatchDistance
from nca.evaluation.page import number
from nca.images import contact_sheet, read_texture, to_image
from nca.losses.build import build_loss
from nca.losses.settings import LossSettings
from nca.rule import Rule
from nca.rulefile import load_rule, save_rule
from nca.texture.settings import train_settings
from nca.texture.train import train
from nca.training.callback import Callback
from nca.training.learner import Learner

SIZE, STEPS, SEED = 128, 2000, 1000  # of the measured textures; SIZE in pixels
PROBE = 40  # number of iterations for measuring the speed of a loss
COLUMNS = ("patch", "vgg19", "speckle", "order", "misplaced", "iterations")


def losses(vgg19: str) -> dict[str, dict[str, Any]]:
    """Return the settings of each loss, by name; all others are those of the preset ``full``."""
    alone: dict[str, float] = {}  # no additional terms
    return {
        "gram": {"statistic": "gram", "terms": alone},
        "moments": {"statistic": "moments", "terms": alone},
        "transport": {"statistic": "transport", "terms": alone},
        "wasserstein": {"terms": alone},
        "gram + patches": {"statistic": "gram"},
        "wasserstein + patches": {},
        "wasserstein, random bank": {"features": "random", "terms": alone},
        "gram, VGG-19": {"statistic": "gram", "features": vgg19, "terms": alone},
    }


class CpuTime(Callback):
    """Add up the CPU time of all batches.

    Attributes:
        seconds: the CPU time, in seconds.
    """

    def __init__(self) -> None:
        self.seconds = self._began = 0.0

    def before_batch(self, learner: Learner) -> None:
        """Start the clock."""
        del learner
        self._began = time.process_time()

    def after_batch(self, learner: Learner) -> None:
        """Stop the clock."""
        del learner
        self.seconds += time.process_time() - self._began


def train_rule(picture: Path, values: dict[str, Any], iterations: int) -> tuple[Rule, float]:
    """Train a rule; also return the CPU seconds of its iterations."""
    clock = CpuTime()
    fixed = {"iterations": iterations, "precision": "float32", "quiet": True}
    settings = train_settings(picture, None, "full", **(fixed | values))
    return train(settings, callbacks=[clock]).rule, clock.seconds


def measure(rule: Rule, target: Tensor, judge: str) -> tuple[Tensor, dict[str, float | None]]:
    """Return the texture after 2,000 steps, [3, S, S], and its measurements by column."""
    with torch.no_grad():
        start = rule.initial_state(1, SIZE, SIZE, seed=SEED)
        (state,) = simulate(rule, start, (STEPS,), seed=SEED)
        texture = rule.to_image(state).clamp(0, 1)
        gram = build_loss(target, LossSettings(features=judge, statistic="gram"), torch.Generator())
        looks = AppearanceMeter(target)(texture[0])
        return texture[0], {
            "patch": float(PatchDistance(target)(texture)),
            "vgg19": float(sum(value.sum() for value in gram(texture).values())),
            "speckle": looks.speckle,
            "order": looks.order,
            "misplaced": looks.misplaced,
        }


def main(out: Path, pictures: list[Path], seconds: float, vgg19: str) -> None:
    """Train all rules, print the table, and write the sheets.

    Raises:
        InputError: an image or the features cannot be read.
    """
    out.mkdir(parents=True, exist_ok=True)
    print(f"| picture | loss | {' | '.join(COLUMNS)} |\n{'|---' * (2 + len(COLUMNS))}|")
    for picture in pictures:
        target = read_texture(picture, SIZE)[None]
        textures: dict[str, Tensor] = {}
        for name, values in losses(vgg19).items():
            path = out / f"{picture.stem}, {name}.safetensors"
            if not path.exists():
                _, needed = train_rule(picture, values, PROBE)
                iterations = round(seconds / needed * PROBE)
                rule, _ = train_rule(picture, values, iterations)
                save_rule(path, rule, {"iterations": iterations})
            file = load_rule(path)
            textures[name], found = measure(file.rule, target, vgg19)
            found["iterations"] = file.info["iterations"]
            cells = [number(found[column], ".3g") for column in COLUMNS]
            print(f"| {picture.stem} | {name} | {' | '.join(cells)} |", flush=True)
        order = random.Random(picture.stem).sample(list(textures), len(textures))
        shown = [target[0], *(textures[name] for name in order)]
        sheet = contact_sheet([to_image(one).resize((384, 384)) for one in shown], 3)
        sheet.save(out / f"{picture.stem}.png")
        (out / f"{picture.stem}.key.json").write_text(json.dumps(order, indent=1))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tools.losses")
    parser.add_argument("out", type=Path)
    parser.add_argument("pictures", type=Path, nargs="+")
    parser.add_argument("--seconds", type=float, default=300.0, help="CPU time per training run")
    parser.add_argument("--vgg19", default="vgg19", help="weights file, or vgg19 to download it")
    words = parser.parse_args()
    try:
        main(words.out, words.pictures, words.seconds, words.vgg19)
    except InputError as error:
        print(f"python -m tools.losses: {error}", file=sys.stderr)
        sys.exit(2)
