"""Settings of the losses that a rule is trained with, without heavy imports."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

import tyro

from nca.options import Between, Bounded

Weight = Annotated[float, Between(0)]


@dataclass(frozen=True)
class PromptSettings(Bounded):
    """Words as an additional target."""

    prompt: str | None = None
    """Text that the texture should match, as seen by CLIP; needs the extra `clip`."""
    prompt_weight: Weight = 1.0
    """Weight of the prompt; with --texture-weight 0 it is the only target."""
    clip: str = "ViT-B-32/laion2b_s34b_b79k"
    """CLIP model: ARCHITECTURE/WEIGHTS of open_clip, or a folder with open_clip_config.json and
    open_clip_model.safetensors."""


@dataclass(frozen=True)
class LossSettings(Bounded):
    """What is compared with the target, and how."""

    features: str = "builtin"
    """Features: builtin (learned from the picture, no download), random, patches, vgg16, vgg19,
    squeezenet1_1, or a .safetensors file with torchvision's names."""
    statistic: str = "gram"
    """Statistic of the features: gram (Gram matrices), wasserstein, transport (sliced optimal
    transport), moments (mean and covariance), or lesson20 (the lesson's own Gram loss)."""
    layer_weights: dict[str, float] = field(default_factory=dict)
    """Weights by layer name, 1 by default; metrics.jsonl lists the names."""
    texture_weight: Weight = 1.0
    """Weight of the texture loss."""
    border: Annotated[Literal["reflect", "zeros"], tyro.conf.Fixed] = "reflect"
    """How a pretrained network pads pictures that do not wrap. The lesson pads all with zeros."""
    terms: dict[str, float] = field(default_factory=dict)
    """Additional loss terms and their weights: smooth (total variation), patches (difference of
    patches from the nearest of the picture)."""
    overflow_weight: Weight = 30.0
    """Weight of the penalty on state values outside [-1, 1]."""
