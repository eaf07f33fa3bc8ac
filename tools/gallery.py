"""``python -m tools.gallery DIR [NAME ...]``: train rules on bundled images and measure them.

It writes ``NAME.safetensors``, ``NAME.json`` and ``NAME.html``. Look at the HTML report: only good
rules belong in ``nca/gallery/``. Existing files are kept.
"""

import sys
from pathlib import Path

from nca.errors import InputError
from nca.evaluation.report import evaluate
from nca.evaluation.settings import EvalSettings
from nca.pictures import PICTURES, picture_path
from nca.rulefile import load_rule, save_rule
from nca.texture.settings import train_settings
from nca.texture.train import RULE, train

CREDITS = {"author": "the nca authors", "license": "MIT"}
SEEDS = {"bricks": 1, "coral": 1}  # with seed 0, these two drift; see docs/lab/gallery.md
ITERATIONS = 4000  # each rule takes half an hour on a shared core


def main(out: Path, names: list[str]) -> None:
    """Train and measure rules, one after another.

    Raises:
        InputError: there is no such image, or the folder cannot be written to.
    """
    for name in names:
        rule = out / f"{name}.safetensors"
        if not rule.exists():
            run = out / "runs" / name
            # Float32 gives the same result on every machine.
            settings = train_settings(
                picture_path(name), run, "full", iterations=ITERATIONS, precision="float32",
                seed=SEEDS.get(name, 0), overwrite=True,
            )  # fmt: skip
            train(settings)
            file = load_rule(run / RULE)
            save_rule(rule, file.rule, file.info | CREDITS)
        report = rule.with_suffix(".html")
        if not report.exists():
            evaluate(EvalSettings(rule, picture_path(name), report))


if __name__ == "__main__":
    try:
        if len(sys.argv) < 2:
            raise InputError("give a folder, and the names of pictures unless you want all of them")
        main(Path(sys.argv[1]), sys.argv[2:] or PICTURES)
    except InputError as error:
        print(f"python -m tools.gallery: {error}", file=sys.stderr)
        sys.exit(2)
