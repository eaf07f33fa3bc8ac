"""Players with small rules, for the viewer tests."""

from pathlib import Path
from typing import Any

import moderngl

from nca.rule_settings import RuleSettings
from nca.rulefile import save_rule
from nca.viewer.files.rule_files import load_rules
from nca.viewer.player import Player
from nca.viewer.settings import view_settings
from tests.helpers.rules import bounded_rule


class Clock:
    """A clock that only advances when a test advances it."""

    def __init__(self) -> None:
        self.now = 1000.0  # seconds

    def __call__(self) -> float:
        return self.now


def clock_of(player: Player) -> Clock:
    """The clock of a player that :func:`make_player` made."""
    assert isinstance(player.clock, Clock)
    return player.clock


def rule_file(folder: Path, name: str = "a", *, seed: int = 0, **settings: Any) -> Path:
    """A rule file in a folder."""
    path = folder / f"{name}.safetensors"
    values: dict[str, Any] = {
        "channels": 8,
        "hidden": 16,
        "start": "noise",
        "noise_level": 0.5,
        **settings,
    }
    save_rule(path, bounded_rule(RuleSettings(**values), seed=seed))
    return path


def make_player(gl: moderngl.Context, folder: Path, *rules: Path, **settings: Any) -> Player:
    """Make a player with a Clock; it shows a grid of 32 x 24 cells at 320 x 240 pixels."""
    paths = rules or (rule_file(folder),)
    values: dict[str, Any] = {"grid": "32x24", "folder": folder, **settings}
    view = view_settings(*paths, **values)
    player = Player(gl, load_rules(paths, wait=view.window.wait), view, Clock())
    player.resize(320, 240)
    return player
