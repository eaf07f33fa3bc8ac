"""Files written by ``nca render``, ``nca play`` and ``nca view --headless``."""

import os
import signal
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image, ImageSequence
from torch import Tensor

from nca.backends.simulate import simulate
from nca.cli import main
from nca.commands.render import averages
from nca.decoder import DecoderSettings
from nca.gallery import gallery_path
from nca.images import to_tensor, write_animation
from nca.rule import Rule
from nca.rule_settings import RuleSettings
from nca.rulefile import load_rule, save_rule
from nca.system.signals import Terminated, uninterrupted
from tests.helpers.players import rule_file
from tests.helpers.rules import bounded_rule, with_random_decoder
from tests.helpers.waiting import ENDING_SIGNALS

HEADLESS = ["--headless", "--steps", "2", "--grid", "8"]


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["render", "RULE", "--size", "16", "--steps", "2", "--out"], "a.png"),
        (["render", "RULE", "--size", "16", "--steps", "2", "--every", "1", "--out"], "a.gif"),
        (["play", "RULE", "PICTURE", "--size", "16", "--steps", "1", "--out"], "a.png"),
        pytest.param(["view", "RULE", *HEADLESS, "--screenshot"], "a.png", marks=pytest.mark.gl),
        pytest.param(["view", "RULE", *HEADLESS, "--state-out"], "a.npz", marks=pytest.mark.gl),
        pytest.param(["view", "RULE", *HEADLESS, "--record"], "a.webp", marks=pytest.mark.gl),
    ],
)
def test_nothing_is_written_over_unless_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], name: str
) -> None:
    Image.new("RGB", (16, 16)).save(tmp_path / "p.png")
    places = {"RULE": str(rule_file(tmp_path)), "PICTURE": str(tmp_path / "p.png")}
    out = tmp_path / name
    command = [*(places.get(word, word) for word in words), str(out)]
    out.write_bytes(b"mine")
    assert main(command) == 2
    complaint = f"{out} exists already; choose another name, or use --overwrite"
    assert complaint in capsys.readouterr().err
    assert out.read_bytes() == b"mine"
    assert main([*command, "--overwrite"]) == 0
    assert len(out.read_bytes()) > len(b"mine")


@pytest.mark.gl
@pytest.mark.parametrize("name", ["a.mp4", "a.gif", "frames"])
@pytest.mark.parametrize(
    "words", [["--input", "none.mp4"], ["--input", "broken"], ["--steps", "0"]]
)
def test_a_recording_that_cannot_begin_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], name: str
) -> None:
    if name == "a.mp4" or "none.mp4" in words:
        pytest.importorskip("imageio_ffmpeg")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "1.png").write_bytes(b"not an image")
    words = [words[0], str(tmp_path / words[1]) if words[0] == "--input" else words[1]]
    record = tmp_path / "out" / name
    record.parent.mkdir()
    rule = str(rule_file(tmp_path))
    assert main(["view", rule, "--headless", "--grid", "8", "--record", str(record), *words]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert list(record.parent.iterdir()) == []


def test_an_animation_that_is_interrupted_is_written_as_far_as_it_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: Any, **options: Any) -> Iterator[torch.Tensor]:
        states = simulate(*arguments, **options)
        for _ in range(3):
            yield next(states)
        raise Terminated(signal.SIGTERM)

    monkeypatch.setattr("nca.commands.render.simulate", interrupted)
    out = tmp_path / "a.webp"
    words = ["render", str(rule_file(tmp_path)), "--size", "16", "--steps", "9", "--every", "1"]
    assert main([*words, "--out", str(out)]) == 128 + signal.SIGTERM
    with Image.open(out) as image:
        assert len(ImageSequence.all_frames(image)) == 3


