"""Several textures in one rule; the noise in the initial state selects the one that grows.

The idea comes from the Self-Organising Systems group ("self-organising systems",
noise_controlled_nca, 2021), where noise of 0.02 selected one of two textures. Here, noise levels
are evenly spaced: from 0 for the first texture to 1 for the last. Every player can create such
noise: *erase* starts the first texture, *noise* the last, and *reset* the second.
"""

from dataclasses import replace
from typing import Any, ClassVar

import torch
from PIL import Image
from torch import Tensor
from typing_extensions import override

from nca.errors import InputError
from nca.images import contact_sheet, read_texture, to_image
from nca.rule import Rule
from nca.rule_settings import RuleSettings
from nca.texture.picture_loss import picture_loss, speckle_of
from nca.texture.pool import Pool
from nca.texture.results import PREVIEW_STEPS, RulePreview, growth, labeled_sheet, pictures_at
from nca.texture.settings import TrainSettings
from nca.texture.tasks.base import FILM, PREVIEW, LongRun, Task
from nca.training.engines import Engine


class Several(Task):
    """Two or three images; the target is [N, 3, S, S] in [0, 1].

    Place ``i`` of the pool belongs to image ``i % N``. See
    :class:`nca.texture.tasks.base.Task`.

    Raises:
        InputError: the batches of all processes together have fewer states than there are images.
    """

    pictures: ClassVar = {
        PREVIEW: "the images, and their textures after 30, 200 and 2,000 steps",
        FILM: "the textures growing from their initial states, side by side",
    }
    caps_gradients = True

    def __init__(
        self, settings: TrainSettings, target: Tensor, generator: torch.Generator, engine: Engine
    ) -> None:
        drawn = engine.processes * settings.pool.batch_size
        if drawn < len(target):
            raise InputError(
                f"`batch_size` {settings.pool.batch_size}: an iteration would have {drawn} states "
                f"for {len(target)} images; it must contain at least one state of each"
            )
        super().__init__(settings, target, generator, engine)
        self.losses = [
            picture_loss(settings, one, generator, str(i + 1)) for i, one in enumerate(target)
        ]

    @staticmethod
    def read(settings: TrainSettings) -> Tensor:
        """The centered squares of the images, [N, 3, S, S]."""
        paths = (settings.picture, *settings.task.also)
        enlarge = not settings.rule.decoder
        return torch.stack([read_texture(path, settings.size, enlarge=enlarge) for path in paths])

    def rule_settings(self) -> RuleSettings:
        """A rule that grows from noise."""
        level = noise_levels(len(self.target))[1]
        return replace(super().rule_settings(), start="noise", noise_level=level)

    @override
    def make_pool(self, **shared: Any) -> Pool:
        return SeveralPool(
            self.rule, self.settings.pool, self.generator, count=len(self.target), **shared
        )

    def compare(self, rule: Rule, state: Tensor, target: Tensor) -> dict[str, Tensor]:
        """The texture loss for every image, by layer; zero for states of other images."""
        terms: dict[str, Tensor] = {}
        for i, loss in enumerate(self.losses):
            (own,) = (target.to(state.device) % len(self.losses) == i).nonzero(as_tuple=True)
            # With several processes, one of them may have no state of an image. It still draws the
            # random numbers, so that the generators of all processes stay in step.
            layers = loss(rule, state[own] if len(own) else state[:1].detach())
            for name, value in layers.items():
                zeros = value.new_zeros(len(state))
                mine = zeros.index_add(0, own, value) if len(own) else zeros
                # Additional terms have the same names for all images.
                terms[name] = terms[name] + mine if name in terms else mine
        return terms

    @override
    def speckle(self, rule: Rule, state: Tensor, target: Tensor) -> float:
        # All states of a long run belong to one image.
        own = self.target[int(target[0]) % len(self.target)]
        return speckle_of(rule, state, own)

    def long_runs(self, rule: Rule, seeds: range) -> list[LongRun]:
        """One run per image, from its own initial state."""
        side = self.settings.pool.unroll.last_grid
        runs = []
        for i, level in enumerate(noise_levels(len(self.target))):
            one = rule.with_settings(noise_level=level)
            state = one.initial_state(len(seeds), side, side, seed=seeds.start)
            runs.append(LongRun(one, state, torch.full((len(seeds),), i)))
        return runs

    @override
    def targets(self) -> list[Image.Image]:
        return [to_image(target) for target in self.target]

    @override
    def show(self, rule: Rule) -> RulePreview:
        size = self.settings.cells
        sheet, films = [], []
        for level, target in zip(noise_levels(len(self.target)), self.target, strict=True):
            one = rule.with_settings(noise_level=level)
            pictures = pictures_at(one, size, PREVIEW_STEPS)
            sheet.append((f"target for noise {level:g}", to_image(target)))
            sheet += [(f"{n:,} steps", p) for n, p in zip(PREVIEW_STEPS, pictures, strict=True)]
            films.append(growth(one, size))
        frames = [contact_sheet(frame, len(frame)) for frame in zip(*films, strict=True)]
        preview = labeled_sheet(sheet, columns=1 + len(PREVIEW_STEPS))
        return RulePreview(films[0][-1], preview, frames)


class SeveralPool(Pool):
    """A pool in which each place starts from the noise of its image.

    Args:
        count: number of images.
        others: arguments of :class:`nca.texture.pool.Pool`.
    """

    def __init__(self, rule: Rule, *others: Any, count: int, **shared: Any) -> None:
        levels = torch.tensor(noise_levels(count), device=rule.filters.device)
        self.levels = levels / rule.settings.noise_level
        super().__init__(rule, *others, **shared)

    def pick(self) -> Tensor:
        """Draw the same number of places for each image: a rule forgets an image it does not see.

        Any remaining places go to randomly chosen images.
        """
        order = torch.randperm(self.settings.pool_size, generator=self.generator)
        count = len(self.levels)
        first_turn = int(torch.randint(count, (), generator=self.generator))
        places = [order[(order - first_turn) % count == i] for i in range(count)]
        turns = torch.cat([torch.arange(len(own)) * count + i for i, own in enumerate(places)])
        first = torch.cat(places)[turns.argsort()][: self.drawn]
        return first[torch.randperm(len(first), generator=self.generator)]

    def disturb(self, index: Tensor, state: Tensor) -> None:
        """Randomly reset one state, or a disc in another, to the initial noise of its image.

        A disc of zeros, or of noise at another level, would be the initial state of another image.
        """
        side = state.shape[-1]
        if float(torch.rand((), generator=self.generator)) < self.settings.reset_rate:
            state[:1] = self.initial_states(index[:1], side)
        if float(torch.rand((), generator=self.generator)) < self.settings.damage_rate:
            whole = torch.ones(1, side, side)
            self._damage(whole)  # leaves ones outside the disc, other values inside
            whole = whole.to(state.device)
            state[-1] = torch.where(whole == 1, state[-1], self.initial_states(index[-1:], side)[0])

    def initial_states(self, index: Tensor, side: int) -> Tensor:
        """Return noise whose strength selects the image."""
        level = self.levels[index % len(self.levels)]
        return super().initial_states(index, side) * level[:, None, None, None]


def noise_levels(count: int) -> list[float]:
    """Strength of the initial noise for each image, from 0 to 1."""
    return [i / (count - 1) for i in range(count)]
