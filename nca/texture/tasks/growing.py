"""Grow an image from one cell, and regrow parts that are cut off.

This follows Mordvintsev et al., "Growing Neural Cellular Automata", Distill 2020. A rule has 16
channels; the fourth determines which cells are alive. In each batch, the worst state is reset and
the three best are damaged. Differences from the paper:

- The pool has 256 states instead of 1,024, because checkpoints contain it.
- An iteration runs 32 to 64 steps at first, and 64 to 96 later.
- The learning rate decays along a cosine.
- Values outside [-1, 1] are penalized.
- The paper displays ``1 - alpha + rgb``. Here, the displayed color is the background plus the first
  three channels. So a dead cell, whose channels are all zero, is shown in the background color by
  every player; for a new rule, that is white.
"""

from dataclasses import replace
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from typing_extensions import override

from nca.backends.simulate import simulate
from nca.errors import InputError
from nca.images import read_cutout, to_image
from nca.rule import ALPHA, IDENTITY, SOBEL_X, SOBEL_Y, Rule
from nca.rule_settings import RuleSettings
from nca.system.console import say
from nca.texture.fine_figure import FineFigure
from nca.texture.pool import Pool
from nca.texture.results import RulePreview, labeled_sheet
from nca.texture.settings import TrainSettings
from nca.texture.tasks.base import FILM, PREVIEW, LongRun, Task

ALIVE = 0.1  # opacity above which a cell is alive
WHITE = 1.0  # the background
DAMAGED = 3  # number of states damaged per batch: the best ones
OPAQUE = 0.99  # opacity above which a pixel counts as opaque


