"""Several textures in one rule; the noise of the seed decides which one grows.

After the noise-controlled automata of the Self-Organising Systems group ("self-organising systems",
noise_controlled_nca, 2021), where 0.02 of noise chose between two. Here the noise is from 0 for the
first texture to 1 for the last in even steps, which every player can make: *erase* gives the first,
*noise* the last, and *reset* the second.
"""

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import torch
from PIL import Image
from torch import Tensor

from nca.errors import InputError
from nca.images import contact_sheet, read_texture, to_image
from nca.losses.texture import TextureLoss, overflow
from nca.rule import Rule
from nca.texture.objective import GrowTexture, cap_gradients
from nca.texture.pool import Draw, Pool
from nca.texture.results import PREVIEW_STEPS, growth_stops, pictures_at, write_film, write_sheet
from nca.texture.scaling import folded
from nca.texture.selection import LongRun
from nca.texture.settings import TrainSettings
from nca.texture.start import starting_rule
from nca.texture.task import (
    FILM,
    PREVIEW,
    Task,
    texture_loss_of,
    texture_rule_settings,
    texture_run,
)
from nca.training.engine import Engine


class Several(Task):
    """Two or three pictures; place ``i`` of the pool belongs to picture ``i % N``.

    Args:
        settings: all of them.
        target: [N, 3, S, S] in [0, 1].
        generator: of all that is drawn.
        engine: tells which of several processes this is.

    Raises:
        InputError: a batch, of all processes, has fewer states than there are pictures.
    """

    looks_like: ClassVar = {
        PREVIEW: "the pictures, and their textures after 30, 200 and 2,000 steps",
        FILM: "the textures growing from their seeds, side by side",
    }

    def __init__(
        self, settings: TrainSettings, target: Tensor, generator: torch.Generator, engine: Engine
    ) -> None:
        self.settings, self.target = settings, target
        drawn = engine.processes * settings.batch_size
        if drawn < len(target):
            raise InputError(
                f"--batch-size {settings.batch_size}: an iteration would have {drawn} states for "
                f"{len(target)} pictures; it must have one of each"
            )
        own = replace(
            texture_rule_settings(settings),
            seed_state="noise",
            noise_level=noise_levels(len(target))[1],
        )
        self.rule = starting_rule(settings, own, generator)
        self.pool = SeveralPool(self.rule, settings, generator, len(target), engine)
        self.texture_losses = [texture_loss_of(settings, one, generator) for one in target]
        self.objective = GrowSeveral(self.rule, self.texture_losses, settings)

    @staticmethod
    def read(settings: TrainSettings) -> Tensor:
        """The centered squares of the pictures, [N, 3, S, S]."""
        paths = (settings.picture, *settings.also)
        return torch.stack([read_texture(path, settings.size) for path in paths])

    def long_runs(self, rule: Rule, seeds: range) -> list[LongRun]:
        """A run for every picture, from its own seed."""
        side, levels = self.settings.last_grid, noise_levels(len(self.target))
        return [
            texture_run(seeded(rule, level), loss, side, seeds)
            for level, loss in zip(levels, self.texture_losses, strict=True)
        ]

    def targets(self) -> list[Image.Image]:
        """See :class:`nca.texture.task.Task`."""
        return [to_image(target) for target in self.target]

    def show(self, folder: Path, rule: Rule) -> Image.Image:
        """See :class:`nca.texture.task.Task`."""
        size = self.settings.size
        sheet, films = [], []
        for level, target in zip(noise_levels(len(self.target)), self.target, strict=True):
            one = seeded(rule, level)
            pictures = pictures_at(one, size, PREVIEW_STEPS)
            sheet.append((f"target of noise {level:g}", to_image(target)))
            sheet += [(f"{n:,} steps", p) for n, p in zip(PREVIEW_STEPS, pictures, strict=True)]
            films.append(pictures_at(one, size, growth_stops()))
        write_sheet(folder / PREVIEW, sheet, columns=1 + len(PREVIEW_STEPS))
        frames = [contact_sheet(frame, len(frame)) for frame in zip(*films, strict=True)]
        write_film(folder / FILM, frames)
        return films[0][-1]


