"""The rule of a neural cellular automaton: the reference implementation, in plain torch.

A step consists of perception by fixed 3x3 filters (some may be dilated), two 1x1 layers, and a
residual update of the cells that fire (Mordvintsev et al., "Growing Neural Cellular Automata",
Distill 2020; Niklasson et al., "Self-Organising Textures", Distill 2021). Every faster path
(unrolls, shaders) is tested against this module.
"""

from dataclasses import replace
from operator import attrgetter
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from nca.decoder import Decoder, interpolate, pixel_places
from nca.maps import MapName, map_channels, map_width
from nca.rng import fire_mask, uniform_noise
from nca.rule_settings import Padding, Quantizer, RuleSettings

IDENTITY = ((0.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 0.0))
SOBEL_X = ((-1.0, 0.0, 1.0), (-2.0, 0.0, 2.0), (-1.0, 0.0, 1.0))
SOBEL_Y = ((-1.0, -2.0, -1.0), (0.0, 0.0, 0.0), (1.0, 2.0, 1.0))
LAPLACIAN = ((1.0, 2.0, 1.0), (2.0, -12.0, 2.0), (1.0, 2.0, 1.0))
DEFAULT_FILTERS = (IDENTITY, SOBEL_X, SOBEL_Y, LAPLACIAN)
DILATED_FILTERS = (*DEFAULT_FILTERS, *DEFAULT_FILTERS[1:])  # the last three have distant taps

MAX_FILTERS = 16
TILE = 256  # pixels; pictures with a longer side are drawn in parts
ALPHA = 3  # the channel whose values decide which cells live, if a rule has an alive threshold
MIN_LIFE = 1e-3  # replaces smaller alive thresholds where a decoder's details fade out
CALM_AFTER = 300  # a calm run begins after this many steps without a stroke, reset or other change


def dilations(distance: int) -> tuple[int, ...]:
    """The setting ``dilations`` for the default filters, and if ``distance`` is above 1, copies."""
    if distance == 1:
        return ()
    return (1,) * len(DEFAULT_FILTERS) + (distance,) * (len(DILATED_FILTERS) - len(DEFAULT_FILTERS))


def filter_tensor() -> Tensor:
    """Identity, sobel x, sobel y and laplacian, [4, 3, 3] float32."""
    return torch.tensor(DEFAULT_FILTERS)


def pad(state: Tensor, padding: Padding, cells: int = 1) -> Tensor:
    """Add n cells on every side, [B, C, H, W] -> [B, C, H+2n, W+2n]."""
    return F.pad(state, (cells,) * 4, mode="constant" if padding == "zeros" else padding)


def alive(state: Tensor, threshold: float, padding: Padding) -> Tensor:
    """Which cells live or have a living neighbor, [B, C, H, W] -> [B, 1, H, W]."""
    neighborhood = F.max_pool2d(pad(state[:, ALPHA : ALPHA + 1], padding), 3, stride=1)
    return neighborhood > threshold