class Growing(Task):
    """An image on a plain background; the target is [4, S, S] in [0, 1], premultiplied RGBA.

    The setting ``size`` is the size of the image; ``grid`` is larger, to leave room around it. See
    :class:`nca.texture.tasks.base.Task`.
    """

    pictures: ClassVar = {
        PREVIEW: "the image; grown for 64, 200 and 2,000 steps; cut; and 200 steps after the cut",
        FILM: "the image growing from one cell, cut in half, and growing again",
    }

    @staticmethod
    def read(settings: TrainSettings) -> Tensor:
        """The whole image with its transparency, [4, S, S].

        Raises:
            InputError: the image cannot be read, has no opaque pixel, or the grid is too small
                for it.
        """
        grid, late_grid = settings.pool.unroll.grid, settings.pool.unroll.late_grid
        if grid < settings.cells or late_grid != grid:
            size = f"`size` {settings.size}"
            if settings.rule.decoder:
                size += f" / `decoder` {settings.rule.decoder} = {settings.cells}"
            raise InputError(
                f"`grid` {grid} `late_grid` {late_grid}: must be equal, and at least as large as "
                f"the picture ({size})"
            )
        cutout = read_cutout(settings.picture, settings.size, enlarge=not settings.rule.decoder)
        if not (cutout[ALPHA] > ALIVE).any():
            raise InputError(
                f"{settings.picture}: no pixel is more than {100 * ALIVE:g}% "
                "opaque, so no cell would live"
            )
        if is_opaque(cutout[ALPHA]):
            say(f"{settings.picture} has no transparency; the whole rectangle grows")
        return cutout

    def rule_settings(self) -> RuleSettings:
        """Return settings of a rule that grows from one cell, and whose cells can die."""
        return replace(
            super().rule_settings(),
            rgb_offset=WHITE,
            alive_threshold=ALIVE,
            start="center",
            noise_level=0.0,
        )

    def new_rule(self) -> dict[str, Any]:
        """The filters of the paper, and a bias in the second layer."""
        return {"filters": growing_filters(), "update_bias": True}

    @override
    def make_pool(self, **shared: Any) -> Pool:
        # From here on, the target is what the first four channels should be, [4, H, W].
        side, rule, device = self.settings.pool.unroll.grid, self.rule, self.rule.filters.device
        scale = rule.settings.pixels_per_cell
        self.fine = None
        if scale > 1:
            self.fine = FineFigure(self.target, rule.settings, side, self.generator, device)
        self.target = figure_state(F.avg_pool2d(self.target, scale), rule.settings, side)
        self.figure = self.target.to(self.rule.filters.device)
        return GrowingPool(
            self.rule, self.settings.pool, self.generator, target=self.figure, **shared
        )

    def compare(self, rule: Rule, state: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Mean squared error of colors and opacity."""
        del target
        terms = {"figure": squared_error(state, self.figure)}
        return terms if self.fine is None else terms | self.fine(rule, state)

    @override
    def long_runs(self, rule: Rule, seeds: range) -> list[LongRun]:
        state = rule.initial_state(len(seeds), *self.target.shape[1:])
        return [LongRun(rule, state, torch.arange(len(seeds)))]

    @override
    def targets(self) -> list[Image.Image]:
        if self.fine is not None:
            return [to_image(self.fine.picture)]
        return [to_image(self.rule.to_rgb(self.target[None])[0])]

    @override
    @torch.no_grad()
    def show(self, rule: Rule) -> RulePreview:
        def picture(state: Tensor) -> Image.Image:
            return to_image(rule.to_image(state)[0])

        start = rule.initial_state(1, *self.target.shape[1:])
        growth = list(simulate(rule, start, [*range(0, 160, 4), 200, 2000]))
        cut = growth[-1].clone()
        cut[..., cut.shape[-1] // 2 :] = 0
        healing = list(simulate(rule, cut, range(0, 201, 5), seed=1))
        sheet = labeled_sheet(
            [
                ("target", self.targets()[0]),
                ("64 steps", picture(growth[16])),
                ("200 steps", picture(growth[-2])),
                ("2,000 steps", picture(growth[-1])),
                ("cut", picture(cut)),
                ("200 steps later", picture(healing[-1])),
            ],
        )
        scale = max(1, rule.settings.pixels_per_cell / 2)
        film = [to_image(rule.to_image(state, scale=scale)[0]) for state in [*growth, *healing]]
        return RulePreview(picture(growth[-2]), sheet, film)


def is_opaque(alpha: Tensor) -> bool:
    """Whether the visible part of an image with this opacity, [H, W], is an opaque rectangle."""
    visible = alpha > 0
    rows, columns = visible.any(1), visible.any(0)
    return bool((alpha[rows][:, columns] > OPAQUE).all())


def growing_filters() -> Tensor:
    """The identity and both Sobel filters, [3, 3, 3]; the Sobel filters are divided by 8."""
    return torch.tensor([IDENTITY, SOBEL_X, SOBEL_Y]) / torch.tensor([1.0, 8.0, 8.0])[:, None, None]


class GrowingPool(Pool):
    """The paper's pool: in each batch, the worst state is reset and the best ones are damaged.

    Args:
        target: target of the first four channels, [4, H, W].
        others: arguments of :class:`nca.texture.pool.Pool`.
    """

    def __init__(self, *others: Any, target: Tensor, **shared: Any) -> None:
        super().__init__(*others, **shared)
        self.target = target

    @override
    def disturb(self, index: Tensor, state: Tensor) -> None:
        worst_first = squared_error(state, self.target).argsort(descending=True)
        reset, damage = torch.rand(2, generator=self.generator).tolist()
        if reset < self.settings.reset_rate:
            state[worst_first[:1]] = self.initial_states(index[worst_first[:1]], state.shape[-1])
        if damage < self.settings.damage_rate:
            best = worst_first[1:][-DAMAGED:]
            state[best] = self._cut(state[best])

    def _cut(self, states: Tensor) -> Tensor:
        """Erase a disc in every state, [B, C, H, W], that still has a living cell afterwards."""
        discs = torch.stack([self._disc(states.shape[-1]) for _ in states]).to(states.device)
        cut = states.masked_fill(discs[:, None], 0)
        lives = (cut[:, ALPHA] > ALIVE).any(2).any(1)
        return torch.where(lives[:, None, None, None], cut, states)

    def _disc(self, side: int) -> Tensor:
        x, y, size = torch.rand(3, generator=self.generator).tolist()
        along = torch.linspace(-1, 1, side)
        dx, dy = along - (x - 0.5), along - (y - 0.5)
        disc: Tensor = dx.square() + dy[:, None].square() < (0.1 + 0.3 * size) ** 2
        return disc


def squared_error(state: Tensor, target: Tensor) -> Tensor:
    """Mean squared error of the first four channels, [B, C, H, W] and [4, H, W] -> [B]."""
    return (state[:, : ALPHA + 1] - target).square().mean((1, 2, 3))


def figure_state(target: Tensor, rule: RuleSettings, side: int) -> Tensor:
    """Compute the first four channels of a state that shows the image on a plain background.

    Args:
        target: premultiplied RGBA, [4, S, S].
        rule: settings of the rule; ``rgb_offset`` is the background.
        side: side of the grid.

    Returns:
        [4, side, side]; zero where the image is transparent.
    """
    size = target.shape[-1]
    first = (side - size) // 2
    state = torch.zeros(ALPHA + 1, side, side)
    alpha = target[ALPHA:]
    colors = (target[:ALPHA] - alpha * rule.rgb_offset) / rule.rgb_scale
    state[:, first : first + size, first : first + size] = torch.cat([colors, alpha])
    return state
