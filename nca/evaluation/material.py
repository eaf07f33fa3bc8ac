"""Compare the maps of a rule with those of a material: each alone, and how they are aligned."""

from typing import Any

import torch
from torch import Tensor

from nca.backends.simulate import simulate
from nca.evaluation.measures import GROWN, PatchDistance
from nca.maps import MapName
from nca.rule import Rule

Maps = dict[MapName, Tensor]  # name: [3 or 1, H, W] in [0, 1]

LUMINANCE = (0.2126, 0.7152, 0.0722)


@torch.no_grad()
def grown_maps(rule: Rule, side: int, seed: int) -> Maps:
    """The maps of a rule after 1,000 steps on side x side cells."""
    (state,) = simulate(rule, rule.initial_state(1, side, side, seed=seed), [GROWN], seed=seed)
    return {name: one[0].nan_to_num().clamp(0, 1) for name, one in rule.to_maps(state).items()}


def compare_maps(mine: Maps, theirs: Maps, *, wraps: bool) -> dict[str, Any]:
    """Figures of the maps that a rule and a material have in common.

    Args:
        mine: maps of the rule.
        theirs: maps of the material, which do not wrap.
        wraps: whether the maps of the rule wrap.

    Returns:
        ``patch``: the patch distance of each map. ``alignment``: for each pair of maps, the
        correlation of the rule's, that of the material's, and their ratio.
    """
    patch = {
        name: float(PatchDistance(_colors(theirs[name]))(_colors(mine[name]), wraps=wraps))
        for name in theirs
        if name in mine
    }
    of_rule, of_material = alignment(mine, wraps=wraps), alignment(theirs, wraps=False)
    aligned = {
        pair: {"rule": of_rule[pair], "material": known, "ratio": of_rule[pair] / known}
        for pair, known in of_material.items()
        if pair in of_rule and known
    }
    return {"patch": patch, "alignment": aligned}


def _colors(one: Tensor) -> Tensor:
    return one.expand(3, -1, -1)[None]


def alignment(maps: Maps, *, wraps: bool) -> dict[str, float]:
    """Correlations between maps, from -1 to 1.

    ``height, normal``: the slope of the height and the direction of the normal. ``color, height``:
    the edges of both. A pair is left out if a map is missing.
    """
    found: dict[str, float] = {}
    if "height" not in maps:
        return found
    slope = gradient(maps["height"][0], wraps=wraps)
    if "normal" in maps:
        right, up = (maps["normal"] * 2 - 1)[:2]
        # A surface that rises to the right faces left; rows are counted downward.
        found["height, normal"] = correlation(slope, _inner(torch.stack([-right, up]), wraps=wraps))
    light = torch.einsum("c,chw->hw", torch.tensor(LUMINANCE), maps["color"])
    edges = gradient(light, wraps=wraps).norm(dim=0)
    found["color, height"] = correlation(edges, slope.norm(dim=0))
    return found


def gradient(values: Tensor, *, wraps: bool) -> Tensor:
    """Central differences to the right and downward, [H, W] -> [2, H, W].

    If the values do not wrap, a border of one cell is left out.
    """
    right, down = ((values.roll(-1, axis) - values.roll(1, axis)) / 2 for axis in (1, 0))
    return _inner(torch.stack([right, down]), wraps=wraps)


def _inner(planes: Tensor, *, wraps: bool) -> Tensor:
    return planes if wraps else planes[:, 1:-1, 1:-1]


def correlation(a: Tensor, b: Tensor) -> float:
    """Pearson correlation of all values; 0 if one of the tensors is constant."""
    a, b = (a - a.mean()).double(), (b - b.mean()).double()
    return float((a * b).sum() / (a.norm() * b.norm()).clamp(min=1e-12))
