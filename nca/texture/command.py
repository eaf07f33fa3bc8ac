"""`nca train`: one rule, or a rule for every image of a folder."""

from pathlib import Path

from nca.images.map_files import is_material
from nca.texture.settings import TrainSettings
from nca.texture.sweep import sweep
from nca.texture.train import TrainedRule, train
from nca.viewer.files.watch import start_beside


def train_all(settings: TrainSettings, *variants: TrainSettings) -> TrainedRule | Path:
    """Train one rule, or a rule for every image of a folder.

    Args:
        settings: settings of the run.
        variants: the same settings with each preset of ``presets``, for a folder of images.

    Returns:
        The result of one rule, or the path of the table of all rules.
    """
    picture = settings.picture
    if isinstance(picture, Path) and picture.is_dir() and not is_material(picture):
        return sweep(variants or [settings])
    return train(settings, show=start_beside if settings.view else None)
