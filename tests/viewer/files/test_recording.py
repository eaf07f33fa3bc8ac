"""Recordings, read by other programs."""

import importlib
import resource
import signal
import tempfile
import threading

import numpy as np
import pytest
from PIL import Image, ImageSequence

from nca.errors import InputError
from nca.viewer.files import recording, writers
from nca.viewer.files.recording import Grabber, Recorder
from nca.viewer.files.video_input import open_source
from nca.viewer.files.writers import VIDEOS
from tests.helpers.waiting import PATIENCE

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


def test_a_signal_does_not_interrupt_the_queue(tmp_path, monkeypatch):
    """It could leave the lock of the queue taken, and both threads would wait for each other."""
    with Recorder(tmp_path / "frames", SIZE, 20.0) as recorder:
        append = recorder._frames._put

        def interrupted(item):
            monkeypatch.undo()
            signal.raise_signal(signal.SIGINT)
            append(item)

        monkeypatch.setattr(recorder._frames, "_put", interrupted)
        with pytest.raises(KeyboardInterrupt):
            recorder.add(frame(10))
        recorder.add(frame(20))
    assert recorder.frames == 2


def test_an_animation(tmp_path):
    record(tmp_path / "a.webp", [10, 120, 230])
    with Image.open(tmp_path / "a.webp") as image:
        assert len(ImageSequence.all_frames(image)) == 3
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


def test_bad_places_are_reported_before_work_starts(tmp_path):
    (tmp_path / "there.mp4").write_bytes(b"")
    for name, text in (
        ("there.mp4", "exists already"),
        ("none/a.mp4", "there is no folder"),
        ("a.txt", "a recording must end in .mp4"),
    ):
        with pytest.raises(InputError, match=text):
            Recorder(tmp_path / name, SIZE, 20.0)


def test_without_the_extra_it_says_what_to_install(tmp_path, monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(InputError, match=r"pip install 'nca-studio\[video\]'"):
        Recorder(tmp_path / "a.mp4", SIZE, 20.0)


def test_drawing_never_waits_for_a_slow_disk(tmp_path, monkeypatch):
    gate = threading.Event()
    monkeypatch.setattr(writers, "write_image", lambda *_: gate.wait(PATIENCE))
    recorder = Recorder(tmp_path / "frames", SIZE, 20.0)
    for _ in range(recording.WAITING_FRAMES + 5):
        recorder.add(frame(1))
    assert recorder.dropped >= 4
    gate.set()
    recorder.close()


def test_a_failing_disk_is_reported_once_and_ends_well(tmp_path, monkeypatch):
    def full(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(writers, "write_image", full)
    recorder = Recorder(tmp_path / "frames", SIZE, 20.0)
    recorder.add(frame(1), wait=True)
    with pytest.raises(OSError, match="has failed: no space left on device"):
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


@pytest.fixture
def full_disk():
    """Let no file, of this process or its children, grow beyond so many bytes."""
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, limit[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, limit)


def record_noise(path) -> None:
    with Recorder(path, (128, 96), 30.0) as recorder:
        for pixels in NOISE:
            recorder.add(pixels.tobytes(), wait=True)


NOISE = np.random.default_rng(0).integers(0, 255, (300, 96, 128, 3), np.uint8)


@pytest.mark.parametrize("suffix", VIDEOS)
def test_a_video_on_a_full_disk_keeps_its_beginning(tmp_path, full_disk, suffix):
    pytest.importorskip("imageio_ffmpeg")
    path = tmp_path / f"a{suffix}"
    full_disk(300_000)
    with pytest.raises(OSError, match=rf"a\{suffix} has failed: .*; the part written") as caught:
        record_noise(path)
    assert "\n" not in str(caught.value)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    first = next(iter(open_source(str(path), (128, 96)).frames()))
    assert np.asarray(first).std() > 20


@pytest.mark.parametrize("name", ["a.mp4", "a.webp", "frames"])
def test_a_disk_that_is_full_before_the_first_frame_is_left_as_it_was(
    tmp_path, full_disk, monkeypatch, name
):
    if name == "a.mp4":
        pytest.importorskip("imageio_ffmpeg")
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    full_disk(0)
    recorder = Recorder(tmp_path / name, (128, 96), 30.0)
    recorder.add(NOISE[0].tobytes(), wait=True)
    with pytest.raises(OSError, match=f"recording {tmp_path / name} has failed: "):
        recorder.close()
    assert [path.name for path in tmp_path.rglob("*")] == ["temporary"]


def test_an_animation_that_its_folder_does_not_take_is_kept_elsewhere(tmp_path, monkeypatch):
    for name in ("place", "temporary"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    recorder = Recorder(tmp_path / "place" / "a.webp", SIZE, 20.0)
    for value in (10, 120):
        recorder.add(frame(value), wait=True)
    (tmp_path / "place").rmdir()
    with pytest.raises(OSError, match="it is kept as") as caught:
        recorder.close()
    with Image.open(str(caught.value).rpartition("it is kept as ")[2]) as image:
        assert len(ImageSequence.all_frames(image)) == 2


def test_an_animation_that_becomes_too_long_is_kept_as_far_as_it_goes(tmp_path, monkeypatch):
    monkeypatch.setattr(writers, "MAX_ANIMATION_FRAMES", 2)
    recorder = Recorder(tmp_path / "a.webp", SIZE, 20.0)
    for value in (10, 120, 230):
        recorder.add(frame(value), wait=True)
    with pytest.raises(OSError, match=r"at most 2 frames; record \.mp4 or a folder; the part"):
        recorder.close()
    with Image.open(tmp_path / "a.webp") as image:
        assert len(ImageSequence.all_frames(image)) == 2


@pytest.mark.parametrize("name", ["a.mp4", "a.webm", "a.gif", "frames"])
def test_of_no_frame_nothing_is_left(tmp_path, name):
    if name in ("a.mp4", "a.webm"):
        pytest.importorskip("imageio_ffmpeg")
    record(tmp_path / name, [])
    assert list(tmp_path.iterdir()) == []
