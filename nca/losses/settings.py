"""Loss settings for rules, without heavy imports."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

import tyro
from tyro.constructors import PrimitiveConstructorSpec

from nca.options import NAME, Between, Bounded

Weight = Annotated[float, Between(0)]


def _weights(words: list[str]) -> dict[str, float]:
    if len(words) % 2:
        raise ValueError("needs a weight after every name")
    return {name: float(weight) for name, weight in zip(words[::2], words[1::2], strict=True)}


# Without this constructor, tyro would make one flag per key when a preset sets some keys.
NamedWeights = Annotated[
    dict[str, float],
    Between(0),
    PrimitiveConstructorSpec(
        nargs="*",
        metavar="[NAME WEIGHT ...]",
        instance_from_str=_weights,
        is_instance=lambda value: isinstance(value, dict),
        str_from_instance=lambda value: [str(word) for pair in value.items() for word in pair],
    ),
]
LAYER_WEIGHTS = tyro.conf.arg(metavar="[LAYER WEIGHT ...]")


@dataclass(frozen=True)
class PromptSettings(Bounded):
    """A text prompt that the texture should match, in addition to the image."""

    prompt: Annotated[str | None, tyro.conf.arg(metavar="TEXT")] = None
    """Text to match; requires the `clip` extra."""
    prompt_weight: Weight = 1.0
    """Weight of the distance between texture and text."""
    clip: Annotated[str, tyro.conf.arg(metavar="NAME|FOLDER")] = "ViT-B-32/laion2b_s34b_b79k"
    """CLIP model that compares the text with the texture: its name in the library open_clip, or a
    folder."""


@dataclass(frozen=True)
class LossSettings(Bounded):
    """The loss compares statistics of features that a network computes for texture and image."""

    features: Annotated[str, NAME] = "builtin"
    """Network that computes the features: builtin, random, vgg16, vgg19, squeezenet1_1, or a file
    with the weights of a network."""
    statistic: Annotated[str, NAME] = "wasserstein"
    """Statistic of the features: wasserstein, gram (the usual choice in papers), transport,
    moments, or lesson20."""
    layer_weights: Annotated[NamedWeights, LAYER_WEIGHTS] = field(default_factory=dict)
    """Weights of the network's layers in the loss; metrics.jsonl lists the layers."""
    texture_weight: Weight = 1.0
    """Weight of the texture loss."""
    border: Annotated[Literal["reflect", "zeros"], tyro.conf.Fixed] = "reflect"
    """How a pretrained network pads images that do not wrap; lesson20 uses zeros."""
    terms: NamedWeights = field(default_factory=dict)
    """Terms to add to the loss, and their weights: smooth (reduces contrast between neighbors),
    patches (compares small pieces), perceptual (only with --restore; compares features)."""


@dataclass(frozen=True)
class PenaltySettings(Bounded):
    """Penalties on the states of the cells, whatever the texture looks like."""

    overflow_weight: Weight = 30.0
    """Weight of the penalty on cell values outside -1 to 1."""
    curvature_weight: Weight = 0.0
    """Weight of the penalty on hidden channels that vary abruptly between cells (with --decoder, on
    all channels)."""
