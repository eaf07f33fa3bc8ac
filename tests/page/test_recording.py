"""Recordings of the page, with real and with failing encoders."""

import pytest

from nca.rule_settings import RuleSettings
from tests.helpers.browsing import until
from tests.helpers.rules import bounded_rule

pytestmark = pytest.mark.browser

TOAST = "document.getElementById('toast').textContent"
# A recorder whose encoder fails, as Chromium's does for H.264 frames that are too large.
FAILING = """() => {
  globalThis.MediaRecorder = class extends EventTarget {
    static isTypeSupported() { return true; }
    constructor(stream, { mimeType }) {
      super();
      Object.assign(this, { stream, state: "inactive" });
      globalThis.asked = mimeType;
    }
    start() {
      this.state = "recording";
      setTimeout(() => {
        this.state = "inactive";
        this.dispatchEvent(Object.assign(new Event("error"), { error: new Error("too large") }));
        this.dispatchEvent(new Event("stop"));
        globalThis.failed = true;
      });
    }
    stop() {}
  };
}"""


def test_large_frames_are_not_recorded_as_h264_and_failures_are_reported(still_page):
    page = still_page({"one": bounded_rule(RuleSettings(4, 8))}, grid=(16, 12))
    page.evaluate(FAILING)
    for side, kind in ((2048, "video/mp4;codecs=avc1"), (4096, "video/webm;codecs=vp9")):
        page.evaluate(
            """(value) => ["width", "height"].forEach((name) => Object.defineProperty(
                nca.player.canvas, name, { value, configurable: true }))""",
            side,
        )
        page.evaluate("globalThis.failed = false; nca.actions.record()")
        assert page.evaluate("asked") == kind
        until(page, "failed")
        page.evaluate("nca.actions.record()")
        said = "The browser cannot record this video: too large"
        assert page.evaluate(TOAST) == said
        assert page.evaluate("nca.actions.recorder") is None


def test_a_recording_ends_well_when_the_window_changes_its_size(still_page):
    page = still_page(
        {"one": bounded_rule(RuleSettings(4, 8))}, browser={"reduced_motion": "no-preference"}
    )
    page.evaluate("nca.player.setRunning(true); nca.actions.record()")
    until(page, "nca.actions.recorder.parts.some((part) => part.size)")
    with page.expect_download() as waiting:
        page.set_viewport_size({"width": 300, "height": 420})
    assert waiting.value.path().stat().st_size > 1000
    assert page.evaluate(TOAST) == "Video saved, as the window has a new size"
    assert page.evaluate("nca.actions.recorder") is None


def test_an_empty_recording_is_not_saved(still_page):
    page = still_page({"one": bounded_rule(RuleSettings(4, 8))})
    page.evaluate(FAILING.replace('"error"', '"other"'))
    page.evaluate("nca.actions.record()")
    until(page, "globalThis.failed")
    page.evaluate("nca.actions.record()")
    assert page.evaluate(TOAST) == "The browser recorded no frame."
