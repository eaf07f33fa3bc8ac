"""The actions of the window for fields: brushes, amounts, direction pictures."""

import math

import torch
from PIL import Image, ImageChops

from nca.fields.directions import angle_of, edge_angles, mapped_angles
from nca.fields.texels import FIELDS, FieldName, byte_of, direction_byte
from nca.viewer.controls import AMOUNT_STEP, LIMITS
from nca.viewer.file_actions import Brush
from nca.viewer.player import Player
from nca.viewer.simulation.stroke import Stroke

STEADY = 0.6  # weight of earlier movement in the direction of a stroke
GROWN = 100  # steps after which a texture has the direction of its rule


def field_of(tool: str) -> FieldName | None:
    """The field that a tool paints; None: it paints cells."""
    return next((field for field in FIELDS if field == tool), None)


class FieldActions:
    """Paints the fields of a player's simulation.

    Args:
        player: the player.
        brush: its brush; ``amount`` is the byte that it paints.
    """

    def __init__(self, player: Player, brush: Brush) -> None:
        self._player, self._brush = player, brush
        self._heading = (1.0, 0.0)
        self._own: dict[tuple[int, ...], float] = {}

    def paint(self, field: FieldName, stroke: Stroke, *, neutral: bool) -> None:
        """Paint a part of a stroke."""
        self._turn(stroke)
        byte = self._brush.amount
        if field == "direction":
            byte = byte_of(field, math.atan2(self._heading[1], self._heading[0]) - self.own_angle())
        self._player.simulation.paint_field(field, None if neutral else byte, stroke)

    def _turn(self, stroke: Stroke) -> None:
        moved = (stroke.end[0] - stroke.start[0], stroke.end[1] - stroke.start[1])
        length = math.hypot(*moved)
        if length:
            x, y = (
                STEADY * before + (1 - STEADY) * now / length
                for before, now in zip(self._heading, moved, strict=True)
            )
            self._heading = (x, y) if math.hypot(x, y) > 0.1 else moved

    def own_angle(self) -> float:
        """The direction that the texture has without fields, 0 if it is not known."""
        simulation = self._player.simulation
        rules = tuple(simulation.field.present)
        undirected = not (simulation.fields.texels[..., 0] != 0).any()
        if rules not in self._own and undirected and simulation.step_number >= GROWN:
            colors = simulation.rules[rules[0]].to_rgb(simulation.read()[None])[0]
            self._own[rules] = angle_of(colors.clamp(0, 1).mean(0))
        return self._own.get(rules, 0.0)

    def follow(self, picture: Image.Image) -> str:
        """Set all directions from the gray values of a gray picture, or the edges of a color one.

        Returns:
            What the directions are, for a message.
        """
        simulation = self._player.simulation
        size = (simulation.height, simulation.width)
        red, green, blue = picture.convert("RGB").split()
        plain = all(
            ImageChops.difference(red, other).getextrema()[1] == 0 for other in (green, blue)
        )
        angles = mapped_angles(picture, *size) if plain else edge_angles(picture, *size)
        if not plain:
            angles = angles - self.own_angle()
        texels = torch.from_numpy(simulation.fields.texels.copy())
        texels[..., 0] = direction_byte(angles)
        self._player.history.remember(simulation)
        simulation.write_fields(texels.numpy())
        return "its gray values are the directions" if plain else "the texture follows its edges"

    def change_amount(self, by: int) -> None:
        """Paint with a larger or smaller amount."""
        low, high = LIMITS["amount"]
        self._brush.amount = min(max(self._brush.amount + by * AMOUNT_STEP, low), high)
        self._player.say(f"Amount: {self.amount_text()}")

    def amount_text(self) -> str:
        """The amount as the brush uses it."""
        byte, field = self._brush.amount, field_of(self._brush.tool)
        if field == "size":
            return f"{amount_factor(byte):.2f}\u00d7"
        return f"{100 * byte / 128:.0f}%"


def amount_factor(byte: int) -> float:
    """The relative size that a byte stands for, see :mod:`nca.fields.texels`."""
    away = (byte - 128) * 3 / 127
    return 1 / (1 - away) if away < 0 else 1 + away
