"""A rule that restores a noisy or damaged image, and then keeps it.

The rule is trained on disturbed crops of one image: noise and holes have been added to them. It
learns what the image looks like, so that cells can repair a crop from what they see around them.
The pool (Mordvintsev et al. 2020) also contains crops that are already restored, so the rule learns
to leave a restored image unchanged.
"""

from dataclasses import replace
from typing import Any, ClassVar

import torch
from PIL import Image
from torch import Tensor
from typing_extensions import override

from nca.backends.simulate import simulate
from nca.errors import InputError
from nca.images import read_square, to_image
from nca.losses.build import TERMS, check_terms
from nca.losses.features.build import build_features
from nca.losses.perceptual import PerceptualLoss
from nca.losses.term import Term
from nca.rule import Rule
from nca.texture.device import device_of
from nca.texture.picture_loss import large_enough, smallest_grid, texture_loss
from nca.texture.pool import Pool
from nca.texture.results import RulePreview, labeled_sheet
from nca.texture.settings import PoolSettings, TrainSettings
from nca.texture.tasks.base import FILM, PREVIEW, LongRun, Task
from nca.training.engines import Engine

NOISE = 0.4  # largest std of the noise, relative to the range of colors
HOLES = 4  # largest number of holes in a crop
PERCEPTUAL = "perceptual"  # name of the perceptual loss among the terms
HOLE = (0.03, 0.12)  # radius, as a fraction of the width


