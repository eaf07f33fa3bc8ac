"""Without a GPU the command prints one line; its parts run on the CPU here, with small work."""

import time
from typing import Any

import pytest
import torch

from nca.backends import unroll
from nca.benchmarks import gpu
from nca.benchmarks.measuring.report import Parity, Report, Row
from nca.benchmarks.settings import BenchGpuSettings
from nca.errors import InputError
from nca.texture.callbacks import keep_best
from nca.texture.settings import train_settings


@pytest.fixture
def on_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """The CPU replaces the GPU, and `auto` means its backend; the work is small."""
    small = {"device": "cpu", "backend": "auto", "grid": 32, "late_grid": 32, "size": 64,
             "steps": (2, 3), "late_steps": (2, 3), "quiet": True}  # fmt: skip
    monkeypatch.setattr(gpu, "GPU", torch.device("cpu"))
    monkeypatch.setattr(gpu, "clock", time.perf_counter)
    monkeypatch.setattr(
        gpu, "train_settings", lambda *a, **given: train_settings(*a, **{**given, **small})
    )
    monkeypatch.setattr(gpu, "unroll", lambda state, rule, masks, _: unroll(state, rule, masks))
    monkeypatch.setattr(gpu, "SIZES", {"full": (2, 16)})
    monkeypatch.setattr(gpu, "STEPS", 4)
    monkeypatch.setattr(gpu, "TRIED", 1)
    monkeypatch.setattr(gpu, "TRAINED", 4)
    for name, module in (("STOPS", gpu), ("STOPS", keep_best)):
        monkeypatch.setattr(module, name, (3,))
    monkeypatch.setattr(keep_best, "LONG", 4)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_is_one_line() -> None:
    with pytest.raises(InputError, match="`bench gpu`: torch found no GPU with CUDA"):
        gpu.run(BenchGpuSettings())


@pytest.mark.usefixtures("on_cpu")
def test_unrolls_are_timed_against_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[dict[str, Any]] = []

    def compile_nothing(function: Any, **given: Any) -> Any:
        compiled.append(given)
        return function

    monkeypatch.setattr(torch, "compile", compile_nothing)  # it takes half a minute
    rows = gpu.unroll_rows("full", *gpu.SIZES["full"], 1e12, 3)
    assert [row.name for row in rows] == [
        "unroll_triton_full", "unroll_triton_bf16_full", "unroll_triton_full_compiled",
        "peak_share_full",
    ]  # fmt: skip
    assert all(0 < row.low <= row.ratio <= row.high for row in rows)
    assert "us per step, ours" in rows[0].against
    assert compiled == [{"dynamic": False}]


@pytest.mark.usefixtures("on_cpu")
def test_trainings_are_timed_and_one_is_finished() -> None:
    rows = {row.name: row for row in gpu.training_rows(3)}
    assert list(rows) == ["iterations_triton", "iterations_torch", "train_seconds", "train_loss"]
    assert all(row.ratio > 0 for row in rows.values())


@pytest.mark.usefixtures("on_cpu")
def test_a_part_that_fails_is_named_and_the_others_are_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(_: int) -> list[Row]:
        raise RuntimeError("no kernel\nfor this card")

    right = Parity("unroll", "largest relative error", 1e-7, 1e-5, True)
    row = Row("iterations_triton", 2.0, 1.0, 3.0, "iterations of full per second", "/s")
    card = type("Card", (), {"name": "abacus", "total_memory": 2**30})
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: card)
    monkeypatch.setattr(gpu, "check", lambda _: right)
    monkeypatch.setattr(gpu, "measure_peak", lambda: 1e12)
    monkeypatch.setattr(gpu, "parts", lambda _: {"jax": fails, "trainings": lambda _: [row]})
    report: Report = gpu.run(BenchGpuSettings(rounds=3))
    assert report.rows == [row]
    assert report.absent == {"jax": "RuntimeError: no kernel for this card"}
    assert "abacus, 1 GiB" in report.table()


def test_every_part_has_a_name() -> None:
    names = list(gpu.parts(1e12))
    assert names[0] == "unrolls, 4 states of 96x96 cells"
    assert names[-3:] == ["jax", "trainings", "viewer"]