class Rule(nn.Module):
    """A rule: settings, filters and weights. A notebook displays it running.

    ::

        rule = nca.Rule(nca.RuleSettings(channels=8, hidden=32, start="noise", noise_level=1))
        state = rule(rule.initial_state(1, 64, 96), steps=10, seed=3)
        print(rule.to_image(state).shape, "colors [B, 3, H, W]")

    Args:
        settings: sizes, padding, color map and so on.
        filters: filters that perceive every channel, [K, 3, 3]; their taps are
            ``settings.dilations`` cells apart (Yu & Koltun, arXiv:1511.07122, 2015). Default:
            :func:`filter_tensor`, or ``DILATED_FILTERS`` if there are seven dilations.
        update_bias: give the second layer a bias ``b2``, as some published rules have.
        generator: source of the initial weights. They are initialized like ``nn.Conv2d``, except
            that ``w2`` is zero. ``b1`` is not zero, because otherwise a zero state would have no
            gradients.

    Shapes:
        ``w1 [hidden, C*K]``, where column ``c * K + k`` is filter k of channel c;
        ``b1 [hidden]``; ``w2 [C, hidden]``; ``b2 [C]`` or None. ``decoder`` is None, or a
        :class:`nca.decoder.Decoder` with weights of its own.

    Raises:
        ValueError: the number of dilations is not the number of filters.
    """

    filters: Tensor

    def __init__(
        self,
        settings: RuleSettings,
        filters: Tensor | None = None,
        *,
        update_bias: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.settings = settings
        if filters is None:
            more = len(settings.dilations) == len(DILATED_FILTERS)
            filters = torch.tensor(DILATED_FILTERS) if more else filter_tensor()
        self.register_buffer("filters", filters)
        if len(settings.dilations) not in (0, len(self.filters)):
            raise ValueError(
                f"dilations must be {len(self.filters)} numbers, one for each filter, "
                f"not {len(settings.dilations)}"
            )
        inputs = settings.channels * len(self.filters)
        bound = inputs**-0.5
        self.w1 = nn.Parameter(torch.empty(settings.hidden, inputs))
        self.b1 = nn.Parameter(torch.empty(settings.hidden))
        self.w2 = nn.Parameter(torch.zeros(settings.channels, settings.hidden))
        self.b2 = nn.Parameter(torch.zeros(settings.channels)) if update_bias else None
        nn.init.uniform_(self.w1, -bound, bound, generator=generator)
        nn.init.uniform_(self.b1, -bound, bound, generator=generator)
        self.decoder: Decoder | None = None
        if settings.decoder is not None:
            outputs = map_width(settings.maps)
            self.decoder = Decoder(settings.decoder, settings.channels, generator, outputs=outputs)

    @property
    def dilations(self) -> tuple[int, ...]:
        """For each filter, the distance between its taps in cells."""
        return self.settings.dilations or (1,) * len(self.filters)

    def filters_by_dilation(self) -> dict[int, slice]:
        """Which filters have each dilation."""
        own = self.dilations
        return {d: slice(own.index(d), own.index(d) + own.count(d)) for d in dict.fromkeys(own)}

    def pad(self, state: Tensor, cells: int = 1) -> Tensor:
        """Add n cells on every side, [B, C, H, W] -> [B, C, H+2n, W+2n]."""
        return pad(state, self.settings.padding, cells)

    def perceive(self, state: Tensor) -> Tensor:
        """Correlate every channel with every filter, [B, C, H, W] -> [B, C*K, H, W]."""
        channels = self.settings.channels
        parts = []  # [B, C, n, H, W] each, from the n filters of one dilation
        for dilation, some in self.filters_by_dilation().items():
            weight = self.filters[some, None].repeat(channels, 1, 1, 1)  # [C*n, 1, 3, 3]
            padded = self.pad(state, dilation)
            part = F.conv2d(padded, weight, groups=channels, dilation=dilation)
            parts.append(rearrange(part, "b (c n) h w -> b c n h w", c=channels))
        return torch.cat(parts, 2).flatten(1, 2)

    def update(self, state: Tensor) -> Tensor:
        """The change to each cell if it fires, [B, C, H, W] -> [B, C, H, W]."""
        return self.change(self.perceive(state))

    def change(self, perception: Tensor) -> Tensor:
        """The change to each cell, from what it perceives, [B, C*K, H, W] -> [B, C, H, W]."""
        quantization = self.settings.quantization
        perception = _rounded(perception, quantization.perception)
        hidden = F.relu(F.conv2d(perception, self.w1[:, :, None, None], self.b1))
        if self.settings.hidden_clip is not None:
            hidden = hidden.clamp(max=self.settings.hidden_clip)
        hidden = _rounded(hidden, quantization.hidden)
        change = F.conv2d(hidden, self.w2[:, :, None, None], self.b2)
        return _rounded(change, quantization.update)

    def step(self, state: Tensor, mask: Tensor) -> Tensor:
        """Run one step.

        Args:
            state: [B, C, H, W].
            mask: [B, 1, H, W] or [B, H, W], 1 or True where a cell fires.

        Returns:
            The next state, [B, C, H, W].
        """
        if mask.ndim == 3:
            mask = mask[:, None]
        return self.settled(state, state + mask * self.update(state))

    def settled(self, state: Tensor, after: Tensor) -> Tensor:
        """The state after cells have died and values are rounded, [B, C, H, W]."""
        if self.settings.alive_threshold is not None:
            after = after * (self.alive(state) & self.alive(after))
        return _rounded(after, self.settings.quantization.state)

    def alive(self, state: Tensor) -> Tensor:
        """Which cells live or have a living neighbor, [B, 1, H, W] bool."""
        return alive(state, self.settings.alive_threshold or 0.0, self.settings.padding)

    def fire_masks(
        self, batch: int, height: int, width: int, steps: int, *, seed: int, first_step: int = 0
    ) -> Tensor:
        """Masks for a simulation, [steps, B, H, W] bool; sample i uses the seed ``seed + i``."""
        device = self.filters.device
        step = torch.arange(first_step, first_step + steps, device=device)[:, None]
        seeds = torch.arange(seed, seed + batch, device=device)
        return fire_mask(height, width, step, seeds, self.settings.update_rate)

    @torch.no_grad()
    def initial_state(self, batch: int, height: int, width: int, *, seed: int = 0) -> Tensor:
        """The initial state, [B, C, H, W]; any noise in sample i has the seed ``seed + i``."""
        settings, device = self.settings, self.filters.device
        state = torch.zeros(batch, settings.channels, height, width, device=device)
        if settings.start == "center":
            state[:, ALPHA:, height // 2, width // 2] = 1
        elif settings.start == "noise":
            for i in range(batch):
                noise = uniform_noise(settings.channels, height, width, seed + i, device)
                state[i] = (noise - 0.5) * settings.noise_level
        return state

    @torch.no_grad()
    def forward(self, state: Tensor, steps: int, *, seed: int = 0, first_step: int = 0) -> Tensor:
        """Run a simulation in which the same cells fire as in a shader with the same seed.

        Args:
            state: [B, C, H, W].
            steps: number of steps.
            seed: random seed of the masks; sample i uses ``seed + i``.
            first_step: number of the first step; above 0 to continue a simulation.

        Returns:
            The state after ``steps`` steps, [B, C, H, W].
        """
        batch, _, height, width = state.shape
        for step in range(first_step, first_step + steps):
            mask = self.fire_masks(batch, height, width, 1, seed=seed, first_step=step)[0]
            state = self.step(state, mask)
        return state

    def to_image(
        self,
        state: Tensor,
        *,
        scale: float | None = None,
        window: tuple[float, float, float, float] | None = None,
    ) -> Tensor:
        """The picture of a state, [B, C, H, W] -> [B, 3, s*H, s*W], not clamped to [0, 1].

        Args:
            state: [B, C, H, W].
            scale: pixels per cell, s; any number above 0. None: the decoder's scale, or 1 without
                a decoder.
            window: part of the grid to draw, as top, left, height and width in cells. None: all.
        """
        if self._draws_cells(scale, window):
            return self.to_rgb(state)
        return self.colors_at(state, *self._pixels(state, scale, window))

    def colors_at(self, state: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """Colors at every row and column, [B, C, H, W] -> [B, 3, h, w], not clamped to [0, 1].

        Args:
            state: [B, C, H, W].
            rows: positions of the rows, in cells, [h]; see :func:`nca.decoder.interpolate`.
            columns: positions of the columns, in cells, [w].
        """
        return self._values_at(state, rows, columns)[:, :3]

    def to_rgb(self, state: Tensor) -> Tensor:
        """Colors of the cells, without a decoder: [B, C, H, W] -> [B, 3, H, W]."""
        return self._values(state[:, :3])

    def to_maps(
        self,
        state: Tensor,
        *,
        scale: float | None = None,
        window: tuple[float, float, float, float] | None = None,
        shortest: float = 1e-12,
    ) -> dict[MapName, Tensor]:
        """The maps of a material, [B, C, H, W] -> name: [B, 3 or 1, s*H, s*W].

        Values are not clamped to [0, 1], but normals have length 1 before they are encoded. A rule
        without maps has only a color.

        Args:
            state: [B, C, H, W].
            scale: pixels per cell, s; see :meth:`to_image`.
            window: part of the grid to draw; see :meth:`to_image`.
            shortest: shorter normals are divided by this length, and stay below length 1. In
                training, this bounds their gradients; all cells start from a normal of length 0.
        """
        if self._draws_cells(scale, window):
            drawn = state[:, : map_width(self.settings.maps)]
            return self._split(self._values(drawn), shortest)
        rows, columns = self._pixels(state, scale, window)
        return self.maps_at(state, rows, columns, shortest=shortest)

    def maps_at(
        self, state: Tensor, rows: Tensor, columns: Tensor, *, shortest: float = 1e-12
    ) -> dict[MapName, Tensor]:
        """The maps at every row and column, [B, C, H, W] -> name: [B, 3 or 1, h, w].

        See :meth:`to_maps` and :meth:`colors_at`.
        """
        return self._split(self._values_at(state, rows, columns), shortest)

    def _draws_cells(self, scale: float | None, window: object) -> bool:
        """Whether a picture has exactly one pixel for every cell."""
        return self.decoder is None and window is None and scale in (None, 1)

    def _pixels(
        self,
        state: Tensor,
        scale: float | None,
        window: tuple[float, float, float, float] | None,
    ) -> tuple[Tensor, Tensor]:
        """Positions of the rows and the columns of a picture, in cells."""
        height, width = state.shape[2:]
        scale = self.settings.pixels_per_cell if scale is None else scale
        top, left, high, wide = window or (0.0, 0.0, height, width)
        rows = pixel_places(top, high, round(scale * high))
        return rows, pixel_places(left, wide, round(scale * wide))

    def _values_at(self, state: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """Values of all maps at every row and column, [B, N, h, w]."""
        if max(len(rows), len(columns)) > TILE:  # limits the memory
            strips = (
                torch.cat(
                    [self._values_at(state, some, part) for part in torch.split(columns, TILE)], 3
                )
                for some in torch.split(rows, TILE)
            )
            return torch.cat(list(strips), 2)
        wraps, drawn = self.settings.wraps, map_width(self.settings.maps)
        with torch.autocast(state.device.type, enabled=False):  # phases of sines need float32
            padded = self.pad(state.float())
            values = self._values(interpolate(padded[:, :drawn], rows, columns, wraps=wraps))
            if self.decoder is not None:
                details = self.decoder(padded, rows, columns, wraps=wraps)
                threshold = self.settings.alive_threshold
                if threshold is not None:  # dead places show the background
                    life = interpolate(padded[:, ALPHA : ALPHA + 1], rows, columns, wraps=wraps)
                    details = details * (life / max(threshold, MIN_LIFE)).clamp(0, 1)
                values = values + details
        return values

    def _values(self, channels: Tensor) -> Tensor:
        """What channels mean, as values of a map."""
        return channels * self.settings.rgb_scale + self.settings.rgb_offset

    def _split(self, values: Tensor, shortest: float) -> dict[MapName, Tensor]:
        """The maps in [B, N, h, w]; see :meth:`to_maps`."""
        maps = {name: values[:, part] for name, part in map_channels(self.settings.maps).items()}
        if "normal" in maps:
            maps["normal"] = F.normalize(maps["normal"] * 2 - 1, dim=1, eps=shortest) / 2 + 0.5
        return maps

    @torch.no_grad()
    def with_settings(self, **changes: Any) -> "Rule":
        """A plain ``Rule`` with some settings changed, and a copy of the weights now in effect."""
        settings = replace(self.settings, **changes)
        copy = Rule(settings, self.filters.clone(), update_bias=self.b2 is not None)
        copy.to(self.filters.device)
        for name, weight in copy.named_parameters():
            weight.copy_(attrgetter(name)(self))
        return copy

    def weight_count(self) -> int:
        """Number of trained weights in a step: ``w1``, ``b1``, ``w2`` and ``b2`` if it exists."""
        return sum(weight.numel() for weight in self.parameters()) - self.decoder_weight_count()

    def decoder_weight_count(self) -> int:
        """Number of trained weights in the decoder; 0 without a decoder."""
        return 0 if self.decoder is None else sum(w.numel() for w in self.decoder.parameters())

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """What a notebook shows; see :func:`nca.exporters.frame.mime_bundle`."""
        del include, exclude
        from nca.exporters.frame import mime_bundle  # noqa: PLC0415  (it builds on this module)

        return mime_bundle(self)

    def extra_repr(self) -> str:
        """Sizes, for printing."""
        s = self.settings
        return f"channels={s.channels}, hidden={s.hidden}, weights={self.weight_count()}"


def _rounded(value: Tensor, quantizer: Quantizer | None) -> Tensor:
    return value if quantizer is None else quantizer(value)


def dense_kernels(rule: Rule) -> dict[int, Tensor]:
    """Fold the fixed filters and the first layer into 3x3 convolutions, [hidden, C, 3, 3].

    There is one for each dilation; the first layer is their sum.
    """
    columns = rearrange(rule.w1, "h (c k) -> h c k", k=len(rule.filters))
    return {
        dilation: torch.einsum("hck,kij->hcij", columns[:, :, some], rule.filters[some])
        for dilation, some in rule.filters_by_dilation().items()
    }
