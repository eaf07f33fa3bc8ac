"""The benchmark of the page: every way computes the same rule, in a browser."""

import pytest
import torch

from nca.benchmarks import page
from nca.benchmarks.peers.lesson import SimpleCA
from nca.benchmarks.peers.ours import to_rule
from nca.benchmarks.settings import BenchPageSettings
from nca.errors import InputError


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"CHANNELS": 8, "HIDDEN": 12, "SIZE": 32, "SECONDS": 0.02}.items():
        monkeypatch.setattr(page, name, value)


@pytest.mark.browser
def test_all_ways_compute_the_rule_and_are_timed(small: None) -> None:
    report = page.run(BenchPageSettings(rounds=3))
    assert [(parity.name, parity.met) for parity in report.parity] == [
        ("page_ours", True), ("page_noise", True), ("page_distill", True),
    ]  # fmt: skip
    assert [row.name for row in report.rows] == [gate.row for gate in page.GATES]
    assert all(row.ratio > 0 for row in report.rows)
    assert "wall seconds" in report.table()


@pytest.mark.browser
def test_half_of_the_cells_fire_in_8_bits_and_others_in_the_next_step(small: None) -> None:
    rule = to_rule(SimpleCA(page.CHANNELS, page.HIDDEN))
    with torch.no_grad():
        rule.w1.zero_()
        rule.b1.fill_(1.0)
        rule.w2.fill_(0.5 / page.HIDDEN)
    with page.open_page(rule) as opened:
        values = "new Float32Array(rule.channels * rule.size ** 2)"
        opened.evaluate(f"rule => ways.distill.write({values})", page.page_rule(rule))
        seen = [
            opened.evaluate("(ways.distill.step(), [...ways.distill.read()].slice(0, 1024))")
            for _ in range(2)
        ]
    first, second = (torch.tensor(values) for values in seen)
    assert int((first > 0.25).sum()) == 512
    again = (second - first) > 0.25
    assert int(again.sum()) == 512
    assert not torch.equal(again, first > 0.25)


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InputError, match="no Chromium or Chrome was found; install one"):
        page.run(BenchPageSettings())
    ticks = iter([0.0, 1.0, 200.0])
    monkeypatch.setattr("time.monotonic", lambda: next(ticks))
    with pytest.raises(InputError, match="not ready after 120 seconds"):
        page.wait(lambda: False)
