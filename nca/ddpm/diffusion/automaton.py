"""A denoising network that is a neural cellular automaton: it runs a few steps of one rule.

Kalkhof et al., "Frequency-Time Diffusion with Neural Cellular Automata", arXiv:2401.06291, showed
that an automaton can remove noise with few weights. In each step, information moves by one cell.
Two things shorten the way across the image here, although the network is a plain
:class:`nca.rule.Rule`: each cell holds a square of pixels, and the grid wraps around. Because the
grid wraps around, cells also get their coordinates as inputs.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nca.backends import unroll
from nca.ddpm.settings import TrainSettings
from nca.errors import InputError
from nca.rule import Rule, filter_tensor
from nca.rule_settings import MAX_CHANNELS, RuleSettings

COORDINATES = 4  # cosine and sine of x, then of y; one period spans the grid
WAVES = (math.pi / 2, 2 * math.pi)  # angular frequencies, in radians per 1,000 units of time
TIMES = 2 * len(WAVES)


class Automaton(nn.Module):
    """Maps a noised image and its time, and optionally a class, to an image.

    The channels of a cell are: its pixels in the noised image, its pixels in the output (zero at
    first), its coordinates, cosines and sines of the time, and memory. The memory starts with
    values that depend on the class, or with zeros. The rule may change any channel. In every step,
    all cells fire.

    Args:
        colors: number of channels of the images.
        channels: number of channels of a cell.
        hidden: number of hidden units of the rule.
        steps: number of steps per call.
        patch: width and height of the square that a cell holds, in pixels.
        classes: number of classes; None: not conditioned on classes.

    Raises:
        InputError: a cell has too few channels, or needs more channels than a rule can have.
    """

    def __init__(
        self,
        colors: int,
        channels: int,
        *,
        hidden: int,
        steps: int,
        patch: int = 1,
        classes: int | None = None,
    ) -> None:
        super().__init__()
        self.pixels, self.steps, self.patch = colors * patch**2, steps, patch
        self.memory = channels - 2 * self.pixels - COORDINATES - TIMES
        if self.memory < (classes is not None):
            least = channels - self.memory + (classes is not None)
            if least > MAX_CHANNELS:
                raise InputError(
                    f"`patch` {patch}: needs {least} channels per cell; a rule has at most "
                    f"{MAX_CHANNELS}"
                )
            raise InputError(
                f"`cell_channels` {channels}: must be {least} or more with `patch` {patch}"
            )
        settings = RuleSettings(channels, hidden, update_rate=1.0, rgb_scale=0.5)
        self.rule = Rule(settings, unit_filters(), update_bias=True)
        self.classes = None if classes is None else nn.Embedding(classes + 1, self.memory)

    def forward(self, x: Tensor, times: Tensor, classes: Tensor | None = None) -> Tensor:
        """Map images [B, C, H, W], times [B] and, if conditioned, classes [B] to [B, C, H, W]."""
        height, width = x.shape[-2:]
        x = F.pad(x, (0, -width % self.patch, 0, -height % self.patch))
        state = self.start(F.pixel_unshuffle(x, self.patch), times, classes)
        masks = state.new_ones((self.steps, len(x), *state.shape[2:]), dtype=torch.bool)
        state = unroll(state, self.rule, masks)
        output = F.pixel_shuffle(state[:, self.pixels : 2 * self.pixels], self.patch)
        return output[..., :height, :width]

    def start(self, cells: Tensor, times: Tensor, classes: Tensor | None = None) -> Tensor:
        """The state before the first step, [B, channels, H, W], from pixels [B, pixels, H, W]."""
        batch, _, height, width = cells.shape
        given = torch.cat([time_waves(times), self.class_values(times, classes)], 1)
        parts = [cells, torch.zeros_like(cells)]
        parts.append(coordinates(height, width).to(cells).expand(batch, -1, -1, -1))
        parts.append(given.to(cells)[:, :, None, None].expand(-1, -1, height, width))
        return torch.cat(parts, 1)

    def class_values(self, times: Tensor, classes: Tensor | None) -> Tensor:
        """Contents of the memory before the first step, [B, memory]."""
        if self.classes is None or classes is None:
            return times.new_zeros((len(times), self.memory), dtype=torch.float32)
        values: Tensor = self.classes(classes)
        return values


def unit_filters() -> Tensor:
    """The filters that texture rules use, scaled so that they preserve the variance of noise."""
    filters = filter_tensor()
    return filters / filters.square().sum((1, 2), keepdim=True).sqrt()


def time_waves(times: Tensor) -> Tensor:
    """Cosines of the times at each frequency, then the sines, [B] -> [B, TIMES] float32."""
    angles = times.double()[:, None] / 1000 * torch.tensor(WAVES, device=times.device).double()
    return torch.cat([angles.cos(), angles.sin()], 1).float()


def coordinates(height: int, width: int) -> Tensor:
    """The coordinates of all cells, [COORDINATES, height, width] float32."""
    x, y = (2 * math.pi * torch.arange(n, dtype=torch.float64) / n for n in (width, height))
    rows, columns = torch.meshgrid(y, x, indexing="ij")
    return torch.stack([columns.cos(), columns.sin(), rows.cos(), rows.sin()]).float()


def build_automaton(settings: TrainSettings, colors: int, classes: int | None) -> Automaton:
    """Make the automaton that the settings describe, with weights drawn from the run's seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.run.seed)
        return Automaton(
            colors,
            settings.automaton.cell_channels,
            hidden=settings.automaton.cell_hidden,
            steps=settings.automaton.cell_steps,
            patch=settings.network.patch,
            classes=classes,
        )
