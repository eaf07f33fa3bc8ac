"""Complete a photograph with a rule: fill holes, extend the photograph, or make it tile."""

import torch
import torch.nn.functional as F
from torch import Tensor

from nca.commands.guided import run_guided
from nca.rule import Rule

# Width of the frame that is filled to make a photograph tile, as a fraction of the shorter side.
FRAME = 0.1
REACH = 12  # distance in cells from the filled part within which other colors may change at first
LOOSE = 0.6  # fraction of the steps, from the first one, in which these other colors may change


@torch.no_grad()
def fill(
    rule: Rule, photo: Tensor, free: Tensor, steps: int, *, cell: int = 1, seed: int = 0
) -> Tensor:
    """Fill a part of a photograph.

    After every step, the colors of all cells outside this part are set to those of the photograph.
    In the first steps, the colors of cells near the part are only moved toward the photograph, so
    that shapes can grow across the border. A rule that was trained on the photograph itself fits
    best.

    Args:
        rule: the rule; its padding determines what cells see beyond the edges of the grid.
        photo: photograph, [3, H, W] in [0, 1].
        free: pixels to fill, [H, W] bool.
        steps: number of steps.
        cell: side of a cell in pixels.
        seed: random seed that determines which cells fire.

    Returns:
        [3, H, W] in [0, 1], equal to the photograph outside ``free``.
    """
    settings, (height, width) = rule.settings, photo.shape[1:]
    size = (max(height // cell, 4), max(width // cell, 4))
    around = "circular" if settings.padding == "circular" else "replicate"
    small, part = photo[None], free[None, None].float()
    if size != (height, width):
        small = F.interpolate(small, size, mode="bicubic", antialias=True)
        part = F.adaptive_max_pool2d(part, size)
    colors = (small - settings.rgb_offset) / settings.rgb_scale
    reach = min(REACH, min(size) - 1)
    near = F.avg_pool2d(F.pad(part, (reach,) * 4, around), 2 * reach + 1, 1)  # at most about 0.5
    fixed = 1 - part
    loose = fixed * (1 - 1.8 * near).clamp(min=0)
    state = rule.initial_state(1, *size, seed=seed)
    state[:, :3] += loose * (colors - state[:, :3])

    def pull(step: int) -> Tensor:
        return loose if step < LOOSE * steps else fixed

    state = run_guided(rule, state, colors, pull, steps, seed=seed)
    texture = rule.to_rgb(state).clamp(0, 1)
    if size != (height, width):
        texture = F.interpolate(texture, (height, width), mode="bicubic").clamp(0, 1)
    return torch.where(free, texture[0], photo)


def with_margin(photo: Tensor, margin: int) -> tuple[Tensor, Tensor]:
    """Add black pixels around a photograph, [3, H, W]; also returns which pixels were added."""
    inside = torch.zeros(photo.shape[1:], dtype=torch.bool)
    around = (margin,) * 4
    return F.pad(photo, around), F.pad(inside, around, value=True)


def frame_of(photo: Tensor) -> Tensor:
    """The pixels near the border of a photograph, [H, W] bool."""
    width = max(1, round(FRAME * min(photo.shape[1:])))
    free = torch.ones(photo.shape[1:], dtype=torch.bool)
    free[width:-width, width:-width] = False
    return free
