"""The page that shows a training: its chart, and when it is written."""

import math
import re
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from PIL import Image

from nca.training.callback import Callback
from nca.training.callbacks import LivePage, Metrics
from nca.training.charts import (
    HEIGHT,
    POINTS,
    WIDTH,
    loss_chart,
    round_numbers,
    round_powers,
    thin,
)
from nca.training.learner import Learner
from tests.helpers.training_jobs import StopAt, unet_job
from tests.training.test_records import make, square


def rows_of(*losses: float) -> list[dict[str, float]]:
    return [
        {"iteration": 20 * i, "loss": loss, "a/x": loss / 4, "a/y": loss / 4, "b": loss / 2}
        for i, loss in enumerate(losses, 1)
    ]


def test_the_chart_adds_layers_up_and_is_logarithmic() -> None:
    chart = loss_chart(rows_of(100.0, 10.0, 1.0), ["a/x", "a/y", "b"])
    assert chart is not None
    assert [(name, newest) for name, _, newest in chart.lines] == [
        ("loss", 1.0), ("a", 0.5), ("b", 0.5),
    ]  # fmt: skip
    points = [tuple(map(float, pair.split(","))) for pair in chart.lines[0][1].split()]
    assert [x for x, _ in points] == pytest.approx([WIDTH / 3, 2 * WIDTH / 3, WIDTH], abs=0.1)
    falls = [b[1] - a[1] for a, b in pairwise(points)]
    assert falls[0] == pytest.approx(falls[1], abs=0.2)
    assert falls[0] > HEIGHT / 3
    assert points[0][1] == 0
    assert [text for _, text in chart.x_ticks] == ["0", "20", "40", "60"]
    assert {"1", "10", "100"} <= {text for _, text in chart.y_ticks}


def test_one_term_is_one_line() -> None:
    chart = loss_chart([{"iteration": i, "loss": 1.0, "a": 1.0} for i in (1, 2)], ["a"])
    assert chart is not None
    assert [name for name, _, _ in chart.lines] == ["loss"]
    assert loss_chart(rows_of(1.0), ["a/x"]) is None
    assert loss_chart(rows_of(math.nan, 0.0, -1.0), ["a/x"]) is None


def test_what_is_far_below_the_loss_does_not_flatten_it() -> None:
    rows = [row | {"b": 1e-12} for row in rows_of(2.0, 1.0)]
    chart = loss_chart(rows, ["a/x", "a/y", "b"])
    assert chart is not None
    assert [name for name, _, _ in chart.lines] == ["loss", "a"]


def test_long_curves_are_thinned_by_means() -> None:
    values = [float(i) for i in range(10 * POINTS + 3)]
    points = thin(values, values)
    assert len(points) <= POINTS
    assert points[-1][0] == values[-1]
    assert math.isclose(points[0][1], sum(values[:11]) / 11)
    assert thin([1, 2], [3, 4]) == [(1, 3), (2, 4)]
    assert thin([], []) == []


@pytest.mark.parametrize("last", [1, 7, 99, 300, 1200, 123456])
def test_ticks_are_few_and_round(last: int) -> None:
    ticks = round_numbers(last)
    assert 2 <= len(ticks) <= 6
    assert all(str(tick).rstrip("0") in ("", "1", "2", "4", "5", "6", "8", "3", "15", "7", "12")
               for tick in ticks)  # fmt: skip
    for low, high in ((-3.2, 2.1), (0.1, 1.9), (0.2, 0.5), (-0.1, 0.0)):
        powers = round_powers(low, high)
        assert 2 <= len(powers) <= 8
        assert all(low <= math.log10(power) <= high for power in powers)


def test_the_page_reloads_until_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nca.training.callbacks.live.SHARE", math.inf)
    path, pages = tmp_path / "live.html", []

    class Look(Callback):
        order = 50

        def after_batch(self, learner: Learner) -> None:
            pages.append(path.read_text())

    metrics = Metrics(every=1)
    live = LivePage(path, {"<dot>": square(8)}, metrics, title="<dots>", every_seconds=0)
    make(metrics, live, Look()).fit(1)
    assert 'http-equiv="refresh"' in pages[2]
    assert "<dd>3</dd>" in pages[2]
    assert 'class="state training"' in pages[2]
    assert 'src="data:image/png;base64,' in pages[2]
    assert pages[2].count("<polyline") == 3
    assert "style, by layer" in pages[2]
    assert "&lt;dots&gt;" in pages[2]
    assert "<figcaption>&lt;dot&gt;" in pages[2]
    last = path.read_text()
    assert "http-equiv" not in last
    assert 'class="state finished"' in last
    assert "<dd>100%</dd>" in last
    assert not re.search(r"https?:|src=\"(?!data:)|<script|<link", last)


def test_a_page_of_a_fit_that_was_cut_short_says_so(tmp_path: Path) -> None:
    metrics = Metrics(every=1)
    live = LivePage(tmp_path / "live.html", {}, metrics)
    unet_job(tmp_path, [metrics, live, StopAt(12)]).fit(iterations=15)
    text = (tmp_path / "live.html").read_text()
    assert 'class="state stopped"' in text
    assert "http-equiv" not in text
    assert "validation" in text


def test_the_page_is_written_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writes: list[Path] = []
    monkeypatch.setattr(
        "nca.training.callbacks.live.write_text", lambda path, _: writes.append(path)
    )
    make(LivePage(tmp_path / "live.html", {"": square(8)}, Metrics(), every_seconds=1e9)).fit(1)
    assert len(writes) == 2  # the first batch, and the end


@pytest.mark.parametrize(("cost", "writes"), [(0.1, 15), (1.0, 2)])
def test_a_slow_page_is_written_less_often(
    cost: float, writes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, written = [0.0], [0]

    def draw(learner: Learner) -> Image.Image:
        clock[0] += cost
        written[0] += 1
        return square(8)(learner)

    class Wait(Callback):
        def before_batch(self, learner: Learner) -> None:
            clock[0] += 1.0

    monkeypatch.setattr("nca.training.callbacks.live.time.monotonic", lambda: clock[0])
    live = LivePage(tmp_path / "live.html", {"": draw}, Metrics(), every_seconds=5)
    make(Wait(), live, count=84).fit(1)
    assert written == [writes + 1]  # the last one after the fit


def test_no_number_is_no_trouble(tmp_path: Path) -> None:
    metrics = Metrics(every=1)
    learner = make(metrics, LivePage(tmp_path / "live.html", {}, metrics), count=3)
    learner.batches.source[1] = torch.tensor(math.nan)
    learner.fit(1)
    text = (tmp_path / "live.html").read_text()
    assert "<b>nan</b>" not in text
    assert "nan%" not in text
    assert "<dd>nan</dd>" in text
