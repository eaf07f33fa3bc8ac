"""The texture loss by the kernel against the same in torch, which is the reference."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from nca.backends.compiler import CompileError
from nca.losses import native
from nca.losses.features.patchnet import Builtin
from nca.losses.statistics import STATISTICS
from nca.losses.texture import TextureLoss

# A response close to the ReLU's kink has a gradient or none, depending on the order of the sums.
VALUES, GRADIENTS = 1e-5, 3e-3
# In float32 the distance of Gaussians differs this much from float64's, by the kernel and by torch.
LIMITS = {"gram": VALUES, "wasserstein": 1e-4, "moments": VALUES, "lesson20": VALUES}
SIZES = {
    "even": (2, 48, 64),
    "odd": (1, 61, 77),
    "coarsest of one cell": (3, 17, 16),
    "no multiple of a vector": (2, 50, 47),
}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def picture(batch: int, height: int, width: int, seed: int = 0, channels: int = 3) -> Tensor:
    coarse = torch.rand(batch, channels, height // 4, width // 4, generator=generator(seed))
    return torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear")


def make_loss(statistic: str = "gram", *, wraps: bool = True) -> TextureLoss:
    target = picture(1, 128, 128)
    return TextureLoss(target, Builtin(target), STATISTICS[statistic](generator()), wraps=wraps)


def results(loss: TextureLoss, images: Tensor) -> tuple[Tensor, Tensor]:
    """Distances, [layers, B], and the gradient of a weighted sum of them."""
    images = images.clone().requires_grad_(True)
    distances = torch.stack(list(loss(images).values()))
    weights = torch.rand(distances.shape, generator=generator(5))
    return distances.detach(), torch.autograd.grad((weights * distances).sum(), images)[0]


def both(loss: TextureLoss, images: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Results of the kernel, which must have been used, and of torch."""
    assert loss.kernel is not None
    assert loss.kernel(images, wraps=loss.wraps) is not None
    mine = results(loss, images)
    loss.kernel = None
    return [mine, results(loss, images)]


def error(got: Tensor, right: Tensor) -> float:
    return float((got - right).detach().norm() / right.detach().norm())


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("statistic", LIMITS)
def test_values_and_gradients_are_those_of_torch_on_a_torus(statistic: str, size: str) -> None:
    (values, gradient), (right, right_gradient) = both(
        make_loss(statistic), picture(*SIZES[size], seed=1)
    )
    assert error(values, right) < LIMITS[statistic]
    assert error(gradient, right_gradient) < GRADIENTS


@pytest.mark.parametrize("size", [(2, 64, 64), (1, 61, 77), (1, 96, 50)])
@pytest.mark.parametrize("statistic", LIMITS)
def test_values_and_gradients_are_those_of_torch_with_a_border(
    statistic: str, size: tuple[int, int, int]
) -> None:
    (values, gradient), (right, right_gradient) = both(
        make_loss(statistic, wraps=False), picture(*size, seed=1)
    )
    assert error(values, right) < LIMITS[statistic]
    assert error(gradient, right_gradient) < GRADIENTS


@pytest.mark.parametrize("wraps", [True, False])
def test_every_entry_of_the_moments_counts(wraps: bool) -> None:
    """A distance hides an entry among thousands; a random direction does not."""
    loss = make_loss(wraps=wraps)
    images = picture(2, 60, 68, seed=1).requires_grad_(True)
    assert loss.kernel is not None
    moments = loss.kernel(images, wraps=wraps)
    layers = loss.features(images, wraps=wraps)
    assert moments is not None
    assert list(moments) == list(layers)
    for name, found in moments.items():
        flat = layers[name].flatten(2)
        mean = flat.mean(2, keepdim=True)
        right = torch.cat([flat @ flat.mT / flat.shape[2], mean], 2)
        direction = torch.randn(right.shape, generator=generator(3))
        gradients = [
            torch.autograd.grad((direction * m).sum(), images, retain_graph=True)[0]
            for m in (found, right)
        ]
        assert error(found, right) < VALUES, name
        assert error(*gradients) < GRADIENTS, name


