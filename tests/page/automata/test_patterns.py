"""Patterns of classic automata on the page; its reader of .rle files agrees with Python's."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Page

from nca.automata.construction import build
from nca.automata.notation import parse_automaton
from nca.automata.rle import parse_pattern, placed
from nca.exporters.hosts.html import page_html
from nca.exporters.web.page import PageSettings, page_source
from nca.rulefile import save_rule
from tests.fuzz.mutations import mutate_text
from tests.helpers.browsing import READY, read, until
from tests.helpers.classic import GLIDER, GUN

pytestmark = pytest.mark.browser

READ_ALL = (
    "(texts) => {\n"
    + page_source("pattern.js")
    + """
  return texts.map((text) => {
    try {
      const { cells, width, height } = parsePattern(text);
      return cells.length > 1e5 ? [width, height] : [width, height, ...cells];
    } catch (error) {
      return error.message;
    }
  });
}"""
)


def read_in_python(text: str) -> list[int] | str:
    try:
        pattern = parse_pattern(text)
    except ValueError as error:
        return str(error)
    size = [pattern.shape[1], pattern.shape[0]]
    return size if pattern.size > 1e5 else [*size, *pattern.ravel().tolist()]


def test_a_dropped_gun_shoots_and_damaged_files_are_refused(
    open_page: Callable[..., Page], tmp_path: Path
) -> None:
    classic = build(parse_automaton("life"))
    html = page_html({"life": classic.file()}, PageSettings(grid=(64, 48)))
    (tmp_path / "page.html").write_bytes(html)
    page = open_page(tmp_path / "page.html")
    until(page, READY)
    page.evaluate("nca.player.setRunning(false)")
    (tmp_path / "gun.rle").write_text(GUN)
    page.set_input_files("[name=file]", tmp_path / "gun.rle")
    toast = "document.getElementById('toast').textContent"
    until(page, f"{toast} === 'Opened gun.rle'")
    start = placed(parse_pattern(GUN), classic.states, (48, 64))[None]
    assert torch.equal(read(page, (5, 48, 64)), start[0])
    page.evaluate("nca.player.runSteps(60)")
    state = classic.rule(start, 60)[0]
    assert torch.equal(read(page, (5, 48, 64)), state)
    (tmp_path / "bad.rle").write_text(GUN.replace("x = 36", "x = 35"))
    page.set_input_files("[name=file]", tmp_path / "bad.rle")
    until(page, f"{toast} === 'bad.rle: it has cells outside its size, 35x9'")
    (tmp_path / "large.rle").write_text("x = 65, y = 1\no!")
    page.set_input_files("[name=file]", tmp_path / "large.rle")
    until(page, f"{toast} === 'large.rle: the pattern has 65x1 cells, but the grid has 64x48'")
    assert torch.equal(read(page, (5, 48, 64)), state)

    dropped = classic.file()
    save_rule(tmp_path / "dropped.safetensors", dropped.rule, dropped.info)
    page.set_input_files("[name=file]", tmp_path / "dropped.safetensors")
    until(page, f"{toast} === 'Opened dropped'")
    (tmp_path / "again.rle").write_text(GUN)
    page.set_input_files("[name=file]", tmp_path / "again.rle")
    until(page, f"{toast} === 'Opened again.rle'")
    assert torch.equal(read(page, (5, 48, 64)), start[0])

    texts = [
        mutate_text(random.Random(n), (GUN, GLIDER)[n % 2].encode()).decode("latin-1")
        for n in range(400)
    ]
    texts = [GUN, "x = 2, y = 1\npAyO!", "x = 2, y = 1\n1234567890b!", *texts]
    answers = page.evaluate(READ_ALL, texts)
    expected = list(map(read_in_python, texts))
    for text, answer, wanted in zip(texts, answers, expected, strict=True):
        if isinstance(wanted, str) and "unexpected" in wanted:  # quoted in another way
            assert isinstance(answer, str), text
            assert "unexpected" in answer
        else:
            assert answer == wanted, text
    assert 50 < sum(isinstance(wanted, str) for wanted in expected) < 350
