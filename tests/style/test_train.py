import io
import json
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image, ImageCms
from torch import Tensor, nn

from nca.cli import main
from nca.errors import InputError
from nca.images import to_image, to_tensor, write_image
from nca.images.color_profiles import convert
from nca.losses.pixels import OverallColor, Palette
from nca.style.settings import (
    PRESETS,
    ReconstructSettings,
    StyleSettings,
    parse_color,
    style_settings,
)
from nca.style.train import FILES, RESULT, StyleTraining, stylize
from nca.training.callback import Callback
from nca.training.folder import CHECKPOINT, SETTINGS
from nca.training.learner import Learner
from tests.helpers.picture_makers import blobs, rgb_icc
from tests.losses.test_losses import stripes
from tests.losses.test_pretrained import VGG16, normalized, save_features, vgg


def paint(settings: StyleSettings) -> Tensor:
    return stylize(settings).image


def loss_at_the_end(settings: StyleSettings) -> dict[str, float]:
    lines = (settings.out / "metrics.jsonl").read_text().splitlines()
    last: dict[str, float] = json.loads(lines[-1])
    return last


def test_all_results_are_there(settings: StyleSettings) -> None:
    styled = stylize(settings)
    names = {path.name for path in settings.out.iterdir()}
    assert names == {*FILES, CHECKPOINT, SETTINGS} - {"movie.gif", "movie.mp4"}
    assert set(styled.results) < set(FILES)
    assert styled.image.shape == (1, 3, 48, 64)
    for path in settings.out.iterdir():
        assert bytes(settings.out.parent) not in path.read_bytes(), path
    assert styled.iterations == 14
    row = loss_at_the_end(settings)
    assert {"loss", "style/bank1", "content/bank3", "smooth"} - set(row) <= {"content/bank3"}
    assert any(name.startswith("content/") for name in row)
    with Image.open(settings.out / "stages.png") as sheet:
        assert sheet.width > 3 * 64
    with pytest.raises(InputError, match=r"already has result\.png; use `overwrite` or `resume`"):
        stylize(settings)
    stylize(settings.override(overwrite=True))


def test_the_style_gets_nearer_and_the_content_stays(settings: StyleSettings) -> None:
    longer = settings.override(first_iterations=60, smallest=64, content_weight=1.0)
    stylize(longer)
    rows = [json.loads(line) for line in (settings.out / "metrics.jsonl").read_text().splitlines()]
    style = [sum(v for k, v in row.items() if k.startswith("style/")) for row in rows]
    assert style[-1] < 0.7 * style[0]
    painted, content = to_tensor(Image.open(settings.out / RESULT)), blobs()[0]
    assert np.corrcoef(painted.mean(0).flatten(), content.mean(0).flatten())[0, 1] > 0.3


def test_the_movie_may_be_an_mp4(settings: StyleSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    stylize(settings)
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "imageio_ffmpeg", None)
        with pytest.raises(InputError, match='an MP4 needs the extra "video"'):
            stylize(settings.override(movie="mp4", out=settings.out / "other"))
        assert not (settings.out / "other").exists()
    ffmpeg = pytest.importorskip("imageio_ffmpeg")
    stylize(settings.override(movie="mp4", overwrite=True))
    assert ffmpeg.count_frames_and_secs(settings.out / "movie.mp4")[0] == 14 + 22
    assert not (settings.out / "movie.webp").exists()


def lesson_loop(
    net: nn.Sequential, content: Tensor, style: Tensor, start: Tensor, run: str
) -> Tensor:
    """The lesson's style transfer as a plain loop, as in notebook 16A."""
    content_layers, steps, rate, share = {
        "content": ((18, 25), 6, 1e-2, 1.0),
        "noise": ((6, 18, 25), 6, 5e-2, 0.2),
    }[run]

    def features(image: Tensor, layers: tuple[int, ...]) -> list[Tensor]:
        x, kept = normalized(image), []
        for i, layer in enumerate(net):
            x = layer(x)
            if i in layers:
                kept.append(x.clone())
        return kept

    def grams(image: Tensor) -> list[Tensor]:
        found = features(image, (1, 6, 11, 18, 25))
        return [torch.einsum("bchw,bdhw->cd", x, x) / (x.shape[-2] * x.shape[-1]) for x in found]

    with torch.no_grad():
        kept, wanted = features(content, content_layers), grams(style)
    image = nn.Parameter(start.clone())
    optimizer = torch.optim.Adam([image], rate)
    for _ in range(steps):
        style_loss = sum((a - b).pow(2).mean() for a, b in zip(grams(image), wanted, strict=True))
        content_loss = sum(
            (a - b).pow(2).mean()
            for a, b in zip(features(image, content_layers), kept, strict=True)
        )
        (share * style_loss + content_loss).backward()
        optimizer.step()
        optimizer.zero_grad()
    return image.detach()


