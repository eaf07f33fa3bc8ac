"""Moving pictures as input."""

import wave

import numpy as np
import pytest
from PIL import Image

from nca.errors import InputError
from nca.viewer.files.recording import Recorder
from nca.viewer.files.video_input import LiveInput, open_source
from tests.helpers.waiting import PATIENCE, wait_for


def make_folder(path, values, size=(48, 16)):
    path.mkdir()
    for i, value in enumerate(values):
        picture = Image.new("RGB", size, (value, 0, 0))
        picture.paste((0, 0, 255), (0, 0, size[0] // 8, size[1]))  # cropped away
        picture.save(path / f"{i:03}.png")
    return path


def test_a_folder_gives_its_pictures_in_order_cropped(tmp_path):
    source = open_source(str(make_folder(tmp_path / "a", [50, 100, 150])), (16, 16))
    for _ in range(2):  # each time from the start
        frames = list(source.frames())
        assert [frame.getpixel((8, 8))[0] for frame in frames] == [50, 100, 150]
        assert all(frame.size == (16, 16) for frame in frames)
        assert frames[0].getpixel((0, 8))[2] == 0


def test_names_with_numbers_come_as_people_count(tmp_path):
    values = {"1": 10, "2": 20, "10": 30, "11 b": 40, "11 a": 50, "a": 60}
    for name, value in values.items():
        Image.new("RGB", (16, 16), (value, 0, 0)).save(tmp_path / f"{name}.png")
    frames = open_source(str(tmp_path), (16, 16)).frames()
    assert [frame.getpixel((8, 8))[0] for frame in frames] == [10, 20, 30, 50, 40, 60]


def test_a_video_gives_its_frames_cropped(tmp_path):
    pytest.importorskip("imageio_ffmpeg")
    with Recorder(tmp_path / "a.mp4", (64, 32), 10.0) as recorder:
        for value in (40, 120, 200):
            recorder.add(np.full((32, 64, 3), value, np.uint8).tobytes(), wait=True)
    source = open_source(str(tmp_path / "a.mp4"), (20, 20))
    frames = list(source.frames())
    assert source.fps == 10
    assert [frame.size for frame in frames] == [(20, 20)] * 3
    for frame, value in zip(frames, (40, 120, 200), strict=True):
        assert abs(frame.getpixel((10, 10))[0] - value) <= 6


def test_what_cannot_be_read_is_reported(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no images"):
        open_source(str(tmp_path / "empty"), (16, 16))
    with pytest.raises(InputError, match="no such file"):
        open_source(str(tmp_path / "none.mp4"), (16, 16))
    pytest.importorskip("imageio_ffmpeg")
    (tmp_path / "text.mp4").write_text("not a video")
    with pytest.raises(InputError, match=r"cannot read .*text\.mp4 as a video"):
        open_source(str(tmp_path / "text.mp4"), (16, 16))
    with wave.open(str(tmp_path / "sound.wav"), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(8000))
    with pytest.raises(InputError, match=r"cannot read .*sound\.wav as a video \(it holds sound"):
        open_source(str(tmp_path / "sound.wav"), (16, 16))
    with pytest.raises(InputError, match="cannot read /dev/video63"):
        open_source("camera:63", (16, 16))


def test_a_live_input_plays_over_and_over_and_stops(tmp_path):
    source = open_source(str(make_folder(tmp_path / "a", [50, 100])), (16, 16))
    source.fps = 500.0
    live = LiveInput(source)
    seen = set()

    def both():
        frame = live.newest()
        if frame is not None:
            seen.add(frame.getpixel((8, 8))[0])
        return seen == {50, 100}

    wait_for(both, "both pictures")
    live.close()
    wait_for(lambda: not live._thread.is_alive(), "the end of its thread")


def test_trouble_on_the_way_is_kept_for_the_person(tmp_path):
    folder = make_folder(tmp_path / "a", [50, 100])
    source = open_source(str(folder), (16, 16))
    (folder / "001.png").write_bytes(b"broken")
    source.fps = 500.0
    live = LiveInput(source)
    live._thread.join(PATIENCE)
    assert "001.png" in live.trouble


def test_whatever_a_decoder_raises_ends_the_input_alone(tmp_path, monkeypatch):
    source = open_source(str(make_folder(tmp_path / "a", [50])), (16, 16))
    monkeypatch.setattr("nca.viewer.files.video_input.read_image", lambda _: {}["mode"])
    live = LiveInput(source)
    live._thread.join(PATIENCE)
    assert live.trouble == "KeyError: 'mode'"
