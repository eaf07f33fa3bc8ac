import json
from pathlib import Path

import pytest
import torch

from nca.errors import InputError
from nca.style.settings import VisualizeSettings
from nca.style.visualize import Spectrum, jitter, layer_of, visualize
from tests.conftest import DATA
from tests.losses.test_losses import generator
from tests.losses.test_pretrained import VGG19, save_features, vgg


@pytest.fixture
def settings(tmp_path: Path) -> VisualizeSettings:
    torch.manual_seed(0)
    path = save_features(vgg(VGG19, 16), tmp_path / "vgg.safetensors")
    return VisualizeSettings(
        out=tmp_path / "out", layer="relu2_1", channel=3, features=str(path), size=48,
        iterations=30, quiet=True,
    )  # fmt: skip


@pytest.mark.usefixtures("one_thread")
def test_the_channel_gets_more_excited(settings: VisualizeSettings) -> None:
    result = visualize(settings)
    lines = (settings.out / "metrics.jsonl").read_text().splitlines()
    losses = [json.loads(line)["excitement"] for line in lines]
    assert losses[-1] < losses[0] <= 0
    assert result.image.shape == (1, 3, 48, 48)
    assert {"result.png", "movie.webp", "stages.png", "loss.png"} <= {
        path.name for path in settings.out.iterdir()
    }
    again = visualize(settings.override(out=settings.out / "again"))
    assert torch.equal(result.image, again.image)


def test_genuine_channels_prefer_their_own_pictures(tmp_path: Path) -> None:
    path = DATA / "features" / "vgg19_relu3_1_fp16.safetensors"
    if not path.exists():
        pytest.skip(f"no {path.name} beside the checkout")
    excited = []
    for channel in (3, 17):
        settings = VisualizeSettings(
            out=tmp_path / str(channel), layer="relu2_1", channel=channel, features=str(path),
            size=48, iterations=40, quiet=True,
        )  # fmt: skip
        image = visualize(settings).image
        answers = layer_of(settings)(image, wraps=False)["relu2_1"].mean((0, 2, 3))
        excited.append(answers[[3, 17]])
    assert excited[0][0] > 2 * excited[1][0]
    assert excited[1][1] > 2 * excited[0][1]


def test_a_move_of_nothing_is_none(settings: VisualizeSettings) -> None:
    image = torch.rand(1, 3, 48, 48, generator=generator())
    still = settings.override(jitter=0.0, zoom=0.0, rotation=0.0)
    assert torch.allclose(jitter(image, still, generator()), image, atol=1e-5)
    shifted = jitter(image, still.override(jitter=8.0), generator())
    assert float((shifted - image).abs().mean()) > 0.1


def test_a_spectrum_starts_as_a_picture_of_fixed_contrast() -> None:
    model = Spectrum(64, generator())
    image = model().detach()
    assert image.shape == (1, 3, 64, 64)
    assert 0.15 < float(image.std()) < 0.3
    with torch.no_grad():
        model.waves *= 100
    assert torch.allclose(model(), image, atol=1e-4)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"channel": 8}, "`channel` 8: relu2_1 has channels 0 to 7"),
        ({"layer": "relu9_1"}, "no layer"),
        ({"features": "builtin"}, "only trained networks can be visualized"),
    ],
)
def test_what_there_is_not_is_named(
    settings: VisualizeSettings, change: dict[str, object], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        visualize(settings.override(**change))
    assert not settings.out.exists()
