"""Make a rule from a classic automaton, with constructed weights that are exact in float32.

The rule perceives a cell and the sum of its eight neighbors. Its hidden units are switches: with
``hidden_clip`` 1, ``clip(16 (v - p) + 1/2, 0, 1)`` is 0 or 1 for every value v that can occur in a
run, because p lies halfway between two such values. All cells fire. Weights and values are
integers, or integers divided by a power of two, and all sums are small. Therefore, float32 computes
the sums exactly, in any order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from nca.automata.notation import MAX_NEIGHBORS, Automaton, Cyclic, Totalistic
from nca.errors import InputError
from nca.rule import IDENTITY, Rule
from nca.rule_settings import RuleSettings
from nca.rulefile import RuleFile

HERE, AROUND = 0, 1  # filters
NEIGHBORS = ((1.0, 1.0, 1.0), (1.0, 0.0, 1.0), (1.0, 1.0, 1.0))
COLORS = 3  # channels 0 to 2
ALIVE, AGE = 3, 4  # channels of totalistic automata
READY = 3  # channel of cyclic automata: 1 in cells that have a state; one channel per state follows

GAIN = 16.0  # slope of a switch
# Weight of the cell itself; it separates living cells, and most cells of noise, from dead cells.
CELL_WEIGHT = 64.0
NOISE = 1 / 16  # values further below zero than this are noise
DENSITY = 0.3  # default density
FADE = 32  # steps until the trace of a cell that died has faded, in Life and its relatives
SAMPLE = 128  # side, in cells, of the noise on which a density is measured

Color = tuple[float, float, float]
Sees = Mapping[tuple[int, int], float]  # weights by channel and filter

BLACK: Color = (0.0, 0.0, 0.0)
NIGHT: Color = (2 / 64, 3 / 64, 6 / 64)
AMBER: Color = (60 / 64, 44 / 64, 12 / 64)
DUSK: Color = (9 / 64, 13 / 64, 34 / 64)
EMBER: Color = (54 / 64, 12 / 64, 10 / 64)
PALE: Color = (8 / 64, 46 / 64, 40 / 64)


class Layers:
    """The layers of a rule under construction; hidden units are added one by one.

    Args:
        channels: number of channels.
    """

    def __init__(self, channels: int) -> None:
        self.channels = channels
        self.units: list[tuple[Sees, float, dict[int, float]]] = []

    def unit(self, sees: Sees, bias: float, changes: Mapping[int, float]) -> None:
        """Add a unit that adds ``changes`` times ``clip(sees . perception + bias, 0, 1)``."""
        self.units.append((sees, bias, dict(changes)))

    def switch(
        self, sees: Sees, at: float, changes: Mapping[int, float], gain: float = GAIN
    ) -> None:
        """Add a unit that adds ``changes`` where ``sees . perception`` is above ``at``."""
        scaled = {place: gain * weight for place, weight in sees.items()}
        self.unit(scaled, 0.5 - gain * at, changes)

    def clear(self, sees: Sees, bias: float, channel: int) -> None:
        """Add two units that subtract ``sees . perception + bias`` from a channel.

        The value must lie in -1 to 1. Call this before :meth:`switch`, so that all partial sums lie
        in -1 to 1. In this range, float32 represents even the rounding errors of noise exactly, so
        the next step removes them.
        """
        self.unit(sees, bias, {channel: -1.0})
        self.unit({place: -weight for place, weight in sees.items()}, -bias, {channel: 1.0})

    def color(self, background: Color, palette: Mapping[int, Color]) -> None:
        """Make the color ``background + sum(palette[c] * channel c)``; call this last."""
        for _, _, changes in self.units:
            for i in range(COLORS):
                changes[i] = sum(palette[c][i] * changes[c] for c in palette if c in changes)
        for i in range(COLORS):  # also subtract the error of the current color
            now = {(c, HERE): -color[i] for c, color in palette.items()}
            self.clear({(i, HERE): 1.0, **now}, -background[i], i)

    def rule(self) -> Rule:
        """Make the rule."""
        settings = RuleSettings(
            self.channels,
            len(self.units),
            update_rate=1.0,
            rgb_offset=0.0,
            start="noise",
            noise_level=1.0,
            hidden_clip=1.0,
        )
        filters = torch.tensor((IDENTITY, NEIGHBORS))
        rule = Rule(settings, filters)
        with torch.no_grad():
            for parameter in rule.parameters():
                parameter.zero_()
            for j, (sees, bias, changes) in enumerate(self.units):
                rule.b1[j] = bias
                for (channel, which), weight in sees.items():
                    rule.w1[j, channel * len(filters) + which] = weight
                for channel, change in changes.items():
                    rule.w2[channel, j] = change
        return rule


@dataclass(frozen=True)
class Classic:
    """A classic automaton as a rule.

    Attributes:
        automaton: the automaton.
        rule: the rule that computes the same steps.
        states: values of the channels of a cell in each state, [states, C].
    """

    automaton: Automaton
    rule: Rule
    states: Tensor

    def file(self) -> RuleFile:
        """Content of the rule file."""
        info = {"automaton": str(self.automaton), "states": self.states.tolist()}
        return RuleFile(self.rule, info)


def build(automaton: Automaton, density: float | None = None) -> Classic:
    """Make the rule of an automaton.

    Args:
        automaton: what :func:`nca.automata.notation.parse_automaton` returns.
        density: approximate fraction of living cells after the first step from noise; default: 0.3,
            or the nearest possible value. It must be None for cyclic automata.

    Raises:
        InputError: the density is out of bounds.
    """
    if isinstance(automaton, Cyclic):
        if density is not None:
            raise InputError("`density`: a cyclic automaton begins with all states equally often")
        return _cyclic(automaton)
    return _totalistic(automaton, density)


def _totalistic(automaton: Totalistic, density: float | None) -> Classic:
    dying = automaton.states - 2
    # The age of a dying cell counts down from 1, in steps that float32 represents exactly.
    steps = 1 << max(dying - 1, 0).bit_length()
    # Dead cells see a value of 0 to 8, dying cells 9 or more, living cells ``base`` or more.
    value = {(ALIVE, HERE): CELL_WEIGHT * steps, (ALIVE, AROUND): 1.0}
    base = CELL_WEIGHT * steps
    layers = Layers(COLORS + 2)
    layers.clear({(ALIVE, HERE): 1.0}, 0.0, ALIVE)
    layers.clear({(AGE, HERE): 1.0}, 0.0, AGE)
    born, kept = {ALIVE: 1.0}, {ALIVE: 1.0}
    if dying:
        value[AGE, HERE] = 9.0 * steps
        base += 9.0 * steps
        born[AGE], kept[AGE] = 1.0, 1.0 - dying / steps
        layers.switch(value, base - 0.5, {AGE: dying / steps})
        layers.unit({(AGE, HERE): 1.0, (ALIVE, HERE): -CELL_WEIGHT}, -1 / steps, {AGE: 1.0})
        layers.switch({(ALIVE, HERE): -1.0}, NOISE, {AGE: -1.0})
        layers.unit({(AGE, HERE): 1.0}, -1.0, {AGE: -1.0})  # noise can leave an age above 1
    else:  # the age affects only the color: it is 1 in living cells, and falls after they die
        fade = 1 / FADE
        layers.unit({(AGE, HERE): 1.0, (ALIVE, HERE): 1.0 + fade}, -fade, {AGE: 1.0})
    for start, counts, changes in ((0.0, automaton.birth, born), (base, automaton.survival, kept)):
        for at, sign in _edges(counts):
            layers.switch(value, start + at, {c: sign * change for c, change in changes.items()})
    level = _level_of_noise(layers.rule(), density, 2 * NOISE if dying else 0.0)
    layers.switch({(ALIVE, HERE): -CELL_WEIGHT}, CELL_WEIGHT * level, born)
    palette = {ALIVE: PALE, AGE: EMBER} if dying else {ALIVE: AMBER, AGE: DUSK}
    layers.color(NIGHT, palette)
    ages = [0.0, 1.0, *((dying - i) / steps for i in range(dying))]
    states = [{AGE: age, ALIVE: float(i == 1)} for i, age in enumerate(ages)]
    return Classic(automaton, layers.rule(), _table(layers.channels, states, palette, NIGHT))


def _edges(counts: frozenset[int]) -> list[tuple[float, float]]:
    """Thresholds where a rising number of neighbors enters a set (1) or leaves it (-1)."""
    inside = [n in counts for n in range(-1, MAX_NEIGHBORS + 2)]
    return [
        (n - 0.5, 1.0 if now else -1.0)
        for n, (before, now) in enumerate(pairwise(inside))
        if before != now
    ]


def _level_of_noise(rule: Rule, density: float | None, least: float) -> float:
    """Choose how far below zero a cell's noise must be for the cell to come alive.

    With this level, the fraction ``density`` of all cells comes alive. In the states of an
    automaton, no value is below zero. Some cells of noise come alive at any level.
    """
    noise = rule.initial_state(1, SAMPLE, SAMPLE)
    already = float((rule(noise, 1)[0, ALIVE] > 0.5).float().mean())
    most = already + 0.5 - least
    wanted = min(max(DENSITY, already), most) if density is None else density
    if not already <= wanted <= most:
        raise InputError(
            f"`density` {density}: must be {already:.2f} to {most:.2f} for this automaton"
        )
    return round((0.5 - (wanted - already)) * 256) / 256


def _cyclic(automaton: Cyclic) -> Classic:
    count, threshold = automaton.states, automaton.threshold
    places = [READY + 1 + k for k in range(count)]
    layers = Layers(READY + 1 + count)
    for channel in (READY, *places):
        layers.clear({(channel, HERE): 1.0}, 0.0, channel)
    for k, place in enumerate(places):
        following = places[(k + 1) % count]
        # A cell moves to the next state if enough neighbors are in that state; otherwise it stays.
        sees = {(READY, HERE): CELL_WEIGHT, (place, HERE): 9.0, (following, AROUND): 1.0}
        layers.switch(sees, CELL_WEIGHT + 8.5 + threshold, {following: 1.0})
        sees[following, AROUND] = -1.0
        layers.switch(sees, CELL_WEIGHT + 9.5 - threshold, {place: 1.0})
    # In a cell that is not ready, READY contains noise from -1/2 to 1/2, which selects the state.
    layers.unit({}, 1.0, {READY: 1.0})
    # No edge is at 0, the value of erased cells.
    edges = [round(128 * k / count) / 128 - 0.5 - 1 / 256 for k in range(1, count)]
    for k, at in enumerate([*edges, 0.75]):
        changes = {places[k]: 1.0} | ({places[k + 1]: -1.0} if k + 1 < count else {})
        layers.switch({(READY, HERE): -1.0}, -at, changes, gain=1024.0)
    for sign in (1.0, -1.0):  # a cell in two states at once, or in none, is not ready
        sees = {(READY, HERE): CELL_WEIGHT, **{(place, HERE): sign for place in places}}
        layers.switch(sees, CELL_WEIGHT + sign + 0.5, {READY: -1.0})
    palette = dict(zip(places, _wheel(count), strict=True))
    layers.color(BLACK, palette)
    states = [{READY: 1.0, place: 1.0} for place in places]
    return Classic(automaton, layers.rule(), _table(layers.channels, states, palette, BLACK))


def _wheel(count: int) -> list[Color]:
    """Colors around a wheel: night blue, rose, amber, and back."""
    turns = np.arange(count)[:, None] / count
    shift, mean, swing = np.array([[0.55, 0.72, 0.92], [0.5, 0.38, 0.46], [0.45, 0.34, 0.34]])
    waves = mean + swing * np.cos(2 * np.pi * (turns - shift))
    return [tuple(color) for color in (np.round(64 * waves) / 64).tolist()]


def _table(
    channels: int,
    states: Sequence[Mapping[int, float]],
    palette: Mapping[int, Color],
    background: Color,
) -> Tensor:
    """Values of a cell's channels in each state, including the color, [states, C]."""
    table = torch.zeros(len(states), channels)
    for row, state in zip(table, states, strict=True):
        row[:COLORS] = torch.tensor(background)
        for channel, value in state.items():
            row[channel] = value
            row[:COLORS] += value * torch.tensor(palette.get(channel, BLACK))
    return table
