"""The distance between images and a text, measured by CLIP.

Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", ICML 2021;
models and weights come from open_clip (Ilharco et al. 2021). CLIP gets several crops of each image,
enlarged to about 224 x 224 pixels. They are taken at new places and scales in every call: with a
fixed view, the image would match the text in that view only (Frans et al., "CLIPDraw", 2021).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from typing_extensions import override

from nca.errors import InputError
from nca.losses.term import Term

CROPS = 4  # number of crops per image
MIN_CROP = 0.5  # side of the smallest crop, as a fraction of the image
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Clip:
    """A CLIP model and its input format.

    Attributes:
        model: module with ``encode_image`` and ``encode_text``; its weights are frozen.
        tokenize: list of texts -> tensor of tokens, on the CPU.
        side: side of the input images, in pixels.
        mean, std: normalization of the input colors, [3, 1, 1], on the model's device.
    """

    model: Any
    tokenize: Any
    side: int
    mean: Tensor
    std: Tensor


def load_clip(name: str, device: torch.device = CPU) -> Clip:
    """Load an open_clip model.

    If the weights are missing, open_clip downloads them once, in safetensors format if available.
    Older formats are read without running any code that they contain.

    Args:
        name: ``ARCHITECTURE/WEIGHTS``, or a folder with ``open_clip_config.json`` and
            ``open_clip_model.safetensors``.
        device: device of the model.

    Raises:
        InputError: open_clip is not installed, or the model is unknown, incomplete or cannot be
            loaded.
    """
    try:
        import open_clip  # noqa: PLC0415  (optional)
    except ImportError as error:
        raise InputError("`prompt` needs open_clip; pip install 'nca-studio[clip]'") from error
    except RuntimeError as error:  # for example a torchvision built for another torch
        raise InputError(f"`prompt`: open_clip cannot be imported: {error}") from error
    folder = Path(name)
    if folder.is_dir():
        if not (folder / "open_clip_model.safetensors").is_file():
            raise InputError(f"`clip` {name}: the folder has no open_clip_model.safetensors")
        architecture, weights = f"local-dir:{folder.resolve()}", None
    else:
        architecture, _, weights = name.partition("/")
        known = open_clip.list_pretrained()
        if (architecture, weights) not in known:
            near = [tag for model, tag in known if model == architecture]
            names = near or sorted({model for model, _ in known if "B-32" in model})
            raise InputError(
                f"`clip` {name}: open_clip has no such model; choose from {', '.join(names)}"
            )
    try:
        model = open_clip.create_model(architecture, pretrained=weights)
        tokenize = open_clip.get_tokenizer(architecture)
    except Exception as error:  # the hub and its libraries raise many types of exceptions
        text = " ".join(str(error).split())
        raise InputError(f"`clip` {name}: cannot be loaded: {text}") from error
    model.eval().requires_grad_(False).to(device)
    size = model.visual.image_size
    mean, std = (
        torch.tensor(getattr(model.visual, k), device=device)[:, None, None] for k in MOMENTS
    )
    return Clip(model, tokenize, size if isinstance(size, int) else size[0], mean, std)


MOMENTS = ("image_mean", "image_std")


class PromptLoss(Term):
    """Distance between images and a text: squared angle between embeddings, averaged over crops.

    The crops are random. The distance is 0 if the embeddings of image and text have the same
    direction, and ``(pi / 2)**2`` if they are orthogonal.

    Args:
        clip: CLIP model; images are moved to its device.
        text: the text.
        generator: source of random numbers for the crops.
        wraps: whether the images wrap.
    """

    random = True

    def __init__(
        self, clip: Clip, text: str, generator: torch.Generator, *, wraps: bool = True
    ) -> None:
        self.clip, self.generator, self.wraps = clip, generator, wraps
        self.words = text
        with torch.no_grad():
            features = clip.model.encode_text(clip.tokenize([text]).to(clip.mean.device))
        self.text = F.normalize(features, dim=-1)  # [1, D]

    @override
    def __call__(self, images: Tensor) -> dict[str, Tensor]:
        clip = self.clip
        images = images.to(clip.mean.device)
        crops = torch.cat([self._crop(images, self.generator) for _ in range(CROPS)])
        features = clip.model.encode_image((crops.clamp(0, 1) - clip.mean) / clip.std)
        chord = (F.normalize(features, dim=-1) - self.text).norm(dim=-1)
        # The slope of the arcsine is infinite at 1.
        angle = 2 * (chord / 2).clamp(max=1 - 1e-6).arcsin()
        return {"prompt": angle.square().view(CROPS, len(images)).mean(0)}

    def __repr__(self) -> str:
        return f"PromptLoss({self.words!r})"

    def _crop(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Crop the same square from every image; scale it to the size of the model's inputs."""
        height, width = images.shape[2:]
        size, x, y = torch.rand(3, generator=generator).tolist()
        side = max(8, round(min(height, width) * (MIN_CROP + (1 - MIN_CROP) * size)))
        if self.wraps:
            shift = (-int(y * height), -int(x * width))
            images, x, y = images.roll(shift, (2, 3)), 0.0, 0.0
        top, left = int(y * (height - side + 1)), int(x * (width - side + 1))
        crop = images[:, :, top : top + side, left : left + side]
        target = (self.clip.side, self.clip.side)
        return F.interpolate(crop, target, mode="bicubic", antialias=True)
