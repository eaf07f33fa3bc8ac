"""``python -m tools.gallery DIR [NAME ...]``: train rules on bundled images and measure them.

It writes ``NAME.safetensors``, ``NAME.json`` and ``NAME.html``. Look at the HTML report: only good
rules belong in ``nca/gallery/``. Existing files are kept.

``scales-fine`` is a rule with a decoder, trained on the picture ``scales`` drawn at 512x512 pixels.
For such a rule, ``pictures/NAME.png`` is that picture, and ``NAME.png`` shows the picture, the
texture of the bundled rule without a decoder, and the rule's texture.
"""

import sys
from pathlib import Path

from nca.errors import InputError
from nca.evaluation.report import evaluate
from nca.evaluation.settings import EvalSettings
from nca.gallery import FINE, gallery, gallery_path
from nca.pictures import PICTURES, picture_path
from nca.rulefile import load_rule, save_rule
from nca.texture.settings import train_settings
from nca.texture.train import RULE, train
from tools.fine import SIZE, comparison
from tools.pictures import draw

CREDITS = {"author": "the nca authors", "license": "MIT"}
SEEDS = {"bricks": 1, "coral": 1}  # with seed 0, these two drift; see docs/lab/gallery.md
ITERATIONS = 4000  # each rule takes half an hour on a shared core
DECODER = 8


def target_of(out: Path, name: str) -> Path:
    """The picture that a rule is trained on.

    Raises:
        InputError: there is no such image, or the folder cannot be written to.
    """
    if not name.endswith(FINE):
        return picture_path(name)
    picture = out / "pictures" / f"{name}.png"
    if not picture.exists():
        drawn = draw(name.removesuffix(FINE), SIZE)
        picture.parent.mkdir(parents=True, exist_ok=True)
        drawn.save(picture)
    return picture


def main(out: Path, names: list[str]) -> None:
    """Train and measure rules, one after another.

    Raises:
        InputError: there is no such image, or the folder cannot be written to.
    """
    for name in names:
        target, fine = target_of(out, name), name.endswith(FINE)
        rule = out / f"{name}.safetensors"
        if not rule.exists():
            run = out / "runs" / name
            # Float32 gives the same result on every machine.
            settings = train_settings(
                target, run, "full", iterations=ITERATIONS, precision="float32",
                seed=SEEDS.get(name, 0), overwrite=True,
                **({"decoder": DECODER, "size": SIZE} if fine else {}),
            )  # fmt: skip
            train(settings)
            file = load_rule(run / RULE)
            save_rule(rule, file.rule, file.info | CREDITS)
        report, sheet = rule.with_suffix(".html"), rule.with_suffix(".png")
        if not report.exists():
            evaluate(EvalSettings(rule, target, report))
        if fine and not sheet.exists():
            plain = name.removesuffix(FINE)
            bundled = gallery_path(plain) if plain in gallery() else None
            comparison(target, bundled, rule).save(sheet)


if __name__ == "__main__":
    try:
        if len(sys.argv) < 2:
            raise InputError("give a folder, and the names of pictures unless you want all of them")
        every = [*PICTURES, *(name for name in gallery(fine=True) if name.endswith(FINE))]
        main(Path(sys.argv[1]), sys.argv[2:] or every)
    except InputError as error:
        print(f"python -m tools.gallery: {error}", file=sys.stderr)
        sys.exit(2)