@pytest.mark.parametrize("signum", ENDING_SIGNALS)
def test_what_must_not_be_interrupted_is_done_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, signum: signal.Signals
) -> None:
    def write(*arguments: Any) -> None:
        os.kill(os.getpid(), signum)
        write_animation(*arguments)

    monkeypatch.setattr("nca.commands.render.write_animation", write)
    handlers = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGHUP)}
    out = tmp_path / "a.webp"
    words = ["render", str(rule_file(tmp_path)), "--size", "16", "--steps", "4", "--every", "2"]
    try:
        assert main([*words, "--out", str(out)]) == 128 + signum
    finally:
        for each, handler in handlers.items():
            signal.signal(each, handler)
    with Image.open(out) as image:
        assert len(ImageSequence.all_frames(image)) == 3


def test_a_block_that_is_not_interrupted_ends_as_it_would() -> None:
    with pytest.raises(ZeroDivisionError), uninterrupted():
        raise ZeroDivisionError
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize(("fps", "milliseconds"), [(20, 50), (60, 20), (100, 20)])
def test_a_gif_has_frames_that_browsers_show_as_long_as_they_last(
    tmp_path: Path, fps: float, milliseconds: int
) -> None:
    frames = [Image.new("RGB", (8, 8), (value, 0, 0)) for value in (0, 120, 240)]
    write_animation(tmp_path / "a.gif", frames, fps)
    with Image.open(tmp_path / "a.gif") as image:
        assert image.info["duration"] == milliseconds


def test_an_average_is_that_of_the_steps_before(tmp_path: Path) -> None:
    path, out = rule_file(tmp_path), tmp_path / "a.png"
    words = ["render", str(path), "--size", "16", "--out", str(out), "--overwrite"]
    assert main([*words, "--steps", "12", "--average-steps", "4"]) == 0
    rule = load_rule(path).rule
    states = simulate(rule, rule.initial_state(1, 16, 16), range(13))
    *_, expected = averages((rule.to_rgb(state)[0] for state in states), 4)
    picture = to_tensor(Image.open(out))
    assert (picture - expected).abs().max() <= 0.51 / 255
    assert main([*words, "--steps", "12"]) == 0
    assert (to_tensor(Image.open(out)) - picture).abs().max() > 2 / 255


def test_averages_are_as_smooth_as_the_mean_of_so_many_steps() -> None:
    noise = 0.5 + 0.1 * torch.randn(400, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    late = torch.stack(list(averages(noise, 8))[50:])
    assert float(late.var() / noise.var()) == pytest.approx(1 / 8, rel=0.1)


@pytest.mark.parametrize("own", [False, True])
def test_a_calm_picture_is_that_of_a_calm_run(tmp_path: Path, own: bool) -> None:
    path = rule_file(tmp_path, calm=own)
    rule = load_rule(path).rule
    for calm, runs_calm in (("auto", own), ("on", True), ("off", False)):
        out = tmp_path / f"{calm}.png"
        words = ["render", str(path), "--size", "16", "--steps", "310", "--out", str(out)]
        assert main([*words, "--calm", calm]) == 0
        (state,) = simulate(rule, rule.initial_state(1, 16, 16), [310], calm=runs_calm)
        expected = rule.to_rgb(state)[0].clamp(0, 1)
        assert (to_tensor(Image.open(out)) - expected).abs().max() <= 0.51 / 255


def test_frames_can_be_piped_to_ffmpeg(tmp_path: Path) -> None:
    ffmpeg = pytest.importorskip("imageio_ffmpeg").get_ffmpeg_exe()
    rule = str(rule_file(tmp_path))
    words = ["render", rule, "--size", "17x12", "--steps", "4", "--every", "2"]
    assert main([*words, "--out", str(tmp_path / "a.png")]) == 0
    with Image.open(tmp_path / "a.png") as image:
        expected = torch.stack([to_tensor(frame) for frame in ImageSequence.all_frames(image)])

    command = [sys.executable, "-m", "nca", *words, "--out", "-"]
    to_rgb = [ffmpeg, "-v", "error", "-i", "-", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    piped = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    raw = subprocess.run(to_rgb, input=piped, stdout=subprocess.PIPE, check=True).stdout
    frames = torch.frombuffer(bytearray(raw), dtype=torch.uint8).view(3, 12, 17, 3)
    assert (frames.permute(0, 3, 1, 2) / 255 - expected).abs().max() < 3 / 255


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (
            ["--loop", "8", "--out", "a.jpg"],
            "a.jpg: the file name of an animation must end in",
        ),
        (["--loop", "1", "--out", "a.gif"], "--loop 1: must be"),
        (["--loop", "8", "--average-steps", "4", "--out", "a.gif"], "exclude each other"),
        (["--loop", "8", "--engine", "gl", "--out", "a.gif"], "--engine gl"),
    ],
)
def test_a_wrong_loop_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], complaint: str
) -> None:
    assert main(["render", str(rule_file(tmp_path)), *words]) == 2
    error = capsys.readouterr().err
    assert complaint in error
    assert error.count("\n") == 1