@pytest.mark.parametrize(("channels", "wraps"), [(8, True), (10, False)])
def test_images_may_have_more_channels(channels: int, wraps: bool) -> None:
    target = picture(1, 64, 64, channels=channels)
    loss = TextureLoss(target, Builtin(target), STATISTICS["moments"](generator()), wraps=wraps)
    mine, right = both(loss, picture(2, 61, 50, seed=1, channels=channels))
    assert mine[1].shape == (2, channels, 61, 50)
    assert error(mine[0], right[0]) < VALUES
    assert error(mine[1], right[1]) < GRADIENTS


@pytest.mark.parametrize("side", [16, 32])
def test_a_small_target_has_fewer_layers(side: int) -> None:
    target = picture(1, side, side)
    loss = TextureLoss(target, Builtin(target), STATISTICS["gram"](generator()))
    mine, right = both(loss, picture(2, 32, 32, seed=1))
    assert error(mine[0], right[0]) < VALUES
    assert error(mine[1], right[1]) < GRADIENTS


def test_autocast_changes_nothing() -> None:
    loss, images = make_loss("wasserstein"), picture(2, 48, 48, seed=1)
    images.requires_grad_(True)
    found = []
    for enabled in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            total = torch.stack(list(loss(images).values())).sum()
        found += [(total, *torch.autograd.grad(total, images))]
    assert all(map(torch.equal, *found))


def test_bits_repeat_whatever_the_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    loss, images = make_loss(), picture(5, 48, 48, seed=1)
    found = []
    for threads in (1, 2, 5, 1):
        monkeypatch.setattr(native.Call, "_threads", lambda self, images, n=threads: n)
        found.append(results(loss, images))
    assert all(map(torch.equal, found[0] * 3, sum(found[1:], ())))


def test_a_retained_graph_is_walked_again() -> None:
    loss, images = make_loss(), picture(2, 48, 48, seed=1).requires_grad_(True)
    total = torch.stack(list(loss(images).values())).sum()
    first = torch.autograd.grad(total, images, retain_graph=True)[0]
    loss(picture(2, 48, 48, seed=2))  # takes the memory of the features
    assert torch.equal(first, torch.autograd.grad(total, images)[0])


def test_what_is_not_a_number_stays_visible() -> None:
    images = picture(2, 48, 48, seed=1)
    images[0, 1, 20, 20] = torch.nan
    values = torch.stack(list(make_loss()(images).values()))
    assert values[:, 0].isnan().all()
    assert values[:, 1].isfinite().all()


def test_torch_takes_what_the_kernel_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    loss = make_loss(wraps=False)
    assert loss.kernel is not None
    assert loss.kernel(picture(1, 64, 64).double(), wraps=False) is None
    assert loss.kernel(picture(1, 12, 64), wraps=False) is None  # torch then says what is wrong
    assert make_loss("transport").kernel is None

    def fail(colors: int) -> None:
        raise CompileError("no compiler")

    monkeypatch.setattr(native, "texture_library", fail)
    values = loss(picture(1, 64, 64, seed=1))
    assert all(value.isfinite().all() for value in values.values())


SANITIZED = """
import torch
from nca.backends import compiler
compiler.FLAGS = (*compiler.FLAGS, "-O1", "-fsanitize=address")
from tests.losses.test_native import *
for wraps, size in ((True, (3, 17, 16)), (True, (1, 61, 77)), (False, (2, 50, 91))):
    loss = make_loss("moments", wraps=wraps)
    assert loss.kernel(picture(*size), wraps=wraps) is not None
    results(loss, picture(*size))
    print("ok")
target = picture(1, 64, 64, channels=8)
loss = TextureLoss(target, Builtin(target), STATISTICS["moments"](generator()))
assert loss.kernel(picture(1, 61, 77, channels=8), wraps=True) is not None
results(loss, picture(1, 61, 77, channels=8))
print("ok")
"""


@pytest.mark.slow
def test_address_sanitizer_finds_nothing(tmp_path: Path) -> None:
    """Sizes that do not fill vectors and blocks, with every access checked."""
    finder = subprocess.run(
        ["g++", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True
    )
    environment = {
        **os.environ,
        "LD_PRELOAD": finder.stdout.strip(),
        "ASAN_OPTIONS": "detect_leaks=0,verify_asan_link_order=0",
        "XDG_CACHE_HOME": str(tmp_path),
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", SANITIZED],
        check=False,
        env=environment,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("ok") == 4
