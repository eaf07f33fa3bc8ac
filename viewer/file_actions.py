"""The actions of the window that save and open files."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from importlib.util import find_spec
from pathlib import Path
from typing import ParamSpec

from PIL import Image

from nca.automata.rle import ENDING as PATTERN_SUFFIX
from nca.automata.rle import read_pattern
from nca.errors import InputError, explain
from nca.images import read_image, write_image
from nca.images.picture_files import is_picture
from nca.viewer.controls import BRUSH
from nca.viewer.files.state_file import SavedState, load_state, save_state
from nca.viewer.player import Player
from nca.viewer.simulation.look import natural_scale

RULE_SUFFIX = ".safetensors"

P = ParamSpec("P")


@dataclass
class Brush:
    """The brush: radius in cells, amount of a field, number of a rule, image that it stamps."""

    tool: str = BRUSH["tool"]
    radius: float = BRUSH["radius"]
    amount: int = BRUSH["amount"]
    rule: int = 0
    picture: Image.Image | None = None


def report_errors(action: Callable[P, None]) -> Callable[P, None]:
    """Make an action report its errors as messages, so that the window stays open."""

    @wraps(action)
    def attempt(*arguments: P.args, **named: P.kwargs) -> None:
        try:
            action(*arguments, **named)
        except Exception as error:  # decoders and drivers can raise anything
            actions = arguments[0]
            assert isinstance(actions, FileActions)
            actions.player.say(explain(error))

    return attempt


class FileActions:
    """The actions that save and open files, for a player and its brush."""

    def __init__(self, player: Player) -> None:
        self.player, self.brush = player, Brush()

    @report_errors
    def save_picture(self, scale: int = 1) -> None:
        """Save an image of the whole grid, at ``scale`` times its natural size."""
        player = self.player
        scale *= natural_scale(player.simulation, player.look)
        self._write_picture(player.display.whole(player.simulation, player.look, scale))

    def save_picture_twice(self) -> None:
        """Save an image of the whole grid, at twice its natural size."""
        self.save_picture(2)

    def save_picture_four_times(self) -> None:
        """Save an image of the whole grid, at four times its natural size."""
        self.save_picture(4)

    @report_errors
    def save_window(self) -> None:
        """Save an image of the window."""
        player = self.player
        self._write_picture(
            player.display.picture(player.simulation, player.camera, player.look, player.size)
        )

    def _write_picture(self, picture: Image.Image) -> None:
        path = self._free_path(".png")
        write_image(path, picture)
        self.player.say(f"Saved {path.name}, {picture.width} x {picture.height} pixels")

    @report_errors
    def record(self) -> None:
        """Start or stop a recording."""
        if self.player.recordings.running:
            self.player.recordings.stop()
            return
        wanted = self.player.settings.window.recording
        if wanted == "auto":
            wanted = "mp4" if find_spec("imageio_ffmpeg") else "webp"
        path = self._free_path("" if wanted == "png" else f".{wanted}")
        self.player.recordings.start(path, self.player.size)
        self.player.say(f"Recording {path.name}")

    @report_errors
    def save_state(self) -> None:
        """Save the state."""
        path = self._free_path(".npz")
        save_state(path, SavedState.of(self.player.simulation))
        self.player.say(f"Saved {path.name}")

    @report_errors
    def open_state(self) -> None:
        """Open the last saved state."""
        files = self.player.settings.window.folder.glob("*.npz")
        saved = sorted(files, key=lambda path: path.stat().st_mtime)
        if not saved:
            raise InputError("no saved state here; drop one on the window")
        self.open_file(saved[-1])

    def open_files(self, paths: list[Path]) -> None:
        """Open files dropped on the window: rules, states, patterns, images, videos."""
        for path in paths:
            self._open(path)

    @report_errors
    def _open(self, path: Path) -> None:
        try:
            self.open_file(path)
        except Exception as error:
            if path.name in str(error):
                raise
            raise InputError(f"{path.name}: {explain(error)}") from error

    def open_file(self, path: Path) -> None:
        """Open a file of any supported kind.

        Raises:
            InputError: it cannot be used.
            GraphicsError: the driver cannot run the rule.
        """
        suffix = path.suffix.lower()
        if suffix == RULE_SUFFIX:
            self.brush.rule = self.player.add_rule(path)
            self.brush.tool = "rule"
            self.player.say(f"Brush: {self.player.names[self.brush.rule]} (G: everywhere)")
        elif suffix == ".npz":
            self.player.restore(load_state(path))
            self.player.say(f"Opened {path.name}")
        elif suffix == PATTERN_SUFFIX:
            self.player.place(read_pattern(path))
            self.player.say(f"{path.name} is in the middle")
        elif is_picture(path) and not path.is_dir():
            self._open_picture(path)
        else:
            self.player.open_input(str(path))
            self.player.say(f"Playing over {path.name}")

    def _open_picture(self, path: Path) -> None:
        """Set the colors of the whole grid to the colors of an image, and keep it as a stamp."""
        picture = read_image(path, max_side=2048)
        player = self.player
        width, height = player.grid
        scale = max(width / picture.width, height / picture.height)
        across, down = picture.width * scale, picture.height * scale
        self.brush.picture = picture
        player.history.remember(player.simulation)
        player.simulation.stamp(picture, ((width - across) / 2, (height - down) / 2, across, down))
        player.say(f"{path.name} colors the grid; 5 stamps it with the brush")

    def _free_path(self, suffix: str) -> Path:
        """An unused file name that contains the names of the rules and the step."""
        simulation = self.player.simulation
        names = "-".join(self.player.names[number] for number in simulation.field.present[:3])
        stem = (
            "".join(c if c.isalnum() or c in "-_." else "-" for c in names).strip("-.") or "texture"
        )
        folder = self.player.settings.window.folder
        path = folder / f"{stem}-{simulation.step_number}{suffix}"
        count = 1
        while path.exists() or path in self.player.recordings.paths:
            count += 1
            path = folder / f"{stem}-{simulation.step_number}-{count}{suffix}"
        return path
