"""The iteration of the lesson, with this project's unroll and frozen features."""

import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from nca.backends import Backend, unroll
from nca.benchmarks.peers.lesson import POOL, SimpleCA, lesson_overflow, normalize_gradients
from nca.losses.features.pretrained import Pretrained
from nca.losses.statistics import LessonGram
from nca.losses.texture import TextureLoss
from nca.rng import CPU, random_masks
from nca.rule import Rule
from nca.rule_settings import RuleSettings


def precision(bfloat16: bool, device: torch.device = CPU) -> AbstractContextManager[object]:
    """Return a context manager that computes layers in bfloat16, or one that does nothing."""
    return torch.autocast(device.type, torch.bfloat16) if bfloat16 else nullcontext()


def to_rule(model: SimpleCA) -> Rule:
    """Convert the lesson's automaton to a rule with the same weights."""
    hidden, inputs = model.w1.weight.shape[:2]
    rule = Rule(RuleSettings(channels=inputs // 4, hidden=hidden))
    with torch.no_grad():
        rule.w1.copy_(model.w1.weight[:, :, 0, 0])
        assert model.w1.bias is not None
        rule.b1.copy_(model.w1.bias)
        rule.w2.copy_(model.w2.weight[:, :, 0, 0])
    return rule


def frozen(vgg: nn.Sequential) -> Pretrained:
    """Make frozen features from a network, padded with zeros as in the lesson."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vgg16.safetensors"
        save_file({f"features.{k}": v.detach() for k, v in vgg.state_dict().items()}, path)
        return Pretrained(str(path), border="zeros")


def frozen_loss(vgg: nn.Sequential, target: Tensor) -> Callable[[Tensor], Tensor]:
    """Make the lesson's loss with frozen features, channels last; bfloat16 under autocast."""
    loss = TextureLoss(target, frozen(vgg), LessonGram(), wraps=False)
    return lambda images: torch.stack(list(loss(images).values())).sum(0).mean()


class OurIteration:
    """One iteration: draw masks, run the steps, compute loss and gradients, update with Adam."""

    def __init__(
        self,
        rule: Rule,
        loss: Callable[[Tensor], Tensor],
        size: int,
        batch: int,
        steps: int,
        *,
        backend: Backend,
        bfloat16: bool,
    ) -> None:
        self.rule, self.loss, self.batch, self.steps = rule, loss, batch, steps
        self.backend: Backend = backend
        self.bfloat16 = bfloat16
        self.pool = torch.zeros(POOL, rule.settings.channels, size, size)
        self.optimizer = torch.optim.Adam(rule.parameters(), lr=1e-4)
        self.generator = torch.Generator().manual_seed(0)

    def __call__(self) -> None:
        """Take states from the pool, run the steps, compute the loss, and update the weights."""
        indices = torch.randint(POOL, (self.batch,), generator=self.generator)
        side = self.pool.shape[-1]
        masks = random_masks(self.steps, self.batch, side, side, 0.5, self.generator)
        with precision(self.bfloat16):
            state = unroll(self.pool[indices], self.rule, masks, self.backend)
            loss = self.loss(state[:, :3] + 0.5) + lesson_overflow(state)
        loss.backward()  # type: ignore[no-untyped-call]
        normalize_gradients(self.rule)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.pool[indices] = state.detach()
