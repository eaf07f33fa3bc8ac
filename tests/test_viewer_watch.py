"""Rule files that change."""

import pytest

from nca.viewer import watch
from nca.viewer.watch import Watcher
from tests.players import rule_file


@pytest.fixture(autouse=True)
def _look_at_once(monkeypatch):
    monkeypatch.setattr(watch, "INTERVAL", 0.0)


def test_a_renamed_and_a_rewritten_file_are_seen_once(tmp_path):
    path = rule_file(tmp_path)
    watcher = Watcher([path])
    assert watcher.poll() == []
    rule_file(tmp_path, "new", seed=1).replace(path)
    (change,) = watcher.poll()
    assert change.number == 0
    assert change.rule is not None
    assert watcher.poll() == []
    path.write_bytes(path.read_bytes() + b"")
    assert len(watcher.poll()) == 1


def test_a_broken_file_is_told_and_a_missing_one_waited_for(tmp_path):
    paths = [rule_file(tmp_path), tmp_path / "later.safetensors"]
    watcher = Watcher(paths)
    paths[0].write_bytes(b"half of a fi")
    (change,) = watcher.poll()
    assert change.rule is None
    assert "not a usable rule file" in change.trouble
    paths[0].unlink()
    assert watcher.poll() == []
    rule_file(tmp_path, "later")
    (change,) = watcher.poll()
    assert change.number == 1
    assert change.rule is not None


def test_a_look_costs_nothing_between_two(tmp_path, monkeypatch):
    monkeypatch.setattr(watch, "INTERVAL", 60.0)
    path = rule_file(tmp_path)
    watcher = Watcher([path])
    assert watcher.poll() == []
    rule_file(tmp_path, seed=1)
    assert watcher.poll() == []
