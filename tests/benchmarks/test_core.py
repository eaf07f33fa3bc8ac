import json
from pathlib import Path

import pytest
import torch

from nca.benchmarks import core
from nca.benchmarks.settings import BenchCoreSettings
from nca.errors import InputError


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core, "STEPS", 20)
    monkeypatch.setattr(core, "EPOCH", 10)
    monkeypatch.setattr(core, "BATCHES", (8,))


@pytest.mark.usefixtures("short")
def test_the_benchmark_compares_what_computes_the_same(tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    report = core.run(BenchCoreSettings(rounds=3))
    report.write(tmp_path / "core.json")
    assert torch.get_num_threads() == threads
    assert [check.value for check in report.parity] == [0.0, 0.0, 0.0]
    assert {"straight_step", "loop_bare", "loop_watched"} <= {row.name for row in report.rows}
    data = json.loads((tmp_path / "core.json").read_text())
    assert data["gates"][0]["row"] == "loop_watched"
    assert data["gates"][0]["limit"] == 1.02
    assert "plain loop" in report.table()


@pytest.mark.usefixtures("short")
def test_a_loop_that_computes_something_else_is_noticed() -> None:
    straight, other = core.Straight(8), core.Looped(8)
    straight()
    other()
    assert core.check(other, straight, "loop").met
    other()
    assert not core.check(other, straight, "loop").met


def test_rounds_are_checked() -> None:
    with pytest.raises(InputError, match="`rounds` 1: must be 3"):
        BenchCoreSettings(rounds=1)
