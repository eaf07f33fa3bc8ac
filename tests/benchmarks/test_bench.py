import io
import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import moderngl
import pytest
import torch
from PIL import Image

from nca.backends.native import library_of
from nca.benchmarks import load, view
from nca.benchmarks.growth import VALUES
from nca.benchmarks.measuring import parity
from nca.benchmarks.measuring.machine import Peak, describe_machine, is_disturbed
from nca.benchmarks.measuring.memory import training_megabytes, unroll_megabytes
from nca.benchmarks.measuring.plot import draw
from nca.benchmarks.measuring.report import Gate, Parity, Report, Row
from nca.benchmarks.measuring.timing import Spread, interleave, ratios, spread
from nca.benchmarks.peers.lesson import LessonIteration, LessonLoss, SimpleCA, make_vgg16
from nca.benchmarks.peers.ours import OurIteration, frozen_loss, to_rule
from nca.benchmarks.peers.run import PEERS, peer_versions
from nca.benchmarks.settings import BenchLoadSettings, BenchTrainSettings, BenchViewSettings
from nca.benchmarks.train import BFLOAT16_GATES, GATES, Bench
from nca.cli import main
from nca.errors import InputError
from nca.rng import random_masks
from nca.viewer.player import Player
from nca.viewer.simulation.display import Display

ROWS = [Row(gate.row, gate.limit, gate.limit - 1, gate.limit + 1, "a peer") for gate in GATES]
GROWTH = [Row(f"{k} {v}", 2.0, 1.9, 2.1, "usual") for k, values in VALUES.items() for v in values]


def make_report() -> Report:
    right = Parity("unroll_fp32", "largest relative error", 1e-7, 1e-5, True)
    return Report({"cpu": "abacus"}, [right], ROWS, GROWTH, GATES)


def test_variants_take_turns_and_the_first_round_does_not_count() -> None:
    order: list[str] = []
    ticks = iter(range(1000))
    times = interleave(
        {"a": lambda: order.append("a"), "b": lambda: order.append("b")},
        rounds=2,
        clock=lambda: float(next(ticks)),
    )
    assert order == ["a", "b"] * 3
    assert times == {"a": [1.0, 1.0], "b": [1.0, 1.0]}


def test_a_ratio_is_taken_within_a_round() -> None:
    # The second round met a machine half as fast: both variants took twice as long.
    assert ratios([10.0, 20.0, 30.0], [5.0, 10.0, 15.0]) == Spread(2.0, 2.0, 2.0)
    assert spread([1.0, 2.0, 3.0, 4.0, 5.0]) == Spread(2.0, 3.0, 4.0)


def test_gates_say_whether_they_are_met() -> None:
    row = Row("speed", 5.0, 4.0, 6.0, "a peer")
    assert Gate("speed", 5.0).met_by(row)
    assert not Gate("speed", 5.1).met_by(row)
    assert Gate("speed", 5.0, most=True).met_by(row)
    assert not Gate("speed", 4.9, most=True).met_by(row)


def test_a_report_survives_json(tmp_path: Path) -> None:
    report = make_report()
    path = tmp_path / "speed.json"
    report.write(path)
    data = json.loads(path.read_text())
    assert Report.from_dict(data) == report
    assert set(data["rows"][0]) == {"name", "ratio", "low", "high", "against", "unit"}
    assert all(gate["met"] for gate in data["gates"])


def test_a_missing_row_fails_its_gate() -> None:
    report = make_report()
    poor = replace(report, rows=report.rows[1:])
    assert [gate["met"] for gate in poor.to_dict()["gates"]].count(False) == 1
    assert "not measured: gate NOT MET" in poor.table()
    assert "NOT MET" not in report.table()
    assert "FAILED" not in report.table()


@pytest.mark.parametrize("extension", [".svg", ".png"])
def test_the_plot_is_drawn(tmp_path: Path, extension: str) -> None:
    path = tmp_path / f"speed{extension}"
    draw(make_report(), path)
    assert path.stat().st_size > 5000


def test_settings_refuse_what_cannot_be() -> None:
    with pytest.raises(InputError, match="`rounds` 2: must be 3"):
        BenchTrainSettings(rounds=2)
    with pytest.raises(InputError, match="`rounds` 2: must be 3"):
        BenchViewSettings(rounds=2)
    with pytest.raises(InputError, match="`rounds` 2: must be 3"):
        BenchLoadSettings(rounds=2)
    with pytest.raises(InputError, match=r"`plot` speed\.txt: must end in"):
        BenchTrainSettings(plot=Path("speed.txt"))


