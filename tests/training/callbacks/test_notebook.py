"""A training below the cell of a notebook."""

from pathlib import Path

import pytest
from PIL import Image

from nca.training.callbacks import NotebookPicture, Progress
from nca.training.learner import Learner
from tests.helpers.notebook.fake import ZMQInteractiveShell, pretend
from tests.helpers.training_jobs import image_job


def red(_: Learner) -> Image.Image:
    return Image.new("RGB", (8, 8), "red")


def test_one_picture_is_drawn_again_and_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    displays = pretend(monkeypatch, ZMQInteractiveShell())
    image_job(tmp_path, [NotebookPicture(red, every_seconds=0.0)]).fit()
    (display,) = displays
    words = [shown["text/plain"] for shown in display.shown]
    assert words == [f"iteration {i}" for i in (1, 2, 3, 4, 5, 5)]
    assert display.options["metadata"] == {"image/png": {"width": 320}}


def test_a_picture_is_drawn_when_it_is_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    displays = pretend(monkeypatch, ZMQInteractiveShell())
    image_job(tmp_path, [NotebookPicture(red, every_seconds=1e6)]).fit()
    assert len(displays[0].shown) == 2


def test_a_fit_with_nothing_left_shows_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    displays = pretend(monkeypatch, ZMQInteractiveShell())
    image_job(tmp_path, [NotebookPicture(red)]).fit(iterations=0)
    assert displays == []


def test_elsewhere_there_is_no_picture(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    displays = pretend(monkeypatch, None)
    image_job(tmp_path, [NotebookPicture(red)]).fit()
    assert displays == []


def test_the_bar_of_a_notebook_leaves_a_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("ipywidgets")
    displays = pretend(monkeypatch, ZMQInteractiveShell())
    image_job(tmp_path, [Progress()]).fit()
    (display,) = displays
    bar, line = display.shown
    assert type(bar).__name__ == "TqdmHBox"
    assert line["text/plain"].startswith("training 100%")
    assert "iteration 5" in line["text/plain"]
    assert capsys.readouterr() == ("", "")


def test_without_widgets_the_bar_is_one_line_of_text(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    displays = pretend(monkeypatch, ZMQInteractiveShell())
    monkeypatch.setattr("nca.training.callbacks.progress.has_widgets", lambda: False)
    image_job(tmp_path, [Progress()]).fit()
    assert displays == []
    assert capsys.readouterr().err.count("\n") == 1


def test_quiet_means_lines_in_a_notebook_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    displays = pretend(monkeypatch, ZMQInteractiveShell())
    image_job(tmp_path, [Progress(quiet=True)]).fit()
    assert displays == []
    assert capsys.readouterr().err.count("\n") == 5
