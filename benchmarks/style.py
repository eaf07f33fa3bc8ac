"""`nca bench style`: a step of style transfer, compared with the lesson's plain loop.

Both compute the same steps and losses: the lesson's second run (notebook 16A) at 256x256, with Gram
matrices of five layers of VGG-16, the content of three layers, and Adam. The lesson computes the
features twice, for the style and for the content, keeps the network in training mode, and computes
gradients for its 14 million weights. The weights are random, which does not affect the time.
"""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from nca.benchmarks.measuring.machine import describe_machine
from nca.benchmarks.measuring.report import Gate, Parity, Report, Row
from nca.benchmarks.measuring.timing import interleave, ratios
from nca.benchmarks.peers.apart import run_apart
from nca.benchmarks.peers.lesson import LAYERS, lesson_features, lesson_gram, make_vgg16
from nca.benchmarks.peers.ours import frozen
from nca.benchmarks.settings import BenchStyleSettings
from nca.losses.features.pretrained import Pretrained
from nca.losses.perceptual import ContentTerm, StyleLoss, StyleTerm, describe
from nca.losses.statistics import LessonGram
from nca.style.image import ImageModel
from nca.style.objective import Stylize
from nca.training.engines import Autocast, Engine
from nca.training.engines.precision import bfloat16_is_fast
from nca.training.learner import Learner, total

CONTENT = (6, 18, 25)
CONTENT_LAYERS = ("relu2_1", "relu4_1", "relu5_1")
RATE, SHARE, SIZE = 5e-2, 0.2, 256  # learning rate, weight of the style, side in pixels
PARITY_SIZE, LIMIT = 64, 1e-4
GATES = [Gate("step_fp32", 2.0)]


class LessonTransfer:
    """The lesson's loop: features computed twice, network not frozen.

    Args:
        vgg: the network up to relu5_1.
        content, style, start: images, [1, 3, H, W].
    """

    def __init__(self, vgg: nn.Sequential, content: Tensor, style: Tensor, start: Tensor) -> None:
        self.vgg = vgg
        with torch.no_grad():
            self.content = self.features(content, CONTENT)
            self.style = self.grams(style)
        self.image = nn.Parameter(start.clone())
        self.optimizer = torch.optim.Adam([self.image], RATE)

    def features(self, image: Tensor, layers: tuple[int, ...]) -> list[Tensor]:
        """Return copies of the outputs of the given layers, as the lesson does."""
        return [x.clone() for x in lesson_features(self.vgg, image, layers)]

    def grams(self, image: Tensor) -> list[Tensor]:
        """Compute the Gram matrices of the layers for the style."""
        return [lesson_gram(x) for x in self.features(image, LAYERS)]

    def loss(self) -> Tensor:
        """Compute the loss of style and content."""
        style = sum(
            (a - b).pow(2).mean() for a, b in zip(self.grams(self.image), self.style, strict=True)
        )
        found = self.features(self.image, CONTENT)
        content = sum((a - b).pow(2).mean() for a, b in zip(found, self.content, strict=True))
        return torch.as_tensor(SHARE * style + content)

    def step(self) -> None:
        """Run one step."""
        self.loss().backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.optimizer.zero_grad()


class OurTransfer:
    """The same loop with the shared learner: features computed once, network frozen."""

    def __init__(
        self, features: Pretrained, engine: Engine, content: Tensor, style: Tensor, start: Tensor
    ) -> None:
        gram = LessonGram()
        with torch.no_grad():
            targets = describe(features(style, wraps=False), gram)
            layers = features(content, wraps=False)
        kept = {name: layers[name] for name in CONTENT_LAYERS}
        objective = Stylize(torch.Generator())
        objective.loss = StyleLoss(
            features,
            styles=[StyleTerm(targets, gram, weight=SHARE, name="style")],
            content=ContentTerm(kept, dict.fromkeys(kept, 1.0)),
        )
        self.model = ImageModel(start, "none")
        optimizer = torch.optim.Adam(self.model.parameters(), RATE)
        self.learner = Learner(self.model, range(1), objective, optimizer, engine=engine)

    def step(self) -> None:
        """Run one step: one epoch of one batch."""
        self.learner.fit()


def check(vgg: nn.Sequential, features: Pretrained) -> Parity:
    """Compare the gradient of the image with the gradient in the lesson's loop, in float64.

    The images themselves are not compared, because even images of the lesson's own loop diverge:
    for the smallest gradients, Adam turns rounding errors into steps of full size.
    """
    pictures = [torch.rand(1, 3, PARITY_SIZE, PARITY_SIZE) for _ in range(3)]
    exact = LessonTransfer(copy.deepcopy(vgg).double(), *[x.double() for x in pictures])
    (right,) = torch.autograd.grad(exact.loss(), exact.image)
    learner = OurTransfer(features, Engine(), *pictures).learner
    losses = learner.objective.losses(learner.objective.predict(learner.model, None), None)
    (found,) = torch.autograd.grad(total(losses), list(learner.model.parameters()))
    value = float((found - right).norm() / right.norm())
    return Parity("step_fp32", "relative error of the gradient", value, LIMIT, value <= LIMIT)


def measure(rounds: int) -> Report:
    """Measure in this process."""
    torch.manual_seed(0)
    vgg = make_vgg16()
    features = frozen(vgg)
    parity = check(vgg, features)
    pictures = [torch.rand(1, 3, SIZE, SIZE) for _ in range(3)]
    variants: dict[str, Callable[[], None]] = {"lesson": LessonTransfer(vgg, *pictures).step}
    if parity.met:
        variants["step_fp32"] = OurTransfer(features, Engine(), *pictures).step
        if bfloat16_is_fast():
            variants["step_bf16"] = OurTransfer(features, Autocast(), *pictures).step
    times = interleave(variants, rounds)
    against = "the lesson's plain loop"
    rows = [
        Row.of(name, ratios(times["lesson"], times[name]), against)
        for name in variants
        if name != "lesson"
    ]
    return Report(describe_machine() | {"rounds": rounds}, [parity], rows, gates=GATES)


def run(settings: BenchStyleSettings) -> Report:
    """Measure in a separate process."""
    return run_apart("style", settings.rounds)
