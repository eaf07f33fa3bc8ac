"""`nca train`: one rule, or a rule for every image of a folder."""

from pathlib import Path

from nca.texture.settings import TrainSettings
from nca.texture.sweep import sweep
from nca.texture.train import TrainedRule, train
from nca.viewer.files.watch import start_beside


def train_all(settings: TrainSettings, *variants: TrainSettings) -> TrainedRule | Path:
    """Train one rule, or all rules of a folder; returns the result or the table of all rules.

    Args:
        settings: settings from the flags.
        variants: the same settings with each of ``presets``.
    """
    if settings.picture.is_dir():
        return sweep(variants or [settings])
    return train(settings, show=start_beside if settings.view else None)
