"""A diffusion model: a network, its noise schedule, and the meaning of its outputs."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nca.ddpm.data.dataset import DataInfo
from nca.ddpm.diffusion.automaton import build_automaton
from nca.ddpm.diffusion.denoiser import Clipped, Denoise, Denoiser
from nca.ddpm.diffusion.guidance import ClassFree
from nca.ddpm.diffusion.parameterization import Parameterization, build_parameterization
from nca.ddpm.diffusion.schedules import Schedule, build_schedule
from nca.ddpm.diffusion.unet import build_unet
from nca.ddpm.settings import TrainSettings
from nca.errors import InputError


class Model:
    """A network, and the noise schedule and parameterization that define what its outputs mean.

    Args:
        settings: settings of the run.
        info: properties of the images.

    Raises:
        InputError: the settings need classes, but the images have none.
    """

    def __init__(self, settings: TrainSettings, info: DataInfo) -> None:
        if settings.images.classes and not info.names:
            raise InputError("`classes`: the images have none; put them into subfolders")
        self.settings, self.info = settings, info
        self.classes = len(info.names) if settings.images.classes else None
        noise = settings.diffusion
        self.schedule: Schedule = build_schedule(noise.schedule, noise.noise_steps)
        self.parameterization: Parameterization = build_parameterization(noise.target, info.std)
        build = {"unet": build_unet, "nca": build_automaton}[settings.network.net]
        self.network: nn.Module = build(settings, info.colors, self.classes)

    @property
    def device(self) -> torch.device:
        """Device of the network."""
        return next(self.network.parameters()).device

    def labels(self, seeds: Sequence[int]) -> Tensor | None:
        """Classes of the seeds, in turn, [B]; None if the network is not conditioned on classes."""
        if self.classes is None:
            return None
        return torch.tensor(seeds, device=self.device) % self.classes

    def denoiser(self, labels: Tensor | None = None, guidance: float = 1.0) -> Denoise:
        """Make a denoiser that runs the network and clips its estimates to [-1, 1].

        Args:
            labels: classes, [B]; by default, the estimates are not conditioned on classes.
            guidance: scale of :class:`ClassFree`; 1: no guidance.

        Raises:
            InputError: there are labels, but the network was not trained with classes.
        """
        if labels is not None and self.classes is None:
            raise InputError("`label`: the model was not trained with `classes`")

        def conditioned(classes: Tensor | int | None) -> Denoiser:
            return Denoiser(self.network, self.schedule, self.parameterization, classes)

        if labels is None:
            return Clipped(conditioned(self.classes))
        if guidance == 1:
            return Clipped(conditioned(labels))
        return Clipped(ClassFree(conditioned(labels), conditioned(self.classes), guidance))
