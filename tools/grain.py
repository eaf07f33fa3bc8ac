"""``python -m tools.grain [RULE ...]``: measure how calm runs and averaging affect grain.

RULE is the name of a gallery rule; default: all rules. The table shows the speckle and the patch
distance of the pictures that ``nca render`` makes at step 4,000.
"""

import sys
from collections.abc import Sequence

from nca.backends.simulate import simulate
from nca.commands.render import averages
from nca.errors import InputError
from nca.evaluation.appearance import AppearanceMeter
from nca.evaluation.measures import PatchDistance
from nca.evaluation.report import training_size
from nca.gallery import gallery, gallery_path
from nca.images import read_texture
from nca.pictures import FOLDER
from nca.rulefile import load_rule

STEPS, EARLIER = 4000, 64  # the measured step; number of steps before it that averages can use
SEED = 1000
# Label -> calm run, and number of steps in the average.
WAYS = {
    "usual": (False, 1),
    "average of 4": (False, 4),
    "average of 8": (False, 8),
    "calm": (True, 1),
    "calm, average of 8": (True, 8),
}


def row(name: str) -> str:
    """Measure a rule in each way; return its row of the table."""
    file = load_rule(gallery_path(name))
    rule, size = file.rule, training_size(file)
    target = read_texture(FOLDER / f"{name}.png", size)[None]
    distance, meter = PatchDistance(target), AppearanceMeter(target)
    start, stops = rule.initial_state(1, size, size, seed=SEED), range(STEPS - EARLIER, STEPS + 1)
    seen = {
        calm: [rule.to_image(s)[0] for s in simulate(rule, start, stops, seed=SEED, calm=calm)]
        for calm in (False, True)
    }
    cells = []
    for calm, steps in WAYS.values():
        *_, picture = averages(seen[calm], steps)
        cells.append(f"{meter(picture).speckle:.2f} / {float(distance(picture[None])):.2f}")
    return f"| {' | '.join([name, *cells])} |"


def main(names: Sequence[str]) -> None:
    """Print the table, line by line.

    Raises:
        InputError: there is no rule with that name.
    """
    print(f"| speckle / patch distance | {' | '.join(WAYS)} |")
    print("|---" * (1 + len(WAYS)) + "|")
    for name in names or sorted(gallery()):
        print(row(name), flush=True)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except InputError as error:
        print(f"python -m tools.grain: {error}", file=sys.stderr)
        sys.exit(2)
