"""Recordings are read back by other programs."""

import threading

import numpy as np
import pytest
from PIL import Image

from nca.errors import InputError
from nca.viewer import recording
from nca.viewer.recording import Grabber, Recorder
from nca.viewer.video_input import open_source

SIZE = (34, 18)


def frame(value: int) -> bytes:
    """Lowest row first: the top half has the value, the lower half is black."""
    pixels = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    pixels[SIZE[1] // 2 :] = value
    return pixels.tobytes()


def record(path, values, fps=20.0) -> None:
    with Recorder(path, SIZE, fps) as recorder:
        for value in values:
            recorder.add(frame(value), wait=True)


def test_a_folder_of_pictures(tmp_path):
    record(tmp_path / "frames", [10, 20, 30])
    paths = sorted((tmp_path / "frames").iterdir())
    assert [path.name for path in paths] == ["000000.png", "000001.png", "000002.png"]
    picture = np.asarray(Image.open(paths[1]))
    assert picture.shape == (18, 34, 3)
    assert (picture[0] == 20).all()
    assert (picture[-1] == 0).all()


def test_an_animation(tmp_path):
    record(tmp_path / "a.webp", [10, 120, 230])
    with Image.open(tmp_path / "a.webp") as image:
        assert image.n_frames == 3
        assert image.size == SIZE


def test_a_video(tmp_path):
    pytest.importorskip("imageio_ffmpeg")
    record(tmp_path / "a.mp4", [20 * i for i in range(12)])
    source = open_source(str(tmp_path / "a.mp4"), SIZE)
    frames = [np.asarray(picture) for picture in source.frames()]
    assert source.fps == 20
    assert len(frames) == 12
    for i, picture in enumerate(frames):
        assert abs(int(picture[3, 17, 0]) - 20 * i) <= 6
        assert picture[-3].max() <= 8
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"], "nothing is left over"


def test_bad_places_are_told_before_work_starts(tmp_path):
    (tmp_path / "there.mp4").write_bytes(b"")
    for name, text in (
        ("there.mp4", "is there already"),
        ("none/a.mp4", "there is no folder"),
        ("a.txt", "a recording ends in .mp4"),
    ):
        with pytest.raises(InputError, match=text):
            Recorder(tmp_path / name, SIZE, 20.0)


def test_without_the_extra_it_says_what_to_install(tmp_path, monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(recording.importlib, "import_module", missing)
    with pytest.raises(InputError, match=r'pip install "nca-studio\[video\]"'):
        Recorder(tmp_path / "a.mp4", SIZE, 20.0)


def test_drawing_never_waits_for_a_slow_disk(tmp_path, monkeypatch):
    gate = threading.Event()
    monkeypatch.setattr(recording, "write_image", lambda *_: gate.wait(10))
    recorder = Recorder(tmp_path / "frames", SIZE, 20.0)
    for _ in range(recording.WAITING_FRAMES + 5):
        recorder.add(frame(1))
    assert recorder.dropped >= 4
    gate.set()
    recorder.close()


def test_a_failing_disk_is_told_once_and_ends_well(tmp_path, monkeypatch):
    def full(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(recording, "write_image", full)
    recorder = Recorder(tmp_path / "frames", SIZE, 20.0)
    recorder.add(frame(1), wait=True)
    with pytest.raises(InputError, match="has failed: no space left on device"):
        recorder.close()


@pytest.mark.gl
def test_the_grabber_gives_every_frame_one_call_late(gl):
    grabber = Grabber(gl, (8, 4))
    seen = []
    for value in (0.2, 0.4, 0.6):
        grabber.target.clear(value, 0, 0)
        seen.append(grabber.grab())
    seen.append(grabber.last())
    assert seen[0] is None
    assert [pixels[0] for pixels in seen[1:]] == [51, 102, 153]
    grabber.release()
