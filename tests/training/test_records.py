"""The callbacks that write: metrics, plot, boards, images, progress."""

import csv
import io
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image, ImageSequence
from torch import Tensor, nn

from nca.images import to_image
from nca.training.callback import Callback
from nca.training.callbacks import (
    Metrics,
    Plot,
    Progress,
    Snapshots,
    TensorBoard,
    WandB,
)
from nca.training.callbacks.progress import RateMeter, clock
from nca.training.engines import Engine
from nca.training.learner import Learner
from nca.training.movie import evenly, write_movie
from nca.training.objective import Objective
from tests.helpers.training_jobs import JOBS, StopAt, image_job, unet_job


class Count(Objective):
    """Known losses: the iteration, by term and by layer."""

    def predict(self, model: nn.Module, batch: Any) -> Tensor:
        return model.weight * batch

    def losses(self, prediction: Tensor, batch: Any) -> dict[str, Tensor]:
        value = prediction - prediction.detach() + batch
        return {"style/a": value, "style/b": 2 * value, "content": 3 * value}


def make(*callbacks: Callback, count: int = 7) -> Learner:
    model = nn.Module()
    model.weight = nn.Parameter(torch.zeros(()))
    batches = [torch.tensor(float(i)) for i in range(1, count + 1)]
    optimizer = torch.optim.SGD(model.parameters(), 0.25)
    return Learner(model, batches, Count(), optimizer, callbacks=callbacks)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_curves_are_the_rows_of_the_training_by_term() -> None:
    metrics = Metrics(every=3)
    learner = make(metrics)
    learner.valid_batches = [torch.tensor(100.0)]
    learner.fit(1)
    assert metrics.curves() == {
        "loss": [12.0, 30.0, 42.0],
        "style/a": [2.0, 5.0, 7.0],
        "style/b": [4.0, 10.0, 14.0],
        "content": [6.0, 15.0, 21.0],
    }