class SeveralPool(Pool):
    """A pool whose places begin with the noise of their picture.

    Args:
        rule, settings, generator: see :class:`nca.texture.pool.Pool`.
        count: of pictures.
        engine: tells which of several processes this is.
    """

    def __init__(
        self,
        rule: Rule,
        settings: TrainSettings,
        generator: torch.Generator,
        count: int,
        engine: Engine,
    ) -> None:
        self.levels = torch.tensor(noise_levels(count)) / rule.settings.noise_level
        super().__init__(rule, settings, generator, rank=engine.rank, processes=engine.processes)

    def pick(self) -> Tensor:
        """As many places of each picture as can be: a batch without one would unlearn it.

        Where a batch has room for more, it is chance which pictures are in it once more.
        """
        order = torch.randperm(self.settings.pool_size, generator=self.generator)
        count = len(self.levels)
        first_turn = int(torch.randint(count, (), generator=self.generator))
        places = [order[(order - first_turn) % count == i] for i in range(count)]
        turns = torch.cat([torch.arange(len(own)) * count + i for i, own in enumerate(places)])
        first = torch.cat(places)[turns.argsort()][: self.drawn]
        return first[torch.randperm(len(first), generator=self.generator)]

    def disturb(self, index: Tensor, state: Tensor) -> None:
        """Start one state anew, perhaps, and perhaps a disc of another: as its own picture's seed.

        Erased or filled with noise, as in other pools, it would be the seed of another picture.
        """
        side = state.shape[-1]
        if float(torch.rand((), generator=self.generator)) < self.settings.reset_rate:
            state[:1] = self.seeds(index[:1], side)
        if float(torch.rand((), generator=self.generator)) < self.settings.damage_rate:
            whole = torch.ones(1, side, side)
            self._damage(whole)  # leaves ones around the disc, and none in it
            state[-1] = torch.where(whole == 1, state[-1], self.seeds(index[-1:], side)[0])

    def seeds(self, index: Tensor, side: int) -> Tensor:
        """Noise of the width that tells the pictures apart."""
        level = self.levels[index % len(self.levels)]
        return super().seeds(index, side) * level[:, None, None, None]


class GrowSeveral(GrowTexture):
    """Compare every state with the picture that its place in the pool belongs to.

    Args:
        rule: whose color map is used.
        texture_losses: one for each picture.
        settings: weights of the terms, and whether gradients are capped.
    """

    def __init__(
        self, rule: Rule, texture_losses: list[TextureLoss], settings: TrainSettings
    ) -> None:
        super().__init__(rule, texture_losses[0], settings)
        self.texture_losses = texture_losses

    def losses(self, prediction: Tensor, batch: Draw) -> dict[str, Tensor]:
        """The texture loss of every picture by layer, and the overflow of all channels."""
        state = cap_gradients(prediction) if self.settings.cap_gradients else prediction
        images = self.rule.to_rgb(state)
        terms = {}
        for i, texture_loss in enumerate(self.texture_losses):
            own = images[batch.index % len(self.texture_losses) == i]
            # One of several processes may have no state of a picture. The terms are there all the
            # same, as zeros, and what a statistic draws is drawn, or the generators would part.
            layers = texture_loss(own if len(own) else images[:1].detach())
            for name, value in layers.items():
                share = value.sum() / len(images) if len(own) else images.new_zeros(())
                terms[f"texture{i + 1}/{name}"] = self.settings.texture_weight * share
        terms["overflow"] = self.settings.overflow_weight * overflow(prediction)
        return terms


def noise_levels(count: int) -> list[float]:
    """Width of the noise that each of some pictures grows from: from 0 to 1."""
    return [i / (count - 1) for i in range(count)]


def seeded(rule: Rule, level: float) -> Rule:
    """The same weights, with noise of another width as their seed."""
    copy = folded(rule)
    copy.settings = replace(rule.settings, noise_level=level)
    return copy