def test_settings_load_nothing_heavy() -> None:
    code = "import nca.benchmarks.settings, sys; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_lesson_computes_the_rule() -> None:
    torch.manual_seed(0)
    model = SimpleCA(5, 7)
    state = torch.rand(2, 5, 9, 11) - 0.5
    mask = random_masks(1, 2, 9, 11, 0.5, torch.Generator().manual_seed(0))[0]
    right = to_rule(model).step(state, mask)
    assert torch.allclose(model(state, mask[:, None].float()), right, atol=1e-6)
    changed = (model(state) != state).any(dim=1).float().mean()
    assert 0.35 < float(changed) < 0.65


def test_both_losses_are_the_same() -> None:
    torch.manual_seed(0)
    vgg, target, images = make_vgg16(), torch.rand(1, 3, 32, 32), torch.rand(2, 3, 32, 32)
    ours, lesson = frozen_loss(vgg, target)(images), LessonLoss(vgg, target)(images)
    assert float((ours / lesson).detach()) == pytest.approx(1, abs=1e-4)


def test_iterations_train() -> None:
    torch.manual_seed(0)
    model, vgg, target = SimpleCA(4, 8), make_vgg16(), torch.rand(1, 3, 32, 32)
    rule = to_rule(model)
    ours = OurIteration(rule, frozen_loss(vgg, target), 32, 2, 2, backend="native", bfloat16=True)
    before = rule.w1.detach().clone(), model.w1.weight.detach().clone()
    ours()
    LessonIteration(model, LessonLoss(vgg, target), 32, 2, 2)()
    assert not torch.equal(rule.w1, before[0])
    assert not torch.equal(model.w1.weight, before[1])


def test_parity_holds_and_notices_a_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    monkeypatch.setattr(parity, "SIZE", 32)
    assert parity.check_unroll(12, 96, "native", bfloat16=False).met
    assert parity.check_unroll(12, 96, "native", bfloat16=True).met
    assert parity.check_iteration(12, 96, "native", bfloat16=True).met
    assert parity.check_simulation(4, 8, "native").met

    def wrong(model: SimpleCA) -> torch.nn.Module:
        rule = to_rule(model)
        with torch.no_grad():
            rule.w2.mul_(1.001)
        return rule

    monkeypatch.setattr(parity, "to_rule", wrong)
    assert not parity.check_unroll(12, 96, "native", bfloat16=False).met


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_computes_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if peer_versions(name) is None:
        pytest.skip(f"{name} is not installed")
    torch.manual_seed(0)
    monkeypatch.setattr(parity, "SIZE", 16)
    found = parity.check_peer(name, 12, 24)
    assert found.met, found


def test_a_peer_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nca.benchmarks.peers.run.PEERS", {"jax": ("no-such-library",)})
    assert peer_versions("jax") is None
    monkeypatch.setattr("nca.benchmarks.train.PEERS", {"jax": ()})
    monkeypatch.setattr("nca.benchmarks.train.peer_versions", lambda _: None)
    bench = Bench(3, {"float32": 1.0})
    bench._right = {"unroll_fp32"}
    bench.time_peers()
    assert bench.rows == []
    assert "not installed" in bench.absent["unroll_fp32_over_jax"]


def test_without_bfloat16_its_rows_are_named_and_float32_is_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[bool] = []
    good = Parity("any", "largest relative error", 1e-7, 1e-5, True)

    def check(*_: object, bfloat16: bool = False) -> Parity:
        asked.append(bfloat16)
        return good

    for name in ("check_unroll", "check_iteration", "check_simulation", "check_small"):
        monkeypatch.setattr(f"nca.benchmarks.train.{name}", check)
    bench = Bench(3, {"float32": 1.0})
    bench.check()
    assert not any(asked)
    assert set(bench.absent) == {"unroll_bf16", "iteration_bf16"}
    report = Report({}, [], [], [], GATES, bench.absent)
    assert "no bfloat16 arithmetic" in report.table()
    assert not {gate.row for gate in GATES} & {gate.row for gate in BFLOAT16_GATES}


def test_what_computes_something_else_gets_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    bad = Parity("unroll", "largest relative error", 1.0, 1e-5, False)
    for check in ("check_unroll", "check_iteration", "check_simulation", "check_small"):
        monkeypatch.setattr(f"nca.benchmarks.train.{check}", lambda *_, **__: bad)
    bench = Bench(3, {"float32": 1.0, "bfloat16": 1.0})
    bench.check()
    bench.time_tiny()
    bench.time_small_iterations()
    assert bench.rows == []
    assert len(bench.parity) == 9


def test_the_machine_is_described() -> None:
    machine = describe_machine()
    assert machine["cpu"]
    assert "not found" not in machine["compiler"]
    json.dumps(machine)
    peak = Peak().measure()
    assert all(1 < value < 10_000 and math.isfinite(value) for value in peak.values())
    assert is_disturbed({"float32": 100.0}, {"float32": 80.0})
    assert not is_disturbed({"float32": 100.0}, {"float32": 95.0})


