"""Fields of directions from pictures.

Angles are in radians, clockwise from the direction to the right. A texture that the field turns by
0 looks as in training.
"""

import math
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from nca.backends.simulate import simulate
from nca.fields.texels import Fields, direction_byte, neutral
from nca.images import read_image, to_tensor
from nca.rule import Rule

FINE = 1.5  # cells; edges of a photograph are measured after this blur
SCALES = ((2.0, 1.0), (8.0, 0.1), (32.0, 0.01))  # blurs, in cells, of the edges, and their weights
GROWN, GROWN_SIDE = 300, 96  # steps and cells after which the direction of a rule is measured
CLEAR = 0.2  # coherence from which on a texture has a direction of its own, 0 to 1


def mapped_angles(picture: Image.Image, height: int, width: int) -> Tensor:
    """Angles from gray values, [height, width]: black 0, middle gray a half turn, white a whole."""
    turns = to_tensor(_cropped(picture, height, width)).mean(0) * (255 / 256 * 2 * math.pi)
    around = torch.stack([turns.cos(), turns.sin()])[None]  # angles cannot be averaged themselves
    cos, sin = F.interpolate(around, (height, width), mode="bilinear", antialias=True)[0]
    return torch.atan2(sin, cos)


def edge_angles(picture: Image.Image, height: int, width: int) -> Tensor:
    """Angles along the edges of a photograph, [height, width], in 0 to pi.

    They are those of the structure tensor (Bigun and Granlund, 1987). Where there are no edges,
    those of the surroundings count.
    """
    photo = to_tensor(_cropped(picture, height, width))[None]
    gray = F.interpolate(photo, (height, width), mode="bilinear", antialias=True).mean(1)[0]
    return _tangent(_structure(gray))


def own_angle(rule: Rule, *, seed: int = 0) -> float:
    """The direction of a rule's own texture, 0 if it has no clear one."""
    state = rule.initial_state(1, GROWN_SIDE, GROWN_SIDE, seed=seed)
    (grown,) = simulate(rule, state, [GROWN], seed=seed)
    return angle_of(rule.to_rgb(grown)[0].clamp(0, 1).mean(0))


def angle_of(gray: Tensor) -> float:
    """The direction of a texture, [H, W]; 0 if it has no clear one."""
    xx, yy, xy = _products(gray).mean((1, 2))
    coherence = torch.hypot(xx - yy, 2 * xy) / (xx + yy).clamp(min=1e-12)
    return float(_tangent(torch.stack([xx, yy, xy]))) if coherence > CLEAR else 0.0


def direction_fields(angles: Tensor) -> Fields:
    """Fields with these directions, [H, W] in radians, and otherwise neutral."""
    texels = neutral(*angles.shape)
    texels[..., 0] = direction_byte(angles)
    return Fields(texels)


def fields_of_pictures(
    rule: Rule, height: int, width: int, *, direction_map: Path | None, follow: Path | None
) -> Fields | None:
    """The fields that a command asks for; None: none.

    Args:
        rule: the rule, whose own direction is brought along the edges of ``follow``.
        height, width: size of the grid.
        direction_map: picture whose gray values are directions, see :func:`mapped_angles`.
        follow: photograph whose edges the texture follows, see :func:`edge_angles`.

    Raises:
        InputError: a picture cannot be read.
    """
    if direction_map is not None:
        return direction_fields(mapped_angles(read_image(direction_map), height, width))
    if follow is not None:
        picture = read_image(follow, max_side=2048)
        return direction_fields(edge_angles(picture, height, width) - own_angle(rule))
    return None


def _cropped(picture: Image.Image, height: int, width: int) -> Image.Image:
    """The middle of a picture, with the proportions of a grid."""
    scale = min(picture.width / width, picture.height / height)
    across, down = max(round(width * scale), 1), max(round(height * scale), 1)
    left, top = (picture.width - across) // 2, (picture.height - down) // 2
    return picture.convert("RGB").crop((left, top, left + across, top + down))


def _structure(gray: Tensor) -> Tensor:
    products = _products(gray)
    return sum((w * _blurred(products, sigma) for sigma, w in SCALES), torch.zeros_like(products))


def _products(gray: Tensor) -> Tensor:
    """Products of the gradients, [H, W] -> [3, H, W]: xx, yy, xy."""
    smooth = _blurred(gray[None], FINE)
    wide = F.pad(smooth, (1, 1, 1, 1), mode="replicate")[0]
    x, y = wide[1:-1, 2:] - wide[1:-1, :-2], wide[2:, 1:-1] - wide[:-2, 1:-1]
    return torch.stack([x * x, y * y, x * y])


def _tangent(tensor: Tensor) -> Tensor:
    """Direction along the stripes of structure tensors [3, ...], in 0 to pi."""
    xx, yy, xy = tensor
    across = torch.atan2(2 * xy, xx - yy) / 2
    return (across + math.pi / 2) % math.pi


def _blurred(planes: Tensor, sigma: float) -> Tensor:
    """Blur by a Gaussian, [C, H, W]; the border is repeated."""
    reach = math.ceil(3 * sigma)
    weights = torch.exp(-torch.arange(-reach, reach + 1).square() / (2 * sigma**2))
    weights = weights / weights.sum()
    wide = F.pad(planes[None], (reach,) * 4, mode="replicate")[0, :, None]  # [C, 1, H, W]
    across = F.conv2d(wide, weights.view(1, 1, 1, -1))
    return F.conv2d(across, weights.view(1, 1, -1, 1))[:, 0]
