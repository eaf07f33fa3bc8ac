"""A small classifier of the pictures at hand: its features are what FID and KID compare.

Inception's features, which the numbers of papers are of, were learned from large photographs, and
need a download. A net that knows these pictures sees what matters in them.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader

from nca.ddpm.data import Pictures
from nca.ddpm.noising import from_bytes
from nca.training.callbacks import Device, Progress, Schedule, one_cycle
from nca.training.generators import generator_state, seed_generators, set_generator_state
from nca.training.learner import Learner
from nca.training.objective import Supervised

WIDTHS = (16, 32, 64)
EPOCHS, BATCH, RATE = 6, 64, 4e-3
TURNS = 4


class Classifier(nn.Module):
    """Convolutions, each halving the picture, and one linear layer.

    Args:
        colors: channels of the pictures.
        classes: how many.
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

    def features(self, pictures: Tensor) -> Tensor:
        """[B, C, H, W] in [-1, 1] -> [B, 64]."""
        features: Tensor = self.body(pictures).mean((2, 3))
        return features

    def forward(self, pictures: Tensor) -> Tensor:
        """[B, C, H, W] in [-1, 1] -> [B, classes], logits."""
        logits: Tensor = self.head(self.features(pictures))
        return logits


def train_classifier(pictures: Pictures, seed: int = 0, *, quiet: bool = True) -> Classifier:
    """Train on all pictures; without classes, on telling four turns of a picture apart.

    (Gidaris et al., "Unsupervised Representation Learning by Predicting Image Rotations", 2018.)

    Args:
        pictures: what is learned from.
        seed: of the weights and the order.
        quiet: plain lines instead of a progress bar.
    """
    before = generator_state()
    seed_generators(seed)
    try:
        turning = pictures.labels is None
        classes = TURNS if turning else max(len(pictures.names), 2)
        net = Classifier(pictures.images.shape[1], classes)
        loader = DataLoader(
            pictures,
            batch_size=min(BATCH, len(pictures)),
            shuffle=True,
            drop_last=True,
            collate_fn=_turned if turning else _labeled,
        )
        learner = Learner(
            net,
            loader,
            Supervised(F.cross_entropy),
            torch.optim.Adam(net.parameters(), RATE),
            callbacks=[Device(), Schedule(one_cycle()), Progress(quiet=quiet)],
        )
        learner.fit(EPOCHS)
    finally:
        set_generator_state(before)
    return net.eval().requires_grad_(False)


def _labeled(items: list[tuple[Tensor, int]]) -> tuple[Tensor, Tensor]:
    pictures = torch.stack([picture for picture, _ in items])
    return from_bytes(pictures), torch.tensor([label for _, label in items])


def _turned(items: list[tuple[Tensor, int]]) -> tuple[Tensor, Tensor]:
    turns = torch.randint(TURNS, (len(items),))
    turned = [
        picture.rot90(int(turn), (1, 2)) for (picture, _), turn in zip(items, turns, strict=True)
    ]
    return from_bytes(torch.stack(turned)), turns
