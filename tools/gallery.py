"""``python -m tools.gallery DIR [NAME ...]``: train rules on bundled images and measure them.

It writes ``NAME.safetensors``, ``NAME.json`` and ``NAME.html``. Look at the HTML report: only good
rules belong in ``nca/gallery/``. Existing files are kept, and an interrupted training continues.

``scales-fine`` is a rule with a decoder, trained on the picture ``scales`` drawn at 512x512 pixels.
For such a rule, ``pictures/NAME.png`` is that picture, and ``NAME.png`` shows the picture, the
texture of the bundled rule without a decoder, and the rule's texture. ``scales-material`` is a rule
of the maps of the bundled material ``scales``.
"""

import sys
from pathlib import Path
from typing import Any

from nca.errors import InputError
from nca.evaluation.report import evaluate
from nca.evaluation.settings import EvalSettings
from nca.gallery import Kind, gallery, gallery_path, kind_of, picture_of
from nca.pictures import MATERIALS, PICTURES, material_path, picture_path
from nca.rulefile import load_rule, save_rule
from nca.texture.settings import train_settings
from nca.texture.train import RULE, train
from nca.training.folder import CHECKPOINT
from tools.fine import comparison
from tools.pictures import draw

CREDITS = {"author": "the nca authors", "license": "MIT"}
# Without these options, the rules drift; see docs/lab/gallery.md.
OPTIONS: dict[str, dict[str, Any]] = {
    "bricks": {"seed": 1, "dilation": 3},
    "coral": {"seed": 1},
    "bricks-material": {"dilation": 3},
    "knit": {"dilation": 3},
}
ITERATIONS = 4000  # each rule takes half an hour on a core
SIZE, DECODER = 512, 8  # of rules with a decoder


def target_of(out: Path, name: str) -> Path:
    """The image, or the folder of maps, that a rule is trained on.

    Raises:
        InputError: there is no such image or material, or the folder cannot be written to.
    """
    match kind_of(name):
        case "plain":
            return picture_path(name)
        case "material":
            return material_path(picture_of(name))
    picture = out / "pictures" / f"{name}.png"
    if not picture.exists():
        drawn = draw(picture_of(name), SIZE)
        picture.parent.mkdir(parents=True, exist_ok=True)
        drawn.save(picture)
    return picture


def options_of(name: str) -> dict[str, Any]:
    """Training options of a rule that differ from those of other rules."""
    kinds: dict[Kind, dict[str, Any]] = {
        "plain": {"preset": "full"},
        # Without this penalty, outlines are chains of beads: see docs/lab/curvature.md.
        "fine": {"preset": "full", "decoder": DECODER, "size": SIZE, "curvature_weight": 1.0},
        "material": {"preset": "material"},
    }
    return kinds[kind_of(name)] | OPTIONS.get(name, {})


def main(out: Path, names: list[str]) -> None:
    """Train and measure rules, one after another.

    Raises:
        InputError: there is no such image, or the folder cannot be written to.
    """
    for name in names:
        target = target_of(out, name)
        rule = out / f"{name}.safetensors"
        if not rule.exists():
            run = out / "runs" / name
            # Float32 gives the same result on every machine.
            started = (run / CHECKPOINT).exists()
            settings = train_settings(
                target, run, iterations=ITERATIONS, precision="float32", resume=started,
                overwrite=not started, **options_of(name),
            )  # fmt: skip
            train(settings)
            file = load_rule(run / RULE)
            save_rule(rule, file.rule, file.info | CREDITS)
        report, sheet = rule.with_suffix(".html"), rule.with_suffix(".png")
        if not report.exists():
            evaluate(EvalSettings(rule, target, report))
        if kind_of(name) == "fine" and not sheet.exists():
            plain = picture_of(name)
            bundled = gallery_path(plain) if plain in gallery() else None
            comparison(target, bundled, rule).save(sheet)


if __name__ == "__main__":
    try:
        if len(sys.argv) < 2:
            raise InputError("give a folder, and the names of rules unless you want all of them")
        every = [*PICTURES, *gallery("fine"), *(f"{name}-material" for name in MATERIALS)]
        main(Path(sys.argv[1]), sys.argv[2:] or every)
    except InputError as error:
        print(f"python -m tools.gallery: {error}", file=sys.stderr)
        sys.exit(2)