def test_metrics_are_means_by_term_and_layer(tmp_path: Path) -> None:
    make(Metrics(tmp_path, every=3)).fit(1)
    rows = lines(tmp_path / "metrics.jsonl")
    assert [row["iteration"] for row in rows] == [3, 6, 7]
    assert [row["style/a"] for row in rows] == [2.0, 5.0, 7.0]
    assert [row["style/b"] for row in rows] == [4.0, 10.0, 14.0]
    assert [row["loss"] for row in rows] == [12.0, 30.0, 42.0]
    assert rows[0]["rate"] == 0.25
    with (tmp_path / "metrics.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [float(row["content"]) for row in table] == [6.0, 15.0, 21.0]
    assert list(table[0]) == list(rows[0])


def test_metrics_look_at_the_device_once_an_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []
    whole = torch.Tensor.tolist
    monkeypatch.setattr(Tensor, "tolist", lambda self: (looks.append(1), whole(self))[1])

    def never(self: Tensor) -> float:
        raise AssertionError("a look at the device")

    for name in ("item", "__float__", "__bool__", "cpu", "numpy"):
        monkeypatch.setattr(Tensor, name, never)
    make(Metrics(every=3)).fit(1)
    assert len(looks) == 3


def test_no_number_is_null_in_json(tmp_path: Path) -> None:
    learner = make(Metrics(tmp_path, every=1), count=1)
    learner.batches.source[0] = torch.tensor(math.nan)
    learner.fit(1)
    assert lines(tmp_path / "metrics.jsonl")[0]["loss"] is None


def test_rows_beyond_a_checkpoint_are_cut_on_resume(tmp_path: Path) -> None:
    first = unet_job(tmp_path, [Metrics(tmp_path, every=1), StopAt(6)])
    first.fit(iterations=9)
    state = first.state_dict()
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"iteration": 7, "los')  # killed while writing
    again = unet_job(tmp_path, [Metrics(tmp_path, every=1)])
    again.load_state_dict(state)
    again.fit(iterations=9)
    rows = [row for row in lines(tmp_path / "metrics.jsonl") if "loss" in row]
    assert [row["iteration"] for row in rows] == list(range(1, 10))


def test_validation_has_rows_of_its_own(tmp_path: Path) -> None:
    metrics = Metrics(tmp_path, every=5)
    unet_job(tmp_path, [metrics]).fit(2)
    kinds = [("valid/loss" in row, row["iteration"]) for row in lines(tmp_path / "metrics.jsonl")]
    assert kinds == [(False, 5), (True, 5), (False, 10), (True, 10)]


def test_the_plot_shows_what_was_lost(tmp_path: Path) -> None:
    metrics = Metrics(every=1)
    make(metrics, Plot(metrics, tmp_path / "loss.png", "a title")).fit(1)
    with Image.open(tmp_path / "loss.png") as plot:
        assert plot.size == (1080, 600)
        assert len(plot.convert("RGB").getcolors(10**6)) > 50


def test_tensorboard_has_the_rows(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import (  # noqa: PLC0415
        EventAccumulator,
    )

    metrics = Metrics(every=2)
    learner = make(metrics, TensorBoard(metrics, tmp_path))
    learner.fit(1)
    events = EventAccumulator(str(tmp_path)).Reload()
    assert {"loss", "style/a", "style/b", "content", "rate"} <= set(events.Tags()["scalars"])
    output = {event.step: event.value for event in events.Scalars("loss")}
    assert output == {row["iteration"]: row["loss"] for row in metrics.rows}


class FakeRun:
    """A WandB run that records its calls; the real one is tested below."""

    def __init__(self, **options: Any) -> None:
        self.options, self.rows, self.finished = options, [], False
        self.id = options.get("id", "new")

    def log(self, row: dict[str, float], step: int) -> None:
        self.rows.append((step, row["loss"]))

    def finish(self) -> None:
        self.finished = True


def test_wandb_gets_the_rows_and_resumes_its_run(monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[FakeRun] = []

    class Module:
        @staticmethod
        def init(**options: Any) -> FakeRun:
            runs.append(FakeRun(**options))
            return runs[-1]

    monkeypatch.setitem(sys.modules, "wandb", Module)
    metrics = Metrics(every=2)
    board = WandB(metrics, project="p", mode="offline")
    learner = make(metrics, board)
    learner.fit(iterations=4)
    assert runs[0].rows == [(2, 9.0), (4, 21.0)]
    assert runs[0].options == {"project": "p", "mode": "offline"}
    assert runs[0].finished
    again = WandB(metrics, project="p")
    again.load_state_dict(board.state_dict())
    again.before_fit(learner)
    assert runs[1].options == {"project": "p", "id": "new", "resume": "allow"}


LOGGED = """
from nca.training.callbacks import Metrics, WandB
from tests.training.test_records import make

metrics = Metrics(every=2)
make(metrics, WandB(metrics, project="p", mode="offline")).fit(1)
"""


@pytest.mark.slow
def test_wandb_itself_takes_the_rows(tmp_path: Path) -> None:
    path = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", LOGGED], cwd=tmp_path, capture_output=True, text=True, check=False,
        timeout=200, env=os.environ | {"PYTHONPATH": path, "WANDB_SILENT": "true"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (log,) = tmp_path.glob("wandb/offline-*/*.wandb")
    raw = log.read_bytes()
    for name, values in (("loss", "9 21 33 42"), ("style/b", "3 7 11 14")):
        for value in values.split():  # a name and its value as JSON, as protobuf puts them
            field = bytes([0x12, len(name)]) + name.encode() + bytes([0x82, 1, len(value)])
            assert field + value.encode() in raw


def square(side: int) -> Any:
    def snapshot(learner: Learner) -> Image.Image:
        level = min(1.0, learner.iteration / 20)
        return to_image(torch.full((3, side, side), level))

    return snapshot


@pytest.mark.parametrize("extension", ["webp", "gif", "png", "mp4"])
@pytest.mark.parametrize("job", JOBS)
def test_one_callback_films_all_three_jobs(
    tmp_path: Path, job: str, extension: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nca.texture.callbacks.keep_best.STOPS", (5,))
    movie, sheet = tmp_path / f"movie.{extension}", tmp_path / "sheet.png"
    pictures = Snapshots(square(33), movie=movie, sheet=sheet, frames=5, stages=3, fps=2)
    JOBS[job](tmp_path, [pictures]).fit(iterations=10)
    assert len(pictures.taken) == 5
    if extension == "mp4":
        import imageio_ffmpeg  # noqa: PLC0415

        assert imageio_ffmpeg.count_frames_and_secs(movie)[0] == 5 + 3
        output = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-i", movie]
        assert "34x34" in subprocess.run(output, capture_output=True, text=True, check=False).stderr
    else:
        with Image.open(movie) as film:
            assert film.size == (33, 33)
            assert len(ImageSequence.all_frames(film)) == 5
    with Image.open(sheet) as whole:
        assert whole.size == (68, 68)  # two by two, and a gap


def test_a_film_goes_on_after_a_resume(tmp_path: Path) -> None:
    def film() -> Snapshots:
        return Snapshots(square(8), movie=tmp_path / "movie.webp", frames=6)

    first = film()
    learner = image_job(tmp_path, [first, StopAt(5)])
    learner.fit(iterations=10)
    state = learner.state_dict()
    taken = len(first.taken)
    second = film()
    again = image_job(tmp_path, [second])
    again.load_state_dict(state)
    again.fit(iterations=10)
    assert second.taken[:taken] == first.taken
    assert len(second.taken) == 6


def test_a_film_needs_a_file_and_frames() -> None:
    with pytest.raises(ValueError, match="need a file: movie, sheet or both"):
        Snapshots(square(8))
    with pytest.raises(ValueError, match="frames must be 2 or more, not 1"):
        Snapshots(square(8), sheet=Path("a.png"), frames=1)
    assert evenly(list(range(10)), 4) == [0, 3, 6, 9]
    assert evenly([1, 2], 5) == [1, 2]
    assert evenly([1, 2], 1) == [2]


def test_a_single_frame_is_a_movie_too(tmp_path: Path) -> None:
    write_movie(tmp_path / "a.webp", [Image.new("RGB", (4, 4))], 10)
    assert (tmp_path / "a.webp").stat().st_size > 0


def test_progress_is_plain_lines_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    make(Progress(), count=20).fit(1)
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 10
    assert said[-1].startswith("training 100%  00:00 left, iteration 20, ")
    assert said[-1].endswith("loss 120 = 60 style + 60 content")


def test_progress_is_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    learner = make(Progress())
    learner.valid_batches = [torch.tensor(100.0)]
    learner.fit(1)
    assert "100%|" in terminal.getvalue()
    assert "loss 42 = 21 style + 21 content" in terminal.getvalue()
    assert "loss 600" not in terminal.getvalue(), "that of the validation"


class Steady:
    """A fit of 1,000 iterations, with a clock that depends on the time of each iteration."""

    def __init__(self) -> None:
        self.iteration, self.time = 0, 0.0
        self.meter = RateMeter(lambda: self.time)
        self.meter.begin(self)  # type: ignore[arg-type]

    @property
    def progress(self) -> float:
        return self.iteration / 1000

    def run(self, iterations: int, seconds: float) -> tuple[float, float]:
        """Continue; return the time left and the rate."""
        for _ in range(iterations):
            self.iteration, self.time = self.iteration + 1, self.time + seconds
            self.meter.record(self)  # type: ignore[arg-type]
        return self.meter.seconds_left(self), self.meter.rate(self)  # type: ignore[arg-type]


def test_the_time_left_is_that_of_the_last_half_minute() -> None:
    fit = Steady()
    assert fit.run(100, 10.0) == (pytest.approx(9000), pytest.approx(0.1))
    left, rate = fit.run(10, 1.0)
    assert 900 < left < 9000
    assert 0.1 < rate < 1
    assert fit.run(25, 1.0) == (pytest.approx(865), pytest.approx(1))
    assert fit.run(400, 0.1) == (pytest.approx(46.5), pytest.approx(10))
    assert fit.run(1, 300.0)[0] > 1000  # another program, or a laptop that slept
    assert fit.run(310, 0.1)[0] == pytest.approx(15.4)


def test_the_time_left_of_a_fit_that_goes_on_counts_from_there() -> None:
    fit = Steady()
    fit.iteration = 900
    fit.meter.begin(fit)  # type: ignore[arg-type]
    assert clock(fit.meter.seconds_left(fit)) == "--:--"  # type: ignore[arg-type]
    assert fit.run(10, 2.0)[0] == pytest.approx(180)


def test_what_only_the_first_process_does(tmp_path: Path) -> None:
    class Second(Engine):
        rank = 1

    metrics = Metrics(tmp_path)
    learner = image_job(
        tmp_path, [metrics, Progress(), Plot(metrics, tmp_path / "a.png")], Second()
    )
    learner.fit(iterations=6)
    assert list(tmp_path.iterdir()) == []
    assert metrics.rows
