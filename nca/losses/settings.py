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
    """Text that the texture should match; needs the extra `clip`."""
    prompt_weight: Weight = 1.0
    """Weight of the prompt."""
    clip: str = "ViT-B-32/laion2b_s34b_b79k"
    """CLIP model: ARCHITECTURE/WEIGHTS of open_clip, or a folder."""


@dataclass(frozen=True)
class LossSettings(Bounded):
    """What is compared with the target, and how."""

    features: str = "builtin"
    """builtin, random, patches, vgg16 and others, or a file."""
    statistic: str = "wasserstein"
    """wasserstein, gram, transport, moments, or lesson20."""
    layer_weights: dict[str, float] = field(default_factory=dict)
    """Weights by layer name; metrics.jsonl lists the names."""
    texture_weight: Weight = 1.0
    """Weight of the texture loss."""
    border: Annotated[Literal["reflect", "zeros"], tyro.conf.Fixed] = "reflect"
    """How a pretrained network pads pictures that do not wrap. The lesson pads all with zeros."""
    terms: dict[str, float] = field(default_factory=dict)
    """More terms and their weights: smooth, patches."""
    overflow_weight: Weight = 30.0
    """Weight of state values outside [-1, 1]."""
