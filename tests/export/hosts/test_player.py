"""The page that runs any rule: its size, its start, its invitation."""

import json
import re
from pathlib import Path

import pytest

from nca.cli import main
from nca.exporters.hosts.html import page_html
from nca.exporters.hosts.player import START, player_html
from nca.exporters.link import shortened
from nca.gallery import gallery_path
from nca.rule_settings import RuleSettings
from nca.rulefile import RuleFile, load_rule
from tests.helpers.browsing import READY, until
from tests.helpers.rules import bounded_rule
from tests.page.test_open import TOAST, check_steps, drop

LARGEST = 300_000  # bytes


def bundled() -> dict[str, RuleFile]:
    return {name: load_rule(gallery_path(name)) for name in START}


def test_pages_stay_small():
    assert len(player_html(bundled())) < LARGEST
    assert len(page_html({"scales": bundled()["scales"]})) < LARGEST


@pytest.mark.gl
def test_it_is_written_and_measured_without_a_rule_or_a_path(gl, tmp_path, monkeypatch, capsys):
    del gl
    monkeypatch.chdir(tmp_path)
    assert main(["export", "--to", "player"]) == 0
    said = capsys.readouterr().out
    assert float(re.search(r"largest difference .*: (\S+)$", said, re.M)[1]) < 1e-5
    text = Path("player.html").read_text()
    data = json.loads(re.search(r'id="data">(.*?)</script>', text, re.S)[1])
    assert [rule["name"] for rule in data["rules"]] == list(START)
    assert main(["export", "--to", "player"]) == 2  # the file is there


@pytest.mark.browser
def test_it_starts_with_its_rules_and_invites_others(open_page, tmp_path):
    rules = {
        "first": bounded_rule(RuleSettings(8, 16)),
        "second": bounded_rule(RuleSettings(4, 8, "zeros", alive_threshold=0.1), update_bias=True),
    }
    path = tmp_path / "player.html"
    path.write_bytes(player_html({name: RuleFile(rule) for name, rule in rules.items()}))
    page = open_page(path, "#g=28x20")
    until(page, READY)
    page.evaluate("nca.player.setRunning(false)")
    assert page.inner_text("#invitation") == "Drop a rule or a link here, or choose a file"
    assert page.title() == "Texture player"
    check_steps(page, shortened(rules["first"], 16), (1, 10))
    assert page.evaluate(
        "[...document.querySelectorAll('#rules img')].every((i) => i.naturalWidth)"
    )
    page.evaluate("nca.player.setRule(1)")
    check_steps(page, shortened(rules["second"], 16), (1, 10))
    page.mouse.move(100, 100)  # shows the controls
    with page.expect_file_chooser() as chosen:
        page.click("#invitation button")
    chosen.value.set_files(gallery_path("coral"))
    until(page, f"{TOAST} === 'Opened coral'")
    drop(page, "", text="#m=second&s=5")
    until(page, "nca.player.simulation.seed === 5")
    assert page.inner_text("#name") == "second"
