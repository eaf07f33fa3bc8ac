"""Every target makes the same steps of a classic automaton as torch, without any difference."""

import moderngl
import pytest
import torch

from nca.automata.construction import ALIVE, build
from nca.automata.notation import parse_automaton
from nca.exporters.registry import find_target, target_names
from nca.exporters.settings import ExportOptions
from nca.viewer.headless import simulate_gl
from tests.helpers.hosts import TARGETS

# A link rounds the weights; Unity's files are run only in tests/export/hosts/test_unity.py.
NOT_RUN = ("gltf", "link", "unity")
pytestmark = [pytest.mark.gl, pytest.mark.usefixtures("quick_thumbnails")]


@pytest.mark.parametrize("target", [name for name in target_names() if name not in NOT_RUN])
def test_no_target_differs(
    target: str, gl: moderngl.Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/tmp")  # which wgpu asks for
    host, options = find_target(target), ExportOptions(seed=3)
    for name in ("life", "star-wars"):
        rules = {name: build(parse_automaton(name)).file()}
        found = host.measure(rules, host.build(rules, options), options, gl)[name]
        assert found.largest is not None, found.reason
        assert found.largest < 1e-6


@pytest.mark.parametrize(("state", "name"), [
    ("rgba16f", "life"), ("rgba8", "life"), ("rgba8", "brians-brain"), ("rgba8", "cyclic-313"),
])  # fmt: skip
def test_coarse_textures_make_the_same_steps(state: str, name: str, gl: moderngl.Context) -> None:
    host, classic = TARGETS["glsl"], build(parse_automaton(name))
    options = ExportOptions(seed=3, state=state)
    rule, file = classic.rule, classic.file()
    start = rule(rule.initial_state(1, 32, 48, seed=1), 12)
    assert host.run is not None
    got = host.run(host.build({name: file}, options), rule, options, start[0], 64, gl)
    steps = 64 * host.frame_steps(rule, options)
    decides = slice(ALIVE, ALIVE + 1 if name == "life" else None)  # the age of Life only colors
    assert torch.equal(got[decides].round(), rule(start, steps)[0, decides])


@pytest.mark.parametrize("name", ["life", "bombers", "cyclic"])
def test_hundreds_of_steps_from_noise_are_the_same_on_the_graphics_card(name: str) -> None:
    rule = build(parse_automaton(name)).rule
    start = rule.initial_state(1, 40, 56, seed=2)
    (state,) = simulate_gl(rule, start, [200], seed=2)
    assert (state - rule(start, 200)).abs().max() < 1e-6
