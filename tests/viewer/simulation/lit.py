"""Lit materials in numpy, as a reference for ``shaders/lit.glsl``, and random ones to compare."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nca.decoder import DecoderSettings
from nca.maps import map_channels
from nca.rule import Rule
from nca.rule_settings import RuleSettings
from tests.helpers.rules import bounded_rule, with_random_decoder
from tests.viewer.simulation.decoded import between, details

Array = npt.NDArray[np.float64]
MATTE = {"normal": (0.5, 0.5, 1.0), "height": (0.0,), "roughness": (1.0,), "occlusion": (1.0,)}
ABSENT = {"color": (0.0, 0.0, 0.0), **MATTE, "metalness": (0.0,)}

MANY = ("color", "normal", "height", "roughness", "occlusion", "metalness")
FEW = ("color", "roughness", "normal")


def material(*maps: str, channels: int = 12, **settings: object) -> Rule:
    """A rule with maps."""
    return bounded_rule(RuleSettings(channels, 16, maps=maps, **settings))  # type: ignore[arg-type]


def fine(*maps: str, seed: int = 0, channels: int = 12, **settings: object) -> Rule:
    """A material with a random decoder."""
    settings = {"decoder": DecoderSettings(3), **settings}
    given = RuleSettings(channels, 16, maps=maps, **settings)  # type: ignore[arg-type]
    return with_random_decoder(given, seed=seed)


def random_state(channels: int, height: int, width: int) -> Tensor:
    """Values that are sometimes beyond those that are shown."""
    generator = torch.Generator().manual_seed(5)
    return torch.rand(channels, height, width, generator=generator) * 1.2 - 0.6


@dataclass
class Scene:
    """A grid of materials and what is seen of it.

    Attributes:
        rules: the rules.
        owned: share of every rule in every cell, [H, W].
        state: [C, H, W].
        part: corner and size of what is seen, in cells.
        size: width and height in pixels.
        lamp: place of the lamp, or None.
        relief: the largest height in cells.
    """

    rules: Sequence[Rule]
    owned: Sequence[Tensor]
    state: Tensor
    part: tuple[float, float, float, float]
    size: tuple[int, int]
    lamp: tuple[float, float] | None = None
    relief: float = 0.0

    def cells(self, name: str) -> Array:
        """A map of the cells, or the mean length of the normals of their rules, [H, W, 3 or 1]."""
        total = 0.0
        for rule, share in zip(self.rules, self.owned, strict=True):
            settings, channels = rule.settings, map_channels(rule.settings.maps)
            own = "normal" if name == "length" else name
            values = np.array(ABSENT[own]) * np.ones((*share.shape, 1))
            if own in channels:
                shown = self.state[channels[own]] * settings.rgb_scale + settings.rgb_offset
                values = shown.clamp(0, 1).double().numpy().transpose(1, 2, 0)
            if name == "length":
                values = np.linalg.norm(2 * values - 1, axis=-1, keepdims=True)
            total = total + share.double().numpy()[..., None] * values
        return np.asarray(total)

    def at(self, name: str, place: Array, wide: float = 1.0) -> Array:
        """The mean of a map over squares around places [h, w, 2]."""
        cells = self.cells(name)
        size = np.array(cells.shape[1::-1])
        low, high = place - wide / 2, place + wide / 2
        result = np.zeros((*place.shape[:2], cells.shape[2]))
        for y in range(int(wide) + 2):
            for x in range(int(wide) + 2):
                cell = np.floor(low) + np.array([x, y])
                covered = np.clip(np.minimum(cell + 1, high) - np.maximum(cell, low), 0, None)
                wraps = all(rule.settings.wraps for rule in self.rules)
                i, j = (cell % size if wraps else np.clip(cell, 0, size - 1)).astype(int).T
                result += (covered / wide).prod(-1)[..., None] * cells[j.T, i.T]
        return result

    def places(self) -> Array:
        """The places of all pixels in cells, [h, w, 2]."""
        left, top, across, down = self.part
        x = left + across * (np.arange(self.size[0]) + 0.5) / self.size[0]
        y = top + down * (np.arange(self.size[1]) + 0.5) / self.size[1]
        return np.stack(np.meshgrid(x, y), -1)

    def picture(self, view: str = "lit") -> Array:
        """What is seen, [h, w, 3]."""
        place, wide = self.places(), max(1.0, self.part[2] / self.size[0])
        if view == "lit":
            return self._lit(place, wide)
        values = self.at(view, place, wide)
        return _unit(2 * values - 1) / 2 + 0.5 if view == "normal" else values.repeat(3, -1)

    def _lit(self, place: Array, wide: float) -> Array:
        left, top, across, down = self.part
        side = (across * down) ** 0.5
        light = np.broadcast_to([-0.5, 0.6, 0.7], (*place.shape[:2], 3))
        eye = np.broadcast_to([0.0, 0.0, 1.0], light.shape)
        power = np.array([1.2, 1.15, 1.08])
        if self.lamp is not None:
            above = np.array([left + across * self.lamp[0], top + down * self.lamp[1]])
            light = _toward(above - place, 0.33 * side)
            eye = _unit(_toward(np.array([left + across / 2, top + down / 2]) - place, 2 * side))
            power = power * (light[..., 2:] ** 2 / (light**2).sum(-1, keepdims=True))
        light = _unit(light)
        if self.relief:
            flat, slide = place, self.relief * _slope(eye)
            for _ in range(4):
                place = flat - slide * (1 - self.at("height", place))
            power = power * self._arriving(place, light)
        maps = {name: self.at(name, place, wide) for name in MANY}
        maps["length"] = self.at("length", place, wide)
        return encoded(toned(shaded(maps, light, eye, power)))

    def _arriving(self, place: Array, light: Array) -> Array:
        top = self.at("height", place)
        dark = np.zeros_like(top)
        for t in np.arange(1, 16) / 16:
            beside = self.at("height", place + t * self.relief * (1 - top) * _slope(light))
            dark = np.maximum(dark, (beside - (top + t * (1 - top))) * (1 - t))
        return 1 - np.minimum(8 * dark, 1)


def lit_as_cells(
    rule: Rule,
    state: Tensor,
    part: Sequence[float],
    size: tuple[int, int],
    scale: int,
    *,
    lamp: tuple[float, float] | None = None,
    relief: float = 0.0,
) -> Array:
    """What is seen of the decoded maps of a rule, with a cell for each of their pixels."""
    maps = rule.to_maps(state[None], scale=scale)
    values = torch.cat([maps[name] for name in MANY], 1)[0].detach().clamp(0, 1) - 0.5
    owned = [torch.ones(values.shape[1:])]
    left, top, across, down = (scale * side for side in part)
    part = (left, top, across, down)
    return Scene([material(*MANY)], owned, values, part, size, lamp, scale * relief).picture()


@torch.no_grad()
def mixed_map(
    rules: Sequence[Rule], owned: Sequence[Tensor], state: Tensor, name: str, scale: int
) -> Tensor:
    """A map of rules that share a grid that wraps, [3 or 1, scale * H, scale * W]."""
    height, width = state.shape[1:]
    total = torch.zeros(len(ABSENT[name]), scale * height, scale * width)
    for rule, share in zip(rules, owned, strict=True):
        settings, values = rule.settings, torch.tensor(ABSENT[name])[:, None, None]
        where = {str(kind): at for kind, at in map_channels(settings.maps).items()}.get(name)
        if where is not None:
            values = state[where] * settings.rgb_scale + settings.rgb_offset
        total += between(rule, share * values, scale)
        if where is not None and rule.decoder is not None:
            total += between(rule, share[None], scale) * details(rule, state, scale)[where]
    return total.clamp(0, 1)


def _toward(cells: Array, above: float) -> Array:
    """The direction of a place, x right, y up, z out; cells have y down."""
    return np.concatenate([cells * (1, -1), np.full((*cells.shape[:-1], 1), above)], -1)


def _slope(direction: Array) -> Array:
    return direction[..., :2] * (1, -1) / direction[..., 2:]


def _unit(vector: Array) -> Array:
    return vector / np.linalg.norm(vector, axis=-1, keepdims=True).clip(1e-5)


def _dot(a: Array, b: Array) -> Array:
    return (a * b).sum(-1, keepdims=True)


def shaded(maps: dict[str, Array], light: Array, eye: Array, power: Array) -> Array:
    """The radiance toward the eye, by the formulas of the papers."""
    base = np.where(
        maps["color"] < 0.04045, maps["color"] / 12.92, ((maps["color"] + 0.055) / 1.055) ** 2.4
    )
    normal, half = _unit(2 * maps["normal"] - 1), _unit(light + eye)
    length = np.linalg.norm(2 * maps["normal"] - 1, axis=-1, keepdims=True)
    r = (length / maps["length"]).clip(0, 1)
    spread = (1 - r**2 - 0.0002).clip(0) / (3 * r - r**3)
    metal, rough = maps["metalness"], maps["roughness"].clip(0.1)
    rough = (rough**4 + 2 * spread).clip(0, 1) ** 0.25
    alpha = rough**2
    nl, nv = _dot(normal, light).clip(0), _dot(normal, eye).clip(0.01)
    nh, vh = _dot(normal, half).clip(0), _dot(eye, half).clip(0)
    f0, matte = 0.04 * (1 - metal) + base * metal, base * (1 - metal)
    fresnel = f0 + (1 - f0) * (1 - vh) ** 5
    across = (np.cross(normal, half) ** 2).sum(-1, keepdims=True)  # 1 - nh^2, on both sides
    ggx = alpha**2 / (alpha**2 * nh**2 + across) ** 2

    def smith(cosine: Array) -> Array:
        return np.sqrt(cosine**2 * (1 - alpha**2) + alpha**2)

    direct = matte * (1 - fresnel) + 0.5 * fresnel * ggx / (nl * smith(nv) + nv * smith(nl))
    r = [1 - rough, 0.0425 - 0.0275 * rough, 1.04 - 0.572 * rough, 0.022 * rough - 0.04]
    grazing = np.minimum(r[0] ** 2, 2 ** (-9.28 * nv)) * r[0] + r[1]
    share = f0 * (r[2] - 1.04 * grazing) + r[3] + 1.04 * grazing
    reflected = 2 * _dot(normal, eye) * normal - eye
    around = matte * environment(normal, 1) + share * environment(reflected, rough)
    return np.asarray(power * direct * nl + maps["occlusion"] * around)


def environment(direction: Array, rough: Array | float) -> Array:
    """The light from a direction."""
    up = direction[..., 1:2] * 0.8 + direction[..., 2:] * 0.6
    t = (up / (0.25 + 0.75 * rough) / 2 + 0.5).clip(0, 1)
    ground, sky = np.array([0.2, 0.18, 0.16]), np.array([0.64, 0.71, 0.8])
    return np.asarray(ground + (sky - ground) * t * t * (3 - 2 * t))


def toned(color: Array) -> Array:
    """Khronos PBR Neutral."""
    least = color.min(-1, keepdims=True)
    color = color - np.where(least < 0.08, least - 6.25 * least**2, 0.04)
    peak = color.max(-1, keepdims=True)
    new = 1 - 0.24**2 / (peak + 0.24 - 0.76)
    gray = 1 - 1 / (0.15 * (peak - new) + 1)
    return np.where(peak < 0.76, color, color * new / peak.clip(0.76) * (1 - gray) + new * gray)


def encoded(color: Array) -> Array:
    """Linear light as sRGB."""
    return np.where(color < 0.0031308, 12.92 * color, 1.055 * color.clip(1e-9) ** (1 / 2.4) - 0.055)