class Restoring(Task):
    """Restore disturbed crops of one image. The target is the whole image, [3, S, S] in [0, 1].

    The setting ``size`` is the size of the image; ``grid`` is the size of the crops. See
    :class:`nca.texture.tasks.base.Task`.
    """

    pool: "RestoringPool"
    pictures: ClassVar = {
        PREVIEW: "the image, disturbed, and restored for 30, 200 and 2,000 steps",
        FILM: "the disturbed image being restored",
    }

    def __init__(
        self, settings: TrainSettings, target: Tensor, generator: torch.Generator, engine: Engine
    ) -> None:
        super().__init__(settings, target, generator, engine)
        check_terms(settings.loss.terms, (*TERMS, PERCEPTUAL))
        others = dict(settings.loss.terms)
        self.weight = others.pop(PERCEPTUAL, 0.0)
        self.perceptual = perceptual_loss(settings, target) if self.weight else None
        self.texture: Term | None = None
        if others or settings.loss.texture_weight:
            plain = replace(settings, loss=replace(settings.loss, terms=others))
            side = smallest_grid(settings)
            self.texture = texture_loss(plain, target, generator, side, "texture", wraps=False)

    @staticmethod
    def read(settings: TrainSettings) -> Tensor:
        """The centered square of the image, [3, S, S].

        Raises:
            InputError: the image cannot be read, or is smaller than the crops.
        """
        for name in ("grid", "late_grid"):
            side = getattr(settings.pool.unroll, name)
            if side > settings.size:
                raise InputError(f"`{name}` {side}: must be at most `size` {settings.size}")
        return read_square(settings.picture, settings.size)

    @override
    def make_pool(self, **shared: Any) -> Pool:
        return RestoringPool(
            self.rule, self.settings.pool, self.generator, picture=self.target, **shared
        )

    def compared_with(self, index: Tensor) -> Tensor:
        """The original crops, [B] -> [B, 3, H, W]."""
        return self.pool.targets[index]

    def compare(self, rule: Rule, state: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Absolute error of the colors, and the terms that the settings add."""
        colors = rule.to_rgb(state)
        terms = {"picture": (colors - target).abs().mean((1, 2, 3))}
        if self.perceptual is not None:
            terms[PERCEPTUAL] = self.weight * self.perceptual(colors, target)
        if self.texture is not None:
            terms |= self.texture(colors)
        return terms

    def long_runs(self, rule: Rule, seeds: range) -> list[LongRun]:
        """Start from the whole image, which each seed disturbs differently."""
        disturbed = torch.stack([disturb(self.target, _generator(seed)) for seed in seeds])
        targets = self.target.to(rule.filters.device).expand(len(seeds), -1, -1, -1)
        return [LongRun(rule, state_of(disturbed, rule), targets)]

    @override
    @torch.no_grad()
    def show(self, rule: Rule) -> RulePreview:
        disturbed = disturb(self.target, _generator(self.settings.run.seed))
        stops = [*range(0, 61, 2), 200, 2000]
        states = simulate(rule, state_of(disturbed[None], rule), stops)
        pictures = [to_image(rule.to_rgb(state)[0]) for state in states]
        frames: dict[int, Image.Image] = dict(zip(stops, pictures, strict=True))
        sheet = labeled_sheet(
            [
                ("picture", to_image(self.target)),
                ("disturbed", frames[0]),
                *((f"{steps:,} steps", frames[steps]) for steps in (30, 200, 2000)),
            ],
        )
        return RulePreview(frames[200], sheet, list(frames.values())[:-1])


class RestoringPool(Pool):
    """A pool whose states start as disturbed crops of an image; it also holds the original crops.

    Args:
        picture: the image, [3, S, S] in [0, 1].
        rule, settings, others, shared: arguments of :class:`nca.texture.pool.Pool`.

    Attributes:
        targets: the original crops, [pool, 3, side, side].
    """

    def __init__(
        self, rule: Rule, settings: PoolSettings, *others: Any, picture: Tensor, **shared: Any
    ) -> None:
        self.picture = picture
        self.targets = torch.empty(settings.pool_size, 3, 0, 0, device=rule.filters.device)
        super().__init__(rule, settings, *others, **shared)

    def initial_states(self, index: Tensor, side: int) -> Tensor:
        """Cut new crops for the given entries of the pool, and disturb them."""
        if self.targets.shape[-1] != side:
            self.targets = self.targets.new_zeros(len(self.targets), 3, side, side)
        room = self.picture.shape[-1] - side + 1
        places = torch.randint(room, (len(index), 2), generator=self.generator).tolist()
        crops = [self.picture[:, y : y + side, x : x + side] for y, x in places]
        self.targets[index] = torch.stack(crops).to(self.device)
        return state_of(torch.stack([disturb(crop, self.generator) for crop in crops]), self.rule)

    def state_dict(self) -> dict[str, object]:
        """The state of the pool, including the original crops."""
        return super().state_dict() | {"targets": self.targets.clone()}

    @override
    def load_state_dict(self, state: dict[str, object]) -> None:
        super().load_state_dict(state)
        targets = state["targets"]
        assert isinstance(targets, Tensor)
        self.targets = targets.to(self.device, copy=True)


def perceptual_loss(settings: TrainSettings, target: Tensor) -> PerceptualLoss:
    """Build the loss that compares the features of restored crops with those of their originals.

    Raises:
        InputError: the features or a layer do not exist, or the crops are too small for them.
    """
    loss, side = settings.loss, smallest_grid(settings)
    example = target[None].to(device_of(settings))
    features = build_features(loss.features, example, border=loss.border)
    with large_enough(settings):
        features(example[..., :side, :side], wraps=False)
    return PerceptualLoss(features, example, loss.layer_weights)


def disturb(picture: Tensor, generator: torch.Generator) -> Tensor:
    """Add noise of random strength and some gray holes to an image, [3, H, W]."""
    strength = NOISE * float(torch.rand((), generator=generator))
    noisy = picture + strength * torch.randn(picture.shape, generator=generator)
    height, width = picture.shape[1:]
    rows, columns = torch.arange(height)[:, None] / height, torch.arange(width) / width
    count = int(torch.randint(HOLES + 1, (), generator=generator))
    for x, y, size in torch.rand(count, 3, generator=generator).tolist():
        radius = HOLE[0] + (HOLE[1] - HOLE[0]) * size
        noisy[:, (rows - y).square() + (columns - x).square() < radius**2] = 0.5
    return noisy


def state_of(pictures: Tensor, rule: Rule) -> Tensor:
    """Make states that show images, [B, 3, H, W] -> [B, C, H, W]; other channels are zero."""
    settings, pictures = rule.settings, pictures.to(rule.filters.device)
    batch, _, height, width = pictures.shape
    state = pictures.new_zeros(batch, settings.channels, height, width)
    state[:, :3] = (pictures - settings.rgb_offset) / settings.rgb_scale
    return state


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
