"""Compare the maps of a rule with those of a material: each map, and the alignment of the maps."""

from typing import Any

import torch
from torch import Tensor

from nca.backends.simulate import simulate
from nca.evaluation.measures import GROWN, PatchDistance
from nca.images.estimation import LUMINANCE
from nca.images.relief import slopes_of_height
from nca.maps import MapName
from nca.rule import Rule

Maps = dict[MapName, Tensor]  # name: [3 or 1, H, W] in [0, 1]


@torch.no_grad()
def grown_maps(rule: Rule, side: int, seed: int) -> Maps:
    """Grow a rule for 1,000 steps on side x side cells; return its maps, clipped to [0, 1]."""
    (state,) = simulate(rule, rule.initial_state(1, side, side, seed=seed), [GROWN], seed=seed)
    return {name: one[0].nan_to_num().clamp(0, 1) for name, one in rule.to_maps(state).items()}


def compare_maps(mine: Maps, theirs: Maps, *, wraps: bool) -> dict[str, Any]:
    """Compare the maps that a rule and a material have in common.

    Args:
        mine: maps of the rule.
        theirs: maps of the material, which do not wrap.
        wraps: whether the maps of the rule wrap.

    Returns:
        ``patch``: patch distance by map name. ``alignment``: for each pair of maps, the correlation
        in the rule (``rule``), the correlation in the material (``material``), and the first
        divided by the second (``ratio``).
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
    """Compute correlations between maps, from -1 to 1.

    ``height, normal`` correlates the slopes of the height with the x and y of the normals.
    ``color, height`` correlates the strength of edges in both maps. A pair is left out if one of
    its maps is missing.
    """
    found: dict[str, float] = {}
    if "height" not in maps:
        return found
    slope = slopes_of_height(maps["height"][0], wraps)
    if "normal" in maps:
        # A surface that rises to the right faces left.
        found["height, normal"] = correlation(slope, 1 - 2 * maps["normal"][:2])
    # Use gamma-encoded colors, because their differences match visible edges.
    edges = slopes_of_height(torch.tensordot(torch.tensor(LUMINANCE), maps["color"], 1), wraps)
    found["color, height"] = correlation(edges.norm(dim=0), slope.norm(dim=0))
    return found


def correlation(a: Tensor, b: Tensor) -> float:
    """Pearson correlation of all values; 0 if one of the tensors is constant."""
    both = torch.stack([a.flatten(), b.flatten()]).double()
    return float(torch.corrcoef(both)[0, 1].nan_to_num())
