"""A small classifier of the training images, whose features FID and KID compare.

Papers usually use the features of Inception, which was trained on large photographs and must be
downloaded. Features that were learned from the training images describe such images better.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader

from nca.ddpm.data.dataset import ImageDataset
from nca.ddpm.diffusion.noising import from_bytes
from nca.training.adam import Adam
from nca.training.callbacks import Device, Progress, Schedule, one_cycle
from nca.training.generators import generator_state, seed_generators, set_generator_state
from nca.training.learner import Learner
from nca.training.objective import Supervised

WIDTHS = (16, 32, 64)
EPOCHS, BATCH, RATE = 6, 64, 4e-3
ROTATIONS = 4


class Classifier(nn.Module):
    """Convolutions that each halve width and height, global averaging, and one linear layer.

    Args:
        colors: channels of the images.
        classes: number of classes.
    """

    def __init__(self, colors: int, classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = colors
        for width in WIDTHS:
            layers += [
                nn.Conv2d(before, width, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
            ]
            before = width
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(before, classes)

    def features(self, images: Tensor) -> Tensor:
        """Compute features [B, 64] of images [B, C, H, W] with values from -1 to 1."""
        features: Tensor = self.body(images).mean((2, 3))
        return features

    def forward(self, images: Tensor) -> Tensor:
        """Compute logits [B, classes] of images [B, C, H, W] with values from -1 to 1."""
        logits: Tensor = self.head(self.features(images))
        return logits


def train_classifier(dataset: ImageDataset, seed: int = 0, *, quiet: bool = True) -> Classifier:
    """Train a classifier on all images; if they have no classes, it learns to recognize rotations.

    The rotations follow Gidaris et al., "Unsupervised Representation Learning by Predicting Image
    Rotations", 2018.

    Args:
        dataset: training data.
        seed: random seed for the weights, the order of the images, and their rotations.
        quiet: whether to print plain lines instead of a progress bar.
    """
    before = generator_state()
    seed_generators(seed)
    try:
        rotating = dataset.labels is None
        classes = ROTATIONS if rotating else max(len(dataset.names), 2)
        network = Classifier(dataset.images.shape[1], classes)
        loader = DataLoader(
            dataset,
            batch_size=min(BATCH, len(dataset)),
            shuffle=True,
            drop_last=True,
            collate_fn=_rotated if rotating else _labeled,
        )
        learner = Learner(
            network,
            loader,
            Supervised(F.cross_entropy),
            Adam(network.parameters(), RATE),
            callbacks=[Device(), Schedule(one_cycle()), Progress(quiet=quiet)],
        )
        learner.fit(EPOCHS)
    finally:
        set_generator_state(before)
    return network.eval().requires_grad_(False)


def _labeled(items: list[tuple[Tensor, int]]) -> tuple[Tensor, Tensor]:
    images = torch.stack([image for image, _ in items])
    return from_bytes(images), torch.tensor([label for _, label in items])


def _rotated(items: list[tuple[Tensor, int]]) -> tuple[Tensor, Tensor]:
    rotations = torch.randint(ROTATIONS, (len(items),))
    rotated = [
        image.rot90(int(rotation), (1, 2))
        for (image, _), rotation in zip(items, rotations, strict=True)
    ]
    return from_bytes(torch.stack(rotated)), rotations
