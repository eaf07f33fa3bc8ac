"""Damaged states through the file input of a page."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Error, Page

from nca.rule import Rule
from nca.rule_settings import RuleSettings
from tests.fuzz.runner import (
    CPU_SECONDS,
    MORE_BYTES,
    WALL_SECONDS,
    Cases,
    Failure,
    amount,
    forget_peak,
    report,
    status,
)
from tests.helpers.browsing import until
from tests.helpers.rules import bounded_rule

pytestmark = [pytest.mark.browser, pytest.mark.slow]

LISTEN = """() => {
  globalThis.said = [];
  nca.actions.addEventListener("say", ({ detail }) => said.push(detail));
}"""
# The simulation as it is, and whether it can make two steps.
LOOK = """() => {
  const { player } = nca, { simulation } = player, { width, height, stepNumber, seed } = simulation;
  const finite = Number.isFinite(simulation.read().reduce((a, b) => a + b, 0));
  simulation.step();
  simulation.step();
  const error = player.gl.getError(), steps = simulation.stepNumber - stepNumber;
  return { grid: [width, height], numbers: [stepNumber, seed], finite, error, steps };
}"""


class Visitor:
    """A user who opens states in a page; each problem is followed by a fresh page.

    Args:
        open_page: opens a page of one rule that is not running.
    """

    def __init__(self, open_page: Callable[[], Page]) -> None:
        self.open_page = open_page
        self.page: Page | None = None
        self.complaints: list[str] = []

    def trouble(self, name: str, data: bytes) -> str:
        """What went wrong when a state was opened; empty if nothing did."""
        page = self.page = self.page or self._fresh()
        try:
            trouble = self._open(page, name, data)
        except (Error, AssertionError) as error:
            trouble = f"no answer: {str(error).splitlines()[0]}"
        if trouble:
            self.page = None
        return trouble

    def _fresh(self) -> Page:
        page = self.open_page()
        self.complaints = complaints = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text))
        page.evaluate(LISTEN)
        return page

    def _open(self, page: Page, name: str, data: bytes) -> str:
        processes, before = renderers(page), page.evaluate(LOOK)
        for process in processes:
            forget_peak(process)
        memory = {process: status("VmRSS", process) for process in processes}
        seconds = sum(map(processor_seconds, processes))
        page.evaluate("said.length = 0")
        page.set_input_files("[name=file]", {"name": name, "mimeType": "", "buffer": data})
        until(page, "said.length > 0", WALL_SECONDS)
        (said,) = page.evaluate("said")
        if any(status("VmHWM", process) - memory[process] > MORE_BYTES for process in processes):
            return "more than 1 GB of memory"
        if sum(map(processor_seconds, processes)) - seconds > CPU_SECONDS:
            return "too much processor time"
        return self._wrong(said.startswith("Opened "), before, page.evaluate(LOOK))

    def _wrong(self, opened: bool, before: dict[str, Any], after: dict[str, Any]) -> str:
        if self.complaints:
            return f"a complaint of the browser: {self.complaints[0]}"
        if after["error"] or after["steps"] != 2:
            return f"no longer runs: {after}"
        if not opened and after["grid"] != before["grid"]:
            return f"refused and yet changed: {after}"
        good = all(type(n) is int and 0 <= n < 2**32 for n in after["numbers"])
        return "" if after["finite"] and good else f"opened: {after}"


def renderers(page: Page) -> list[int]:
    """Numbers of the processes that run pages."""
    assert page.context.browser is not None
    session = page.context.browser.new_browser_cdp_session()
    processes = session.send("SystemInfo.getProcessInfo")["processInfo"]
    session.detach()
    return [process["id"] for process in processes if process["type"] == "renderer"]


def processor_seconds(process: int) -> float:
    """Time that a process has computed."""
    words = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def test_damaged_states_are_refused_and_the_page_goes_on(
    still_page: Callable[[dict[str, Rule]], Page], tmp_path: Path
) -> None:
    seed, count = amount()
    cases = Cases("state", seed)
    rule = bounded_rule(RuleSettings(channels=4, hidden=8))
    visitor = Visitor(lambda: still_page({"plain": rule}))
    failures = []
    for number in range(count):
        trouble = visitor.trouble(*cases.damaged(number))
        if trouble:
            failures.append(Failure(number, trouble, "page", cases.keep(number, tmp_path)))
    assert not failures, report("state", seed, failures)
