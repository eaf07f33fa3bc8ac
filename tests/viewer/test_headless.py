"""The viewer without a window."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nca.cli import main
from nca.images import read_image, to_tensor
from nca.rulefile import load_rule
from nca.viewer.files.state_file import load_state
from nca.viewer.files.video_input import open_source
from tests.helpers.players import rule_file
from tests.helpers.waiting import ENDING_SIGNALS, PATIENCE, wait_for

pytestmark = pytest.mark.gl

ROOT = Path(__file__).parents[2]


def view(*words) -> int:
    return main(["view", "--headless", "--grid", "32x24", *map(str, words)])


def test_picture_state_and_figures_are_those_of_torch(tmp_path, capsys):
    path = rule_file(tmp_path)
    picture, state = tmp_path / "a.png", tmp_path / "a.npz"
    assert view(path, "--steps", 12, "--seed", 5, "--screenshot", picture, "--state-out", state,
                "--stats", "json") == 0  # fmt: skip
    rule = load_rule(path).rule
    expected = rule(rule.initial_state(1, 24, 32, seed=5), 12, seed=5)
    assert (load_state(state).state - expected[0]).abs().max() < 1e-5
    assert (
        to_tensor(read_image(picture)) - rule.to_rgb(expected)[0].clamp(0, 1)
    ).abs().max() < 0.01
    facts = json.loads(capsys.readouterr().out)
    assert facts["steps"] == 12
    assert facts["finite"] is True
    assert facts["lowest"] == pytest.approx(float(expected.min()), abs=1e-5)
    assert facts["precision"] == "float32"
    more = tmp_path / "b.npz"
    assert view(path, "--steps", 3, "--state", state, "--state-out", more) == 0
    assert (load_state(more).state - rule(expected, 3, seed=5, first_step=12)[0]).abs().max() < 1e-5


def test_a_recording_has_a_frame_every_so_many_steps(tmp_path):
    path = rule_file(tmp_path)
    frames = tmp_path / "frames"
    assert view(path, "--steps", 6, "--every", 2, "--scale", 2, "--record", frames) == 0
    pictures = [read_image(one) for one in sorted(frames.iterdir())]
    assert [picture.size for picture in pictures] == [(64, 48)] * 3
    alone = tmp_path / "alone.png"
    assert view(path, "--steps", 4, "--scale", 2, "--screenshot", alone) == 0
    assert np.array_equal(np.asarray(pictures[1]), np.asarray(read_image(alone)))


def test_a_video_goes_in_and_a_video_comes_out(tmp_path):
    pytest.importorskip("imageio_ffmpeg")
    folder = tmp_path / "in"
    folder.mkdir()
    for i in range(6):
        picture = Image.new("RGB", (64, 48), (10, 10, 10))
        picture.paste((240, 240, 240), (8 * i, 0, 8 * i + 16, 48))
        picture.save(folder / f"{i}.png")
    still = rule_file(tmp_path, update_rate=0.001)
    film, result = tmp_path / "film.mp4", tmp_path / "result.mp4"
    words = ("--fps", 10, "--input-strength", 1.0)
    assert view(still, "--input", folder, "--record", film, *words) == 0
    assert view(still, "--input", film, "--record", result, *words) == 0
    frames = [np.asarray(frame, dtype=int) for frame in open_source(str(result), (32, 24)).frames()]
    assert len(frames) == 6
    for i, frame in enumerate(frames):
        bright = frame[..., 1].mean(0)
        assert bright[4 * i + 2 : 4 * i + 6].mean() > 180
        assert np.delete(bright, range(max(4 * i - 2, 0), 4 * i + 10)).mean() < 60


def test_a_weak_input_only_nudges(tmp_path):
    Image.new("RGB", (32, 24), (255, 255, 255)).save(tmp_path / "white.png")
    folder = tmp_path / "in"
    folder.mkdir()
    (tmp_path / "white.png").replace(folder / "white.png")
    path, out = rule_file(tmp_path, start="zeros"), tmp_path / "a.npz"
    assert (
        view(path, "--steps", 1, "--input", folder, "--input-strength", 0.1, "--state-out", out)
        == 0
    )
    rule = load_rule(path).rule
    state = torch.zeros(1, 8, 24, 32)
    state[:, :3] = 0.1 * 0.5
    assert (load_state(out).state - rule(state, 1, seed=0)[0]).abs().max() < 1e-5


@pytest.mark.parametrize("signum", ENDING_SIGNALS)
def test_a_signal_ends_it_after_the_recording_is_finished(tmp_path, signum):
    pytest.importorskip("imageio_ffmpeg")
    record = tmp_path / "a.mp4"
    words = ["view", rule_file(tmp_path), "--headless", "--grid", "32x24", "--steps", 10**9]
    process = subprocess.Popen(
        [sys.executable, "-m", "nca", *map(str, [*words, "--record", record])],
        cwd=ROOT, stderr=subprocess.PIPE, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    part = f".recording-*/{record.name}"
    wait_for(lambda: any(path.stat().st_size > 10_000 for path in tmp_path.glob(part)), "a second")
    process.send_signal(signum)
    _, complaint = process.communicate(timeout=PATIENCE)
    assert process.returncode == 128 + signum
    assert complaint.count(b"\n") == 1
    assert not list(tmp_path.glob(".recording-*"))
    assert len(list(open_source(str(record), (32, 24)).frames())) > 10


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--record", "a.txt"], "a recording must end in .mp4"),
        (["--view", "channel 9"], "--view channel 9"),
        (["--state", "none.npz"], "cannot read none.npz"),
        (["--input", "none.mp4"], "--input none.mp4: no such file"),
    ],
)
def test_wrong_use_is_reported_in_a_line(tmp_path, monkeypatch, capsys, words, said):
    monkeypatch.chdir(tmp_path)
    assert view(rule_file(tmp_path), "--steps", "1", *words) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_a_material_is_saved_as_its_color_unless_another_view_is_asked_for(tmp_path):
    path = rule_file(tmp_path, maps=("color", "roughness"))
    pictures = {}
    for name in ("auto", "colors", "lit", "roughness"):
        picture = tmp_path / f"{name}.png"
        assert view(path, "--steps", 3, "--view", name, "--screenshot", picture) == 0
        pictures[name] = picture.read_bytes()
    assert pictures["auto"] == pictures["colors"]
    assert len(set(pictures.values())) == 3