@pytest.mark.parametrize("run", ["content", "noise"])
def test_the_preset_is_the_lesson(settings: StyleSettings, tmp_path: Path, run: str) -> None:
    torch.manual_seed(0)
    net = vgg(VGG16, 1)
    # Random weights hardly respond; these do, as much as trained ones.
    for layer in net:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
    path = save_features(net, tmp_path / "vgg16.safetensors")
    preset = {"content": "lesson20", "noise": "lesson20-noise"}[run]
    values = PRESETS[preset]
    assert (values["first_iterations"], values["size"]) == (300 if run == "noise" else 150, 256)
    assert values.get("start", "content") == run
    lesson = style_settings(
        settings.content, settings.styles, settings.out, preset, features=str(path), size=64,
        first_iterations=6, quiet=True,
    )  # fmt: skip
    painted = paint(lesson)
    content, style = (to_tensor(Image.open(p))[None] for p in (lesson.content, *lesson.styles))
    start = content
    if run == "noise":
        start = torch.rand(1, 3, 48, 64, generator=torch.Generator().manual_seed(0))
    lesson_s = lesson_loop(net, content, style, start, run).clamp(0, 1)
    right = lesson_loop(net.double(), content.double(), style.double(), start.double(), run)
    assert float((right - start).abs().max()) > 0.02
    # Rounding grows from step to step, in the lesson's own loop as well.
    errors = [float((found - right.clamp(0, 1)).abs().mean()) for found in (painted, lesson_s)]
    assert errors[0] < 2 * errors[1] + 1e-6
    assert errors[0] < 0.01 * float((right - start).abs().mean())


@pytest.mark.parametrize("colors", ["luminance", "linear"])
def test_colors_are_kept(settings: StyleSettings, colors: str, tmp_path: Path) -> None:
    red = torch.tensor([0.8, 0.2, 0.1])[:, None, None] * blobs()[0].mean(0, keepdim=True)
    write_image(settings.content, to_image(red))
    plain = paint(settings)
    kept = paint(settings.override(colors=colors, out=tmp_path / "kept"))
    content = to_tensor(Image.open(settings.content)).mean((1, 2))
    error = (kept[0].mean((1, 2)) - content).abs().max()
    assert float(error) < 0.08
    assert float((plain[0].mean((1, 2)) - content).abs().max()) > float(error)


def test_each_region_gets_its_style(settings: StyleSettings, tmp_path: Path) -> None:
    left = np.zeros((48, 64), np.uint8)
    left[:, :32] = 255
    Image.fromarray(left).save(tmp_path / "left.png")
    Image.fromarray(255 - left).save(tmp_path / "right.png")
    for name, color in (("red", (220, 30, 30)), ("blue", (30, 30, 220))):
        noise = np.random.default_rng(0).integers(-20, 20, (64, 64, 1))
        Image.fromarray(np.uint8(np.clip(np.array(color) + noise, 0, 255))).save(
            tmp_path / f"{name}.png"
        )
    masked = settings.override(
        styles=(tmp_path / "red.png", tmp_path / "blue.png"), content_weight=0.01,
        content_masks=(tmp_path / "left.png", tmp_path / "right.png"), first_iterations=50,
        start="gray", smallest=64, learning_rate=0.05,
    )  # fmt: skip
    painted = paint(masked)[0]
    red_less_blue = painted[0] - painted[2]
    assert float(red_less_blue[:, :24].mean()) > 0.1
    assert float(red_less_blue[:, 40:].mean()) < -0.1


def test_a_black_mask_is_refused(settings: StyleSettings, tmp_path: Path) -> None:
    Image.new("L", (48, 64)).save(tmp_path / "black.png")
    with pytest.raises(InputError, match=r"black\.png: no part of the mask is white"):
        stylize(settings.override(content_masks=(tmp_path / "black.png",)))


