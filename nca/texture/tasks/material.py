"""A material: aligned maps of one surface, such as color, normal, height and roughness."""

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import torch
from PIL import Image
from torch import Tensor
from typing_extensions import override

from nca.errors import InputError
from nca.images import is_flat, read_texture, to_image
from nca.images.map_files import is_material, map_files
from nca.images.material import estimate_maps, read_material
from nca.maps import MAPS, MapName, map_channels
from nca.pictures import named_material
from nca.rule import Rule
from nca.rule_settings import RuleSettings
from nca.texture.picture_loss import speckle_of
from nca.texture.results import RulePreview, growth, map_sheet, portrait
from nca.texture.settings import TrainSettings
from nca.texture.tasks.base import FILM, PREVIEW
from nca.texture.tasks.synthesis import Synthesis

COLORS = 3  # the color is the first map


def with_maps(settings: TrainSettings) -> TrainSettings:
    """Complete the setting ``maps``: for a material, all of its maps by default; always the color.

    Without a material and without ``maps``, the settings stay unchanged.

    Raises:
        InputError: the folder cannot be used or lacks a map, the task needs an image, or the rule
            has too few channels.
    """
    if isinstance(settings.picture, Path):
        settings = settings.override(picture=named_material(settings.picture))
    picture, wanted = settings.picture, settings.task.maps
    available: tuple[MapName, ...] = tuple(MAPS)
    if isinstance(picture, Path) and is_material(picture):
        for task in ("grow", "restore", "also"):
            if getattr(settings.task, task):
                raise InputError(f"`{task}`: {picture} is a material; give an image")
        available = tuple(map_files(picture))
        missing = [name for name in wanted if name not in available]
        if missing:
            raise InputError(f"`maps` {missing[0]}: {picture} has only {', '.join(available)}")
        wanted = wanted or available
    if not wanted:
        return settings
    return settings.override(maps=tuple(n for n in available if n in ("color", *wanted)))


class Material(Synthesis):
    """A texture with several maps; the target is [N, S, S] in [0, 1].

    :func:`nca.maps.map_channels` gives the channels of each map.
    """

    pictures: ClassVar = {
        PREVIEW: "the maps, and those of the rule after 30, 200 and 2,000 steps",
        FILM: "the color map growing from its initial state",
    }

    @staticmethod
    def read(settings: TrainSettings) -> Tensor:
        """Read the maps in a folder, or estimate them from an image, [N, S, S].

        Raises:
            InputError: a file cannot be read, or is too small for a decoder; or all maps are flat.
        """
        picture, maps, size = settings.picture, settings.task.maps, settings.size
        enlarge = not settings.rule.decoder
        if isinstance(picture, Path) and picture.is_dir():
            material = read_material(picture, size, enlarge=enlarge)
        else:
            material = estimate_maps(read_texture(picture, size, enlarge=enlarge), maps)
        channels = map_channels(material.maps)
        target = torch.cat([material.values[channels[name]] for name in maps])
        if is_flat(target):
            raise InputError(f"{picture}: all of its maps are flat; a material needs a pattern")
        return target

    @override
    def rule_settings(self) -> RuleSettings:
        return replace(super().rule_settings(), maps=self.settings.task.maps)

    @override
    def speckle(self, rule: Rule, state: Tensor, target: Tensor) -> float:
        del target
        return speckle_of(rule, state, self.target[:COLORS])

    @override
    def targets(self) -> list[Image.Image]:
        return list(self._maps().values())

    @override
    def show(self, rule: Rule) -> RulePreview:
        return RulePreview(
            portrait=portrait(rule),
            preview=map_sheet(rule, self._maps()),
            film=growth(rule, self.settings.cells),
        )

    def _maps(self) -> dict[MapName, Image.Image]:
        """Images of the target's maps."""
        channels = map_channels(self.settings.task.maps)
        return {name: to_image(self.target[c]) for name, c in channels.items()}
