"""What a notebook shows of a rule."""

import base64
import html
import io
import re
from pathlib import Path

import pytest
import torch
from PIL import Image

from nca.exporters.frame import SIDE
from nca.exporters.hosts.html import page_html
from nca.rule import Rule
from nca.rule_settings import RuleSettings
from nca.rulefile import RuleFile
from nca.texture.reparametrize import scale_filters
from tests.helpers.browsing import READY, until
from tests.helpers.rules import bounded_rule


@pytest.fixture
def rule() -> Rule:
    return bounded_rule(RuleSettings(channels=4, hidden=8))


def page_of(frame: str) -> str:
    (page,) = re.findall(r'srcdoc="([^"]*)"', frame)
    return html.unescape(page)


def test_a_rule_is_a_sandboxed_page_and_a_picture(rule: Rule) -> None:
    bundle = rule._repr_mimebundle_(include=None, exclude=None)
    assert set(bundle) == {"text/html", "image/png", "text/plain"}
    assert bundle["text/plain"] == repr(rule)
    frame = bundle["text/html"]
    assert re.findall(r'sandbox="([^"]*)"', frame) == ["allow-scripts"]
    assert page_of(frame).encode() == page_html({"texture": RuleFile(rule)})
    assert "default-src 'none'" in html.unescape(page_of(frame))
    with Image.open(io.BytesIO(base64.b64decode(bundle["image/png"]))) as still:
        assert still.size == (128, 128)
    assert f'<img src="data:image/png;base64,{bundle["image/png"]}"' in frame


def test_a_rule_in_training_is_shown_as_it_is(rule: Rule) -> None:
    plain = rule._repr_mimebundle_()["text/html"]
    scale_filters(rule, (1.0, 0.25, 0.25, 0.5), fresh=False)
    rule.requires_grad_()
    assert rule._repr_mimebundle_()["text/html"] == plain


def test_a_rule_that_no_page_can_hold_has_words_only(rule: Rule) -> None:
    with torch.no_grad():
        rule.w1[0, 0] = torch.nan
    (words,) = rule._repr_mimebundle_().values()
    assert words == f"{rule!r}: texture: w1 holds a number that is not finite"


@pytest.mark.browser
def test_the_frame_runs_beside_other_content(rule: Rule, open_page, tmp_path: Path) -> None:
    path = tmp_path / "notebook.html"
    path.write_text(f"<textarea autofocus></textarea>{rule._repr_mimebundle_()['text/html']}")
    page = open_page(path)
    (frame,) = page.frames[1:]
    until(frame, READY)
    frame.evaluate("nca.actions.setSpeed(2)")  # a change that a page writes into its address
    page.wait_for_timeout(500)
    assert page.evaluate("document.activeElement.tagName") == "TEXTAREA"
    box = page.locator("iframe").bounding_box()
    assert box == page.locator("img").bounding_box()
    assert (box["width"], box["height"]) == (SIDE, SIDE)