def test_noise_may_have_the_colors_of_the_styles(settings: StyleSettings) -> None:
    both = settings.override(styles=(settings.styles[0], settings.content), start="style-noise")
    image = StyleTraining(both).learner.model().detach()
    colors = [to_tensor(Image.open(path)).flatten(1) for path in both.styles]
    wanted = torch.cat(colors, 1)
    assert torch.allclose(image.mean((0, 2, 3)), wanted.mean(1), atol=0.02)
    assert torch.allclose(image[0].flatten(1).cov(), wanted.cov(), atol=0.01)
    neighbors = image[..., 1:].flatten(), image[..., :-1].flatten()
    assert abs(np.corrcoef(*(x - x.mean() for x in neighbors))[0, 1]) < 0.5
    with pytest.raises(InputError, match="`start` style-noise: there is no style; use content"):
        StyleTraining(both.override(styles=()))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"style_layers": ("relu9_9",)}, "random has no layer 'relu9_9'; it has bank1"),
        ({"layer_weights": {"style/bank9": 1.0}}, "no layer 'bank9'; the layers are"),
        ({"features": "other"}, "`features` other: must be one of builtin"),
        ({"pooling": "average"}, "`pooling` average: only pretrained networks offer it"),
        ({"content_masks": (Path("speck.png"),)}, "covers no position of a .* feature layer"),
        ({"content": Path("narrow.png"), "size": 300}, "300x11 pixels .* random needs 12 or more"),
        ({"styles": (Path("narrow.png"),), "size": 300}, "a picture is .*x.* random needs 12"),
        ({"style_masks": (Path("speck.png"),)}, "style mask is too small|leaves no pos"),
        (
            {"statistic": "transport", "size": 320, "tile": 256},
            "`statistic` transport with `tile` 256: it sorts the features of the whole image, "
            "which tiles cannot do; use gram, wasserstein or moments, or "
            "`tile` 320, which takes more memory",
        ),
    ],
)
def test_what_cannot_be_painted_is_reported_before_anything_is_written(
    settings: StyleSettings,
    change: dict[str, object],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    speck = Image.new("L", (64, 48))
    speck.paste(255, (30, 30, 31, 31))
    speck.save("speck.png")
    Image.new("RGB", (300, 11)).save("narrow.png")
    with pytest.raises(InputError, match=said):
        stylize(settings.override(**change))
    assert not settings.out.exists()


@pytest.mark.parametrize("start", ["content", "noise", "gray", "style", "file"])
def test_where_it_starts(settings: StyleSettings, start: str) -> None:
    asked = str(settings.styles[0]) if start == "file" else start
    image = StyleTraining(settings.override(start=asked)).learner.model().detach()
    assert image.shape == (1, 3, 34, 45)
    means = {"content": blobs().mean(), "gray": 0.5, "noise": 0.5, "style": stripes(7).mean()}
    assert float(image.mean()) == pytest.approx(float(means.get(start, means["style"])), abs=0.02)
    assert (float(image.std()) < 0.06) == (start == "gray")


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
@pytest.mark.parametrize("box", ["projection", "sigmoid"])
def test_colors_stay_in_the_box(settings: StyleSettings, optimizer: str, box: str) -> None:
    class Watch(Callback):
        order = 99

        def after_batch(self, learner: Learner) -> None:
            image = learner.model().detach()
            assert 0 <= float(image.min()) <= float(image.max()) <= 1

    rate = 0.2 if optimizer == "adam" else 0.02
    settings = settings.override(
        optimizer=optimizer, box=box, learning_rate=rate, smallest=64, first_iterations=30
    )
    settings.out.mkdir()
    training = StyleTraining(settings)
    training.learner.use_callbacks([*training.learner.callbacks, Watch()])
    training.fit()
    lines = (settings.out / "metrics.jsonl").read_text().splitlines()
    losses = [json.loads(line)["loss"] for line in lines]
    assert losses[-1] < losses[0]


def test_objectives_beside_pictures(settings: StyleSettings) -> None:
    only = settings.override(styles=(), style_weight=0.0, content_weight=0.0, smooth_weight=0.0,
        smallest=64, first_iterations=80, overwrite=True, start="gray", average=0.0,
    )  # fmt: skip
    green = paint(only.override(color="#208040"))
    assert torch.allclose(green.mean((2, 3))[0], torch.tensor([32, 128, 64]) / 255, atol=0.02)
    matched = paint(only.override(image=settings.styles[0], image_weight=1.0))
    assert float((matched - F.interpolate(stripes(7), (48, 64), mode="bicubic")).abs().mean()) < 0.1
    palette = paint(only.override(start="content", palette=("#000000", "#ffffff")))
    assert float(torch.minimum(palette, 1 - palette).mean()) < 0.1
    with pytest.raises(InputError, match="all weights are 0"):
        stylize(only)


def test_the_result_has_16_bits_and_the_content_s_profile(settings: StyleSettings) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    sideways = to_image(blobs()[0])
    exif = sideways.getexif()
    exif[0x0112] = 6  # turned a quarter
    sideways.save(settings.content.with_suffix(".jpg"), icc_profile=profile, exif=exif, quality=95)
    turned = settings.override(content=settings.content.with_suffix(".jpg"))
    image = paint(turned)
    assert image.shape == (1, 3, 64, 48)
    raw = (settings.out / RESULT).read_bytes()
    assert struct.unpack(">IIBB", raw[16:26]) == (48, 64, 16, 2)
    with Image.open(io.BytesIO(raw)) as read:
        assert read.info["icc_profile"] == profile
        assert float((to_tensor(read) - image[0]).abs().max()) <= 1 / 255


def test_start_and_colors_are_converted_to_the_content_s_profile(settings: StyleSettings) -> None:
    start = settings.content.with_name("start.png")
    plain, wide = Image.new("RGB", (64, 48), (200, 60, 60)), rgb_icc()
    plain.putpixel((0, 0), (0, 0, 0))
    plain.save(start)
    to_image(blobs()[0]).save(settings.content, icc_profile=wide)
    training = StyleTraining(
        settings.override(
            start=str(start), start_noise=0.0, color="#c83c3c", palette=("#c83c3c", "#000000")
        )
    )
    seen = to_tensor(convert(plain, None, wide))[:, 20, 20]
    assert float((seen - to_tensor(plain)[:, 20, 20]).abs().max()) > 0.05
    assert (training.learner.model()[0, :, 20, 20] - seen).abs().max() < 0.5 / 255
    pixels = training.losses.at((45, 34)).pixels
    (color,) = [each.term.color for each in pixels if isinstance(each.term, OverallColor)]
    (palette,) = [each.term.colors for each in pixels if isinstance(each.term, Palette)]
    assert torch.allclose(color, seen)
    assert torch.allclose(palette, torch.stack([seen, torch.zeros(3)]))


def test_reconstruction_of_a_shallow_layer_is_the_picture(settings: StyleSettings) -> None:
    again = ReconstructSettings(
        picture=settings.content, out=settings.out, layer="bank1", features="random", size=64,
        iterations=120, smooth_weight=0.0, quiet=True,
    )  # fmt: skip
    image = paint(again.as_style().override(learning_rate=0.05))
    assert np.corrcoef(image.flatten(), blobs().flatten())[0, 1] > 0.8
    with pytest.raises(InputError, match="random has no layer 'relu9_9'; it has bank1"):
        stylize(again.override(layer="relu9_9", overwrite=True).as_style())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"size": 8}, "`size` 8: must be 32 to"),
        ({"average": 1.0}, r"`average` 1\.0"),
        ({"color": "teal"}, "color 'teal': must be six hexadecimal digits"),
        ({"style_weights": (1.0, 2.0)}, "`style_weights`: has 2 entries for 1 styles"),
        ({"style_weights": (0.0,)}, "must be 0 or more, not all 0"),
        ({"content_masks": (Path("a"), Path("b"))}, "`content_masks`: has 2 entries for 1 styles"),
    ],
)
def test_settings_out_of_range_are_named(
    settings: StyleSettings, change: dict[str, object], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        settings.override(**change)


def test_presets_and_colors() -> None:
    for name in PRESETS:
        assert style_settings("a.png", ["b.png"], "out", name).preset == name
    with pytest.raises(InputError, match="`preset` lesson: must be one of standard, lesson20"):
        style_settings("a.png", ["b.png"], "out", "lesson")
    assert parse_color("#ff8000") == pytest.approx((1, 128 / 255, 0))


def test_the_command_says_what_a_download_would_better(
    settings: StyleSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["style", str(settings.content), str(settings.styles[0]), "--out", str(settings.out)]
    fast = ["--size", "64", "--smallest", "64", "--first-iterations", "2", "--quiet"]
    assert main([*words, *fast]) == 0
    out, err = capsys.readouterr()
    assert "squeezenet1_1 (5 MB" in err.splitlines()[0]
    assert "result.png  the picture" in out
    assert main([*words, *fast]) == 2
    assert "use --overwrite" in capsys.readouterr().err
    assert "torch" in sys.modules
