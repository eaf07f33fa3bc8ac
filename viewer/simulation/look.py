"""Settings of the display, and the views of a state."""

import math
from dataclasses import dataclass

from nca.errors import InputError
from nca.exporters.glsl.lit import LIT, MAP_VIEWS
from nca.maps import MapName
from nca.rule import ALPHA
from nca.viewer.simulation.lit import default_view, maps_of
from nca.viewer.simulation.simulation import Simulation


@dataclass
class Look:
    """Settings of the display.

    Attributes:
        view: one of :func:`view_names`, or ``auto``: see :func:`view_of`.
        color_map: color map of the views that show numbers, one of ``COLOR_MAPS``.
        scaling: how cells that are larger than a pixel are drawn, one of ``SCALINGS``.
        borders: draw lines between tiles.
        average_steps: number of averaged steps; 1: only the last step is shown.
        transparent: leave out the background of grown images.
        flash_limit: show at most three flashes a second on a screen.
        lamp: place of the lamp that lights materials, from (0, 0) to (1, 1) across and down the
            image. None: a distant light and a distant eye, so that a texture that wraps tiles.
        relief: the largest height of a material, in cells; 0: no shadows and no parallax.
    """

    view: str = "auto"
    color_map: str = "inferno"
    scaling: str = "smooth"
    borders: bool = False
    average_steps: int = 1
    transparent: bool = False
    flash_limit: bool = True
    lamp: tuple[float, float] | None = None
    relief: float = 0.0


def view_names(channels: int, maps: tuple[MapName, ...] = ()) -> list[str]:
    """All views of a state.

    A material can be lit, or show one of its maps. Then follow single channels, all channels side
    by side, and the last change.
    """
    material = [LIT, "colors", *maps[1:]] if maps else ["colors"]
    return [*material, *(f"channel {c + 1}" for c in range(channels)), "channels", "change"]


def views_of(simulation: Simulation) -> list[str]:
    """All views of a simulation."""
    return view_names(simulation.channels, maps_of(simulation))


def view_of(simulation: Simulation, look: Look) -> str:
    """The view that is shown: that of the look, or, if there is no such view, the natural one."""
    return look.view if look.view in views_of(simulation) else default_view(simulation)


def parse_view(text: str, channels: int, maps: tuple[MapName, ...] = ()) -> str:
    """Find a view by its name; ``alpha`` is channel 4, ``auto`` is decided later.

    Raises:
        InputError: a state with this number of channels has no such view.
    """
    name = f"channel {ALPHA + 1}" if text == "alpha" else text
    if name not in ("auto", *view_names(channels, maps)):
        material = f"{', '.join((LIT, *maps[1:]))}, " if maps else ""
        raise InputError(
            f"`view` {text}: must be auto, {material}colors, alpha, channels, change or "
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
    """Whether a decoder draws the view: the colors, or a view of a material."""
    return view_of(simulation, look) in ("colors", *MAP_VIEWS) and bool(simulation.decoded)


def shows_material(simulation: Simulation, look: Look) -> bool:
    """Whether the view is that of a material: lit, or one of its maps."""
    return view_of(simulation, look) in MAP_VIEWS


def natural_scale(simulation: Simulation, look: Look) -> int:
    """Pixels per cell of a picture: as many as the decoder was trained for, or 1."""
    return simulation.scale if decodes(simulation, look) else 1