def test_memory_is_that_of_the_states() -> None:
    steps = 32
    library = library_of(to_rule(SimpleCA(12, 96)))
    state = 4 * library.nca_state_floats(128, 128) * 4 / 2**20  # MB of one state of the batch
    measured = unroll_megabytes("native", 12, 96, 128, steps)
    assert (steps + 1) * state < measured < (steps + 1) * state + 60


def test_memory_of_a_training_grows_with_its_steps() -> None:
    few, many = (training_megabytes("float32", 64, steps) for steps in (2, 130))
    states = 4 * 128 * 12 * 64**2 * 4 / 2**20
    # The peak of few steps may lie elsewhere, as in the compiler's.
    assert few + states / 2 < many < few + 4 * states


@pytest.mark.slow
def test_the_command_measures_everything(tmp_path: Path) -> None:
    """All measurements, with small work; the peers have their own test."""
    out, plot = tmp_path / "speed.json", tmp_path / "speed.svg"
    command = [sys.executable, "-m", "nca", "bench", "train", "--rounds", "3", "--json", str(out)]
    done = subprocess.run(
        [*command, "--plot", str(plot)], cwd=Path(__file__).parents[2], capture_output=True,
        text=True, check=False, env=os.environ | {"NCA_BENCH_SMALL": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    data = json.loads(out.read_text())
    names = {row["name"] for row in data["rows"]}
    assert {"iteration_fp32", "unroll_fp32", "unroll_tiny", "simulate_fp32"} <= names
    assert {"iteration_small", "iteration_small_wasserstein"} <= names
    assert {"iteration_torch", "unroll_torch_fp32", "unroll_memory_mb", "lesson_memory_mb"} <= names
    assert {"train_memory_mb", "iteration_decoder", "decoder_share"} <= names
    assert all(name in done.stdout for name in names)
    assert [row["name"] for row in data["growth"]] == ["grid 48", "steps 8"]
    assert len(data["parity"]) >= 5
    assert all(check["met"] for check in data["parity"])
    assert "have no meaning" in data["machine"]["sizes"]
    assert plot.stat().st_size > 5000
    assert "NOT MET" in done.stdout or all(gate["met"] for gate in data["gates"])


@pytest.mark.slow
def test_trainings_take_turns_beside_busy_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "load.json"
    monkeypatch.setattr(load, "TASKS", {"style": load.style})
    monkeypatch.setattr(load, "LOOPS", (0, 1))
    monkeypatch.setattr(load, "SECONDS", 0.1)
    assert main(["bench", "load", "--rounds", "3", "--json", str(out)]) == 0
    rows = json.loads(out.read_text())["rows"]
    names = {"style_0", "style_1", "style_over_spinning"}
    assert {row["name"] for row in rows} == names
    assert all(row["ratio"] > 0 for row in rows)
    shown = capsys.readouterr().out
    assert all(name in shown for name in names)
    assert "float64" not in shown


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("task", ["texture", "ddpm"])
def test_other_trainings_take_turns_too(
    task: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("0\n"))
    load.train_in_turns(task, load.ONE)
    rates = capsys.readouterr().out.split()
    assert len(rates) == 2
    assert all(float(rate) > 0 for rate in rates)


@pytest.mark.gl
def test_the_viewer_is_measured_against_torch(
    gl: moderngl.Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view, "SIZE", 32)
    monkeypatch.setattr(view, "DECODED_SIZE", 16)
    report = view.measure(gl, 3, {"full": (4, 8)})
    assert [parity.met for parity in report.parity] == [True, True]
    names = ["view_steps_full", "frame_share_full", "frame_decoder", "draw_decoder"]
    assert [row.name for row in report.rows] == names
    assert all(row.low <= row.ratio <= row.high for row in report.rows)
    assert 0 < report.rows[1].ratio < 100
    assert "gate: at most 10" in report.table()
    assert "gate: at most 1.5" in report.table()
    assert report.machine["renderer"]


@pytest.mark.gl
def test_a_simulation_that_computes_something_else_gets_no_time(
    gl: moderngl.Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view, "SIZE", 32)
    monkeypatch.setattr(view, "DECODED_SIZE", 16)
    monkeypatch.setattr(Player, "run_steps", lambda self, n: self.simulation.step(n - 1))
    monkeypatch.setattr(Display, "whole", lambda self, *_: Image.new("RGB", (128, 128)))
    report = view.measure(gl, 3, {"full": (4, 8)})
    assert [parity.met for parity in report.parity] == [False, False]
    assert report.rows == []
    assert "not measured: gate NOT MET" in report.table()
