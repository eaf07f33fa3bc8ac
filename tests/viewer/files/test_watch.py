"""Changing rule files."""

import os

from nca.viewer.files import watch
from nca.viewer.files.watch import INTERVAL, Watcher
from tests.helpers.players import Clock, rule_file


def looking(paths):
    """A watcher, and a function that lets it check once the interval is over."""
    clock = Clock()
    watcher = Watcher(paths, clock)

    def look():
        clock.now += INTERVAL
        return watcher.poll()

    return look


def test_a_renamed_and_a_rewritten_file_are_seen_once(tmp_path):
    path = rule_file(tmp_path)
    look = looking([path])
    assert look() == []
    rule_file(tmp_path, "new", seed=1).replace(path)
    (change,) = look()
    assert change.number == 0
    assert change.rule is not None
    assert look() == []
    path.write_bytes(path.read_bytes() + b"")
    assert len(look()) == 1


def test_a_broken_file_is_reported_and_a_missing_one_waited_for(tmp_path):
    paths = [rule_file(tmp_path), tmp_path / "later.safetensors"]
    look = looking(paths)
    paths[0].write_bytes(b"half of a fi")
    (change,) = look()
    assert change.rule is None
    assert "not a usable rule file" in change.trouble
    paths[0].unlink()
    assert look() == []
    rule_file(tmp_path, "later")
    (change,) = look()
    assert change.number == 1
    assert change.rule is not None


def test_a_look_costs_nothing_between_two(tmp_path):
    path, clock = rule_file(tmp_path), Clock()
    watcher = Watcher([path], clock)
    assert watcher.poll() == []
    rule_file(tmp_path, seed=1)
    clock.now += 0.9 * INTERVAL
    assert watcher.poll() == []
    clock.now += 0.2 * INTERVAL
    assert len(watcher.poll()) == 1


def test_a_pipe_in_the_place_of_a_rule_is_not_read(tmp_path):
    path = rule_file(tmp_path)
    look = looking([path])
    path.unlink()
    os.mkfifo(path)
    assert look() == []
    rule_file(tmp_path, "new", seed=1).replace(path)
    (change,) = look()
    assert change.rule is not None


def test_a_reader_that_fails_in_its_own_way_is_reported(tmp_path, monkeypatch):
    look = looking([rule_file(tmp_path)])
    monkeypatch.setattr(watch, "load_rule", lambda _: {}["settings"])
    rule_file(tmp_path, seed=1)
    (change,) = look()
    assert change.rule is None
    assert change.trouble == "KeyError: 'settings'"
