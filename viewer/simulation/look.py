"""Settings of the display, and the views of a state."""

import math
from dataclasses import dataclass

from nca.errors import InputError
from nca.rule import ALPHA
from nca.viewer.simulation.simulation import Simulation


@dataclass
class Look:
    """Settings of the display.

    Attributes:
        view: one of :func:`view_names`.
        color_map: color map of the views that show numbers, one of ``COLOR_MAPS``.
        scaling: drawing of cells that are larger than a pixel, one of ``SCALINGS``.
        borders: draw lines between tiles.
        average_steps: number of averaged steps; 1: only the last step is shown.
        transparent: leave out the background of grown images.
        flash_limit: show at most three flashes a second on a screen.
    """

    view: str = "colors"
    color_map: str = "inferno"
    scaling: str = "smooth"
    borders: bool = False
    average_steps: int = 1
    transparent: bool = False
    flash_limit: bool = True


def view_names(channels: int) -> list[str]:
    """All views of a state: colors, single channels, all channels side by side, the last change."""
    return ["colors", *(f"channel {c + 1}" for c in range(channels)), "channels", "change"]


def parse_view(text: str, channels: int) -> str:
    """Find a view by its name; ``alpha`` is channel 4.

    Raises:
        InputError: a state with this number of channels has no such view.
    """
    name = f"channel {ALPHA + 1}" if text == "alpha" else text
    if name not in view_names(channels):
        raise InputError(
            f"`view` {text}: must be colors, alpha, channels, change or "
            f"'channel 1' to 'channel {channels}'"
        )
    return name


def mosaic(channels: int) -> tuple[int, int]:
    """Columns and rows of the view of all channels, as in ``colors.glsl``."""
    across = math.ceil(channels**0.5)
    return across, -(-channels // across)


def extent(simulation: Simulation, look: Look) -> tuple[int, int]:
    """Width and height of the view in cells: of the grid, or of all channels side by side."""
    across, down = mosaic(simulation.channels) if look.view == "channels" else (1, 1)
    return simulation.width * across, simulation.height * down


def repeats(simulation: Simulation, look: Look) -> bool:
    """Whether the view repeats beyond its borders, as colors that wrap do; channels never do."""
    return simulation.wraps and look.view != "channels"


def decodes(simulation: Simulation, look: Look) -> bool:
    """Whether a decoder draws the view."""
    return look.view == "colors" and bool(simulation.decoded)


def natural_scale(simulation: Simulation, look: Look) -> int:
    """Pixels per cell of a picture: as many as the decoder was trained for, or 1."""
    return simulation.scale if decodes(simulation, look) else 1