def test_a_loop_has_as_many_frames_as_asked_for(tmp_path: Path) -> None:
    out = tmp_path / "a.webp"
    rule = str(gallery_path("lava"))  # equal frames would be merged
    words = ["render", rule, "--size", "16", "--steps", "50", "--loop", "6", "--every", "2"]
    assert main([*words, "--out", str(out)]) == 0
    with Image.open(out) as image:
        assert len(ImageSequence.all_frames(image)) == 6


def test_a_grown_figure_keeps_its_transparency(tmp_path: Path) -> None:
    rule = bounded_rule(RuleSettings(6, 16, alive_threshold=0.1, start="center", padding="zeros"))
    save_rule(tmp_path / "r.safetensors", rule)
    words = ["render", str(tmp_path / "r.safetensors"), "--size", "20", "--steps", "6"]
    for name, more in (("a.png", ["--transparent"]), ("b.png", [])):
        assert main([*words, *more, "--out", str(tmp_path / name)]) == 0
    with Image.open(tmp_path / "a.png") as image, Image.open(tmp_path / "b.png") as shown:
        assert image.mode == "RGBA"
        alpha = np.asarray(image)[..., 3:] / 255
        assert (alpha[0, 0], alpha.max() > 0.2) == (0, True)
        background = rule.settings.rgb_offset
        over = alpha * np.asarray(image)[..., :3] / 255 + (1 - alpha) * background
        inside = (np.asarray(image)[..., :3] > 0).all(2) & (np.asarray(image)[..., :3] < 255).all(2)
        assert np.abs(over - np.asarray(shown) / 255)[inside].max() < 2 / 255
    assert main([*words, "--every", "3", "--transparent", "--out", str(tmp_path / "c.webp")]) == 0
    with Image.open(tmp_path / "c.webp") as film:
        assert film.convert("RGBA").getpixel((0, 0))[3] == 0


def test_larger_cells_can_be_sharp_and_still_tile(tmp_path: Path) -> None:
    words = ["render", str(gallery_path("lava")), "--size", "24x20", "--steps", "30"]
    for name, more in (("a.png", []), ("b.png", ["--scale", "3", "--scaling", "sharp"])):
        assert main([*words, *more, "--out", str(tmp_path / name)]) == 0
    with Image.open(tmp_path / "a.png") as cells, Image.open(tmp_path / "b.png") as large:
        tiles = Image.new("RGB", (3 * cells.width, 3 * cells.height))
        for x in range(3):
            for y in range(3):
                tiles.paste(cells, (x * cells.width, y * cells.height))
        expected = tiles.resize((3 * tiles.width, 3 * tiles.height), Image.Resampling.BICUBIC)
        middle = np.asarray(expected, int)[large.height : 2 * large.height, large.width :]
        difference = np.abs(middle[:, : large.width] - np.asarray(large, int))
        assert np.quantile(difference, 0.99) <= 2  # Pillow clips rows before it adds columns


