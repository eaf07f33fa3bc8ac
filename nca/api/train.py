"""Train a rule on a picture."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nca.api.pictures import AnyPicture, as_picture, as_pictures
from nca.api.rules import rule_file
from nca.errors import InputError
from nca.texture.settings import train_settings
from nca.texture.train import TrainedRule
from nca.texture.train import train as train_rule
from nca.training.callback import Callback
from nca.viewer.files.watch import start_beside


def train(
    picture: AnyPicture,
    *,
    preset: str = "small",
    minutes: float | None = None,
    iterations: int | None = None,
    out: str | Path | None = None,
    callbacks: Sequence[Callback] = (),
    **settings: Any,
) -> TrainedRule:
    """Train a rule on a picture.

    In a notebook, it shows a progress bar and a picture of the newest states.

    ::

        colors = np.random.default_rng(0).random((64, 64, 3))
        trained = nca.train(colors, preset="tiny", iterations=2, size=32, grid=16, late_grid=16)
        print(trained.iterations, trained.losses["loss"], trained.rule)

    Args:
        picture: a path, a Pillow image, an array [H, W, 3] of uint8 or of floats in [0, 1], or a
            tensor [3, H, W] in [0, 1]. It is cropped to a centered square. A path may also point to
            a folder with the maps of a material. The name of a bundled material works, too.
        preset: sets the defaults of the other settings: ``tiny``, ``small``, ``full``,
            ``material``, ``noise`` or ``lesson20``.
        minutes: training time in minutes, 5 by default.
        iterations: number of iterations, instead of a training time; with it, the same seed gives
            the same weights.
        out: folder for the rule file, pictures, plots and checkpoints. None: nothing is written.
        callbacks: watch or change the training; see :class:`nca.Callback`.
        settings: other options of ``nca train``, with ``_`` instead of ``-``: ``channels=12``,
            ``seed=1``, ``statistic="wasserstein"``, ``steps=(16, 32)``. The pictures in ``also``
            can have any of the types of ``picture``. ``from_rule`` is a rule, its file or its name,
            as in :func:`nca.load`.

    Returns:
        The result, with ``rule`` (the one that looked best after long runs), ``losses`` (for each
        term, a list with one mean per 20 iterations), ``iterations``, ``seconds`` and ``folder``.

    Raises:
        InputError: the picture or a setting is not usable; the message names it.
        FailedError: a result could not be written; the others were.
    """
    values = as_pictures(settings, "also")
    if values.get("view") and out is None:
        raise InputError("`view`: needs `out`, the folder of the rule file that the window shows")
    limits = {"minutes": minutes, "iterations": iterations}
    values |= {name: value for name, value in limits.items() if value is not None}
    with tempfile.TemporaryDirectory() as folder:
        if values.get("from_rule") is not None:
            values["from_rule"] = rule_file(values["from_rule"], Path(folder) / "from_rule")
        chosen = train_settings(as_picture(picture, "picture"), out, preset, **values)
        return train_rule(chosen, callbacks=callbacks, show=start_beside if chosen.view else None)
