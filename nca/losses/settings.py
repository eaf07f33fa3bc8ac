"""Settings of the losses of rules, without heavy imports."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

import tyro
from tyro.constructors import PrimitiveConstructorSpec

from nca.options import Between, Bounded

Weight = Annotated[float, Between(0)]


def _weights(words: list[str]) -> dict[str, float]:
    if len(words) % 2:
        raise ValueError("needs a weight after every name")
    return {name: float(weight) for name, weight in zip(words[::2], words[1::2], strict=True)}


Weights = Annotated[dict[str, float], Between(0)]
# Without its own constructor, tyro would make one flag per key if a preset sets some keys.
Terms = Annotated[
    Weights,
    PrimitiveConstructorSpec(
        nargs="*",
        metavar="[STR FLOAT ...]",
        instance_from_str=_weights,
        is_instance=lambda value: isinstance(value, dict),
        str_from_instance=lambda value: [str(word) for pair in value.items() for word in pair],
    ),
]


@dataclass(frozen=True)
class PromptSettings(Bounded):
    """A text that the texture should match, in addition to the image."""

    prompt: str | None = None
    """The text; needs the extra `clip`."""
    prompt_weight: Weight = 1.0
    """Weight of the distance from the text."""
    clip: str = "ViT-B-32/laion2b_s34b_b79k"
    """Network that compares text and image: a CLIP model of open_clip, or a folder."""


@dataclass(frozen=True)
class LossSettings(Bounded):
    """How the loss is computed: features are measured at each place, a statistic compares them."""

    features: str = "builtin"
    """Features: builtin, random, vgg16 and others, or a file."""
    statistic: str = "wasserstein"
    """wasserstein, gram, transport, moments, or lesson20."""
    layer_weights: Weights = field(default_factory=dict)
    """How much each layer counts; metrics.jsonl has the names."""
    texture_weight: Weight = 1.0
    """Weight of the texture loss."""
    border: Annotated[Literal["reflect", "zeros"], tyro.conf.Fixed] = "reflect"
    """Padding of a pretrained network for images that do not wrap; lesson20 uses zeros."""
    terms: Terms = field(default_factory=dict)
    """Names and weights of more loss terms: smooth, patches."""
    overflow_weight: Weight = 30.0
    """Weight of the penalty on values of cells outside -1 to 1."""