def png16_levels(path: Path) -> npt.NDArray[np.int64]:
    """Levels of a 16-bit RGB file, [H, W, 3]; Pillow reads only their upper bytes."""
    data = path.read_bytes()
    assert struct.unpack(">BB", data[24:26]) == (16, 2)
    width, height = struct.unpack(">II", data[16:24])
    start = data.index(b"IDAT") + 4
    rows = np.frombuffer(zlib.decompress(data[start:]), np.uint8).reshape(height, -1)
    assert rows[:, 0].tolist() == [0] + [2] * (height - 1)  # each row is added to the one above
    levels = np.cumsum(rows[:, 1:], 0, dtype=np.uint8)
    return levels.reshape(height, width, 3, 2) @ np.array([256, 1])


def test_a_decoder_draws_each_cell_at_the_scale_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    decoder = DecoderSettings(scale=4)
    rule = with_random_decoder(RuleSettings(8, 16, start="noise", noise_level=1, decoder=decoder))
    path, out = tmp_path / "a.safetensors", tmp_path / "a.png"
    save_rule(path, rule)
    command = ["render", str(path), "--size", "20x16", "--steps", "9", "--overwrite", "--out"]
    state = rule(rule.initial_state(1, 16, 20), 9)
    for words, scale in (([], 4), (["--scale", "7"], 7), (["--scale", "2", "--bits", "16"], 2)):
        assert main([*command, str(out), *words]) == 0
        expected = rule.to_image(state, scale=scale)[0].clamp(0, 1)
        with Image.open(out) as picture:
            assert picture.size == (20 * scale, 16 * scale)
            if "16" not in words:
                assert (to_tensor(picture) - expected).abs().max() < 0.6 / 255
    assert main(["info", str(path)]) == 0
    said = "decoder: 4 pixels per cell, 32 hidden, relu, order 0: 387 weights"
    assert said in capsys.readouterr().out
    assert main(["play", str(path), str(out), "--out", str(tmp_path / "b.png")]) == 2
    said = "a.safetensors: a decoder draws its pictures, and nca play does not support decoders yet"
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["--every", "2"], ["--loop", "3"]])
def test_pictures_keep_nothing_for_gradients(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    drawn: list[bool] = []
    colors = Rule.to_image

    def watched(*arguments: Any, **named: Any) -> Tensor:
        picture = colors(*arguments, **named)
        drawn.append(picture.requires_grad)
        return picture

    monkeypatch.setattr(Rule, "to_image", watched)
    path = tmp_path / "a.safetensors"
    save_rule(path, with_random_decoder(RuleSettings(8, 16, decoder=DecoderSettings(4))))
    command = ["render", str(path), "--size", "16", "--steps", "4", *words]
    assert main([*command, "--out", str(tmp_path / "a.webp")]) == 0
    assert drawn
    assert not any(drawn)


def test_sixteen_bits_hold_more_than_eight(tmp_path: Path) -> None:
    words = ["render", str(gallery_path("lava")), "--size", "24x20", "--steps", "30"]
    for name, more in (("a.png", ["--bits", "16", "--scale", "2"]), ("b.png", ["--scale", "2"])):
        assert main([*words, *more, "--out", str(tmp_path / name)]) == 0
    deep = png16_levels(tmp_path / "a.png")
    with Image.open(tmp_path / "b.png") as image:
        flat = np.asarray(image)
    assert deep.shape == (40, 48, 3)
    assert np.abs(deep / 257 - flat).max() < 0.51
    assert len(np.unique(deep)) > 400


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--bits", "16", "--out", "a.jpg"], "--bits 16: a.jpg must end in .png"),
        (["--bits", "16", "--every", "2", "--out", "a.png"], "--bits and --every exclude each"),
        (["--transparent", "--out", "a.png"], "this rule is a texture, without a background"),
        (
            ["--transparent", "--out", "a.gif"],
            "--transparent: a.gif must end in .png, .apng, .webp",
        ),
    ],
)
def test_wrong_formats_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], complaint: str
) -> None:
    assert main(["render", str(rule_file(tmp_path)), *words]) == 2
    assert complaint in capsys.readouterr().err
