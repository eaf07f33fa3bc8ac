"""Settings of the losses of rules, without heavy imports."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

import tyro

from nca.options import Between, Bounded

Weight = Annotated[float, Between(0)]


@dataclass(frozen=True)
class PromptSettings(Bounded):
    """A text as an additional target."""

    prompt: str | None = None
    """Text to match; needs the extra `clip`."""
    prompt_weight: Weight = 1.0
    """Weight of the distance from the prompt."""
    clip: str = "ViT-B-32/laion2b_s34b_b79k"
    """CLIP model of open_clip, or a folder."""


@dataclass(frozen=True)
class LossSettings(Bounded):
    """The loss: features, statistic, additional terms and weights."""

    features: str = "builtin"
    """builtin, random, patches, vgg16 and others, or a file."""
    statistic: str = "wasserstein"
    """wasserstein, gram, transport, moments, or lesson20."""
    layer_weights: dict[str, float] = field(default_factory=dict)
    """Weights of layers by name; metrics.jsonl lists the names."""
    texture_weight: Weight = 1.0
    """Weight of the texture loss."""
    border: Annotated[Literal["reflect", "zeros"], tyro.conf.Fixed] = "reflect"
    """Padding of a pretrained network for images that do not wrap; lesson20 uses zeros."""
    terms: dict[str, float] = field(default_factory=dict)
    """Names and weights of additional terms: smooth, patches."""
    overflow_weight: Weight = 30.0
    """Weight of the penalty on state values outside [-1, 1]."""
