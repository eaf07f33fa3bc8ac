"""``python -m tools.looks [RULES PICTURES]``: measure how rules look, compared with their images.

RULES and PICTURES are folders; files with the same name belong together. The default is the rules
of the gallery and their images. The columns of the table are the metrics of
``docs/how-to/measure-a-rule.md``; ``-`` means that a metric cannot be measured.
"""

import sys
from pathlib import Path

from nca.errors import InputError
from nca.evaluation.measures import Measurement, PatchDistance, follow
from nca.evaluation.page import number
from nca.evaluation.report import training_size
from nca.evaluation.vote import rules_and_images
from nca.gallery import FOLDERS
from nca.images import read_texture
from nca.pictures import FOLDER
from nca.rulefile import load_rule

STOPS = (1000, 10_000)
SEED = 1000
COLUMNS = {
    "patch": ".2f",
    "speckle": ".2f",
    "order": ".2f",
    "misplaced": ".1f",
    "orientation": ".1f",
}  # metric -> number format


def measure(rule_path: Path, picture: Path) -> list[Measurement]:
    """Measure a rule after 1,000 and 10,000 steps."""
    file = load_rule(rule_path)
    size = training_size(file)
    target = read_texture(picture, size)[None]
    return follow(file.rule, target, PatchDistance(target), STOPS, (size, size), SEED)


def row(name: str, run: list[Measurement]) -> str:
    """Format a row of the table; a run that blew up has fewer measurements."""
    cells = [
        " / ".join(number(getattr(moment, metric), number_format) for moment in run) or "blew up"
        for metric, number_format in COLUMNS.items()
    ]
    return f"| {' | '.join([name, *cells])} |"


def main(rules: Path, pictures: Path) -> None:
    """Print the table, line by line.

    Raises:
        InputError: a folder is missing, or a file cannot be read.
    """
    mine, targets = rules_and_images(rules), rules_and_images(pictures)
    print(
        f"| rule after {' / '.join(f'{stop:,}' for stop in STOPS)} steps | {' | '.join(COLUMNS)} |"
    )
    print("|---" * (1 + len(COLUMNS)) + "|")
    for name in sorted(mine.keys() & targets.keys()):
        print(row(name, measure(mine[name], targets[name])), flush=True)


if __name__ == "__main__":
    try:
        if len(sys.argv) not in (1, 3):
            raise InputError("give a folder of rules and a folder of pictures, or neither")
        main(*map(Path, sys.argv[1:])) if len(sys.argv) == 3 else main(FOLDERS["plain"], FOLDER)
    except InputError as error:
        print(f"python -m tools.looks: {error}", file=sys.stderr)
        sys.exit(2)
