"""``python -m tools.guidance RUN PICTURE``: draw samples for each class and guidance scale.

RUN is the folder of a model trained with ``--classes``. The picture has one column for each class,
and two rows for each scale in ``SCALES``. The samples of all scales start from the same noise.
"""

import sys
from pathlib import Path

import torch

from nca.ddpm.checkpoint import load_run
from nca.ddpm.command import draw_samples
from nca.ddpm.results import sheet
from nca.ddpm.settings import SampleSettings
from nca.errors import InputError
from nca.images import write_image

SCALES = (1.0, 2.0, 4.0, 8.0)
ROWS = 2  # rows per scale


def main(folder: Path, picture: Path) -> None:
    """Write the picture.

    Raises:
        InputError: the model was not trained with classes, or cannot be read.
    """
    run = load_run(folder)
    classes = run.model.classes
    if classes is None:
        raise InputError(f"{folder}: the model was not trained with `classes`")
    samples = [
        draw_samples(run, SampleSettings(folder, picture, n=ROWS * classes, guidance=scale))
        for scale in SCALES
    ]
    write_image(picture, sheet(torch.cat(samples), classes))


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), Path(sys.argv[2]))
    except InputError as error:
        print(f"python -m tools.guidance: {error}", file=sys.stderr)
        sys.exit(2)
