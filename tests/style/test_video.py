"""Video: the flow of moving patterns, and a tiny film whose frames follow it."""

import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from nca.cli import main
from nca.errors import InputError
from nca.images import to_image, write_image
from nca.style import video
from nca.style.flow import Motion, flicker, motion, sample
from nca.style.settings import StyleSettings, style_settings
from nca.training.movie import encode_mp4
from tests.losses.test_losses import stripes

STEP = 3  # pixels per frame


@pytest.fixture(scope="module", autouse=True)
def _needs() -> None:
    pytest.importorskip("cv2", reason="the extra flow is not installed")


def scene(count: int = 6) -> list[Tensor]:
    """Frames of 64x48 pixels of a pattern that moves to the left, [1, 3, 48, 64] each."""
    coarse = torch.rand(1, 3, 12, 24, generator=torch.Generator().manual_seed(5))
    wide = F.interpolate(coarse, (48, 96), mode="bicubic").clamp(0, 1)
    return [wide[..., STEP * i : STEP * i + 64] for i in range(count)]


def test_the_flow_of_a_moving_pattern() -> None:
    before, after = scene(2)
    moved = motion(before, after)
    middle = (slice(None), slice(None), slice(8, 40), slice(8, 48))
    assert moved.reliable[middle].mean() > 0.95
    assert moved.reliable[..., -1].max() == 0  # new at the right border
    assert (moved.warp(before) - after)[middle].abs().mean() < 0.01
    assert (before - after)[middle].abs().mean() > 0.05


def test_what_was_hidden_is_not_reliable() -> None:
    """A square that jumps too far uncovers and covers a place; the ground around stays."""
    ground = scene(1)[0]
    before, after = ground.clone(), ground.clone()
    before[..., 16:32, 8:20], after[..., 16:32, 40:52] = 0.0, 0.0
    reliable = motion(before, after).reliable
    assert reliable[..., 18:30, 42:50].mean() < 0.7
    assert reliable[..., 36:, :].mean() > 0.9


def test_samples_lie_at_pixels() -> None:
    image = torch.rand(1, 3, 5, 7)
    places = torch.tensor([[[[6.0, 0.0], [2.5, 3.0], [9.0, 4.0]]]])
    found = sample(image, places, "bilinear")[0, :, 0].T
    expected = [image[0, :, 0, 6], image[0, :, 3, 2:4].mean(1), image[0, :, 4, 6]]
    assert torch.allclose(found, torch.stack(expected), atol=1e-5)


def test_flicker_counts_reliable_pixels_only() -> None:
    rows, columns = torch.meshgrid(torch.arange(4.0), torch.arange(4.0), indexing="ij")
    reliable = torch.zeros(1, 1, 4, 4)
    reliable[..., :2] = 1
    still = Motion(torch.stack([columns, rows], -1)[None], reliable)
    gray = torch.full((1, 3, 4, 4), 0.5)
    other = gray.clone()
    other[..., 0], other[..., 3] = 0.6, 1.0
    assert flicker([gray, other, other], [still, still]) == pytest.approx(0.1 * 4 / 16)


@pytest.fixture
def film(tmp_path: Path) -> StyleSettings:
    """A film of six frames, and settings to paint it in seconds."""
    pytest.importorskip("imageio_ffmpeg")
    frames = [to_image(frame[0]) for frame in scene()]
    (tmp_path / "clip.mp4").write_bytes(encode_mp4(frames, 10))
    write_image(tmp_path / "style.png", to_image(stripes(7, 64)[0]))
    return style_settings(
        tmp_path / "clip.mp4", [tmp_path / "style.png"], tmp_path / "out.mp4",
        size=64, smallest=45, first_iterations=8, iterations=6, features="random", quiet=True,
    )  # fmt: skip


def test_a_film_flickers_less_than_its_frames(
    film: StyleSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    styled = video.paint(film)
    assert isinstance(styled, video.StyledVideo)
    assert str(styled).startswith("6 frames in ")
    frames, fps = video.read_frames(film.out, 64)
    assert (len(frames), frames[0].size, fps) == (6, (64, 48), 10)
    with pytest.raises(InputError, match=r"out.mp4 exists already; use `overwrite`"):
        video.paint(film)
    paint_frame = video.paint_frame

    def alone(settings: StyleSettings, frame: object, last: video.Last | None) -> video.Last:
        painted = paint_frame(settings, frame, None)
        if last is None:
            return painted
        moved = motion(last.frame, painted.frame)
        change = flicker([last.result, painted.result], [moved])
        return video.Last(painted.frame, painted.result, painted.losses, change)

    monkeypatch.setattr(video, "paint_frame", alone)
    apart = video.paint(film.override(out=film.out.with_name("apart.webp")))
    assert isinstance(apart, video.StyledVideo)
    assert styled.flicker < 0.75 * apart.flicker


def test_unusable_videos_are_named(
    film: StyleSettings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = film.out.parent
    words = [str(film.content), str(film.styles[0]), "--out"]
    assert main(["style", *words, str(folder / "painted")]) == 2
    assert "painted: the file name of an animation must end in" in capsys.readouterr().err
    with pytest.raises(InputError, match="there is no video"):
        video.paint(film.override(content=folder / "none.mp4"))
    (folder / "bad.mp4").write_bytes(b"no film")
    with pytest.raises(InputError, match=r"cannot read .*bad.mp4 as a video"):
        video.paint(film.override(content=folder / "bad.mp4"))
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(InputError, match=r"pip install 'nca-studio\[flow\]'"):
        video.paint(film)
