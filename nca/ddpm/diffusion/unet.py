"""The U-Net: ``diffusers.UNet2DModel``, initialized as in fast.ai's notebook 17."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nca.ddpm.settings import TrainSettings
from nca.errors import InputError


class UNet(nn.Module):
    """Maps a noised image and its time, and optionally a class, to an image.

    Images are padded so that their sides can be halved from level to level, and the output is
    cropped to the original size. With ``patch`` above 1, each square of ``patch`` x ``patch``
    pixels becomes the channels of one pixel, so that the network does a quarter of the work or
    less.

    Args:
        colors: number of channels of the images.
        widths: number of channels at each level.
        layers: number of residual blocks per level.
        groups: number of groups in each group normalization.
        attention: number of levels with attention, coarsest first.
        patch: width and height of the squares that become one pixel, in pixels.
        classes: number of classes; None: not conditioned on classes.

    Raises:
        InputError: diffusers is not installed.
    """

    def __init__(
        self,
        colors: int,
        widths: tuple[int, ...],
        *,
        layers: int = 2,
        groups: int = 8,
        attention: int = 0,
        patch: int = 1,
        classes: int | None = None,
    ) -> None:
        super().__init__()
        try:
            from diffusers import UNet2DModel  # noqa: PLC0415  (takes seconds)
        except ImportError as error:
            raise InputError("the U-Net needs diffusers; pip install 'nca-studio[ddpm]'") from error
        plain = len(widths) - attention
        channels = colors * patch**2
        self.patch, self.multiple = patch, patch * 2 ** (len(widths) - 1)
        self.net: Any = UNet2DModel(
            in_channels=channels,
            out_channels=channels,
            block_out_channels=widths,
            layers_per_block=layers,
            norm_num_groups=groups,
            down_block_types=("DownBlock2D",) * plain + ("AttnDownBlock2D",) * attention,
            up_block_types=("AttnUpBlock2D",) * attention + ("UpBlock2D",) * plain,
            add_attention=attention > 0,
            num_class_embeds=None if classes is None else classes + 1,
        )
        init_ddpm(self.net)

    def forward(self, x: Tensor, times: Tensor, classes: Tensor | None = None) -> Tensor:
        """Map images [B, C, H, W], times [B] and, if conditioned, classes [B] to [B, C, H, W]."""
        height, width = x.shape[-2:]
        x = F.pad(x, (0, -width % self.multiple, 0, -height % self.multiple))
        x = F.pixel_unshuffle(x, self.patch)
        output: Tensor = self.net(x, times, class_labels=classes).sample
        return F.pixel_shuffle(output, self.patch)[..., :height, :width]


def init_ddpm(model: Any) -> None:
    """Initialize a ``UNet2DModel`` as fast.ai's notebook 17 does.

    The second convolution of every residual block and the network's last convolution start at zero,
    so that at first only the shortcuts have an effect. The downsampling layers start with
    orthogonal weights.
    """
    for level in model.down_blocks:
        for block in level.resnets:
            nn.init.zeros_(block.conv2.weight)
        for sampler in level.downsamplers or []:
            nn.init.orthogonal_(sampler.conv.weight)
    for level in model.up_blocks:
        for block in level.resnets:
            nn.init.zeros_(block.conv2.weight)
    nn.init.zeros_(model.conv_out.weight)


def build_unet(settings: TrainSettings, colors: int, classes: int | None) -> UNet:
    """Make the U-Net that the settings describe, with weights drawn from the run's seed."""
    network = settings.network
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.run.seed)
        return UNet(
            colors,
            network.channels,
            layers=network.layers,
            groups=network.groups,
            attention=network.attention,
            patch=network.patch,
            classes=classes,
        )
