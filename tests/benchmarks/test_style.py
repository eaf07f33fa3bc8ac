import pytest
import torch

from nca.benchmarks import style
from nca.benchmarks.peers.lesson import make_vgg16
from nca.benchmarks.peers.ours import frozen
from nca.benchmarks.settings import BenchStyleSettings
from nca.benchmarks.style import LessonTransfer, OurTransfer, check
from nca.errors import InputError
from nca.training.engines import Engine


def test_both_have_the_same_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(style, "PARITY_SIZE", 32)
    torch.manual_seed(0)
    vgg = make_vgg16()
    features = frozen(vgg)
    assert check(vgg, features).met
    monkeypatch.setattr(style, "SHARE", 0.3)
    pictures = [torch.rand(1, 3, 32, 32) for _ in range(3)]
    lesson, ours = LessonTransfer(vgg, *pictures), OurTransfer(features, Engine(), *pictures)
    for transfer in (lesson, ours):
        transfer.step()
    for image in (lesson.image.detach(), ours.model().detach()):
        assert 0.03 < float((image - pictures[2]).abs().mean()) <= 0.0501


def test_settings_refuse_too_few_rounds() -> None:
    with pytest.raises(InputError, match="`rounds` 2: must be 3"):
        BenchStyleSettings(rounds=2)
