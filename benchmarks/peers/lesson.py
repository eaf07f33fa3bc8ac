"""A peer to compare with: the texture automaton of fast.ai's lesson 20, with its step and loss.

Adapted from Jonathan Whitaker's notebook "Neural Cellular Automata" in "Practical Deep Learning for
Coders, part 2" (2022). The code is not tuned. As in the notebook, channels are folded into the
batch dimension to apply the filters, ``rand`` and ``floor`` draw the mask, and VGG-16 stays
trainable, so its gradients are computed and discarded. The weights of VGG-16 are random, which does
not affect the time.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nca.losses.features.pretrained import IMAGENET_MEAN, IMAGENET_STD
from nca.rule import filter_tensor

LAYERS = (1, 6, 11, 18, 25)  # relu1_1, relu2_1, relu3_1, relu4_1, relu5_1
VGG16 = (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512)  # 0: pooling
POOL = 256


def perchannel_conv(x: Tensor, filters: Tensor) -> Tensor:
    """Apply every filter to every channel, [B, C, H, W] -> [B, C*K, H, W]."""
    b, channels, h, w = x.shape
    y = F.pad(x.reshape(b * channels, 1, h, w), [1, 1, 1, 1], "circular")
    return F.conv2d(y, filters[:, None]).reshape(b, -1, h, w)


class SimpleCA(nn.Module):
    """The lesson's automaton.

    Its second layer starts with small weights instead of zeros, as if it had been trained a little.
    """

    filters: Tensor

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.register_buffer("filters", filter_tensor())
        self.w1 = nn.Conv2d(channels * 4, hidden, 1)
        self.w2 = nn.Conv2d(hidden, channels, 1, bias=False)
        nn.init.normal_(self.w2.weight, 0, 0.01 / hidden**0.5)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Run one step, with a random mask [B, 1, H, W] unless one is given."""
        y: Tensor = self.w2(torch.relu(self.w1(perchannel_conv(x, self.filters))))
        b, _, h, w = y.shape
        update_mask = (torch.rand(b, 1, h, w) + 0.5).floor() if mask is None else mask
        return x + y * update_mask


def make_vgg16() -> nn.Sequential:
    """Make VGG-16 up to relu5_1 with random weights; layers are numbered as in torchvision."""
    layers: list[nn.Module] = []
    before = 3
    for width in VGG16:
        if width == 0:
            layers.append(nn.MaxPool2d(2))
            continue
        convolution = nn.Conv2d(before, width, 3, padding=1)
        nn.init.kaiming_normal_(convolution.weight)
        nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
        layers += [convolution, nn.ReLU()]
        before = width
    return nn.Sequential(*layers)


def lesson_features(vgg: nn.Sequential, images: Tensor, layers: tuple[int, ...]) -> list[Tensor]:
    """Return the outputs of the given layers for images, [B, 3, H, W]."""
    mean = images.new_tensor(IMAGENET_MEAN)[:, None, None]
    std = images.new_tensor(IMAGENET_STD)[:, None, None]
    x, kept = (images - mean) / std, []
    for i, layer in enumerate(vgg):
        x = layer(x)
        if i in layers:
            kept.append(x)
    return kept


def lesson_gram(x: Tensor) -> Tensor:
    """Compute the Gram matrix of features, [B, C, H, W] -> [C, C], summed over the batch."""
    return torch.einsum("bchw, bdhw -> cd", x, x) / (x.shape[-2] * x.shape[-1])


class LessonLoss:
    """Mean squared difference of Gram matrices, summed over five layers."""

    def __init__(self, vgg: nn.Sequential, target: Tensor) -> None:
        self.vgg = vgg
        with torch.no_grad():
            self.targets = self.grams(target)

    def grams(self, images: Tensor) -> list[Tensor]:
        """Compute the Gram matrices of the features of images, [B, 3, H, W]."""
        return [lesson_gram(x) for x in lesson_features(self.vgg, images, LAYERS)]

    def __call__(self, images: Tensor) -> Tensor:
        """Return the loss of a batch of images as a scalar tensor."""
        pairs = zip(self.grams(images), self.targets, strict=True)
        return torch.stack([F.mse_loss(gram, target) for gram, target in pairs]).sum()


def lesson_overflow(state: Tensor) -> Tensor:
    """Compute the mean distance of a state from the range -1 to 1."""
    return (state - state.clamp(-1, 1)).abs().mean()


def normalize_gradients(module: nn.Module) -> None:
    """Scale the gradient of every weight tensor to a norm of one."""
    for parameter in module.parameters():
        if parameter.grad is not None:
            parameter.grad /= parameter.grad.norm() + 1e-8


class LessonIteration:
    """One iteration of the lesson's training, with a fixed number of steps."""

    def __init__(
        self, model: SimpleCA, loss: LessonLoss, size: int, batch: int, steps: int
    ) -> None:
        self.model, self.loss, self.batch, self.steps = model, loss, batch, steps
        self.pool = torch.zeros(POOL, model.w2.out_channels, size, size)
        self.optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)

    def __call__(self) -> None:
        """Take states from the pool, run the steps, compute the loss, and update the weights."""
        indices = torch.randint(POOL, (self.batch,))
        x = self.pool[indices]
        for _ in range(self.steps):
            x = self.model(x)
        loss = self.loss(x[:, :3] + 0.5) + lesson_overflow(x)
        loss.backward()  # type: ignore[no-untyped-call]
        normalize_gradients(self.model)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.pool[indices] = x.detach()
