"""The limit on flashes, in the window; tests/page/test_flashes.py has the same cases."""

from pathlib import Path

import numpy as np
import pytest
import torch

from nca.rule_settings import RuleSettings
from nca.rulefile import load_rule
from nca.viewer.simulation.camera import Camera
from nca.viewer.simulation.display import Display
from nca.viewer.simulation.flashes import Frame
from nca.viewer.simulation.look import Look
from nca.viewer.simulation.simulation import Simulation
from tests.helpers.rules import bounded_rule
from tests.viewer.simulation.flashes import FRAMES, RATE, SIZE, flashing, most_turns

pytestmark = pytest.mark.gl

RULES = Path(__file__).parents[3] / "nca" / "gallery" / "rules"


@pytest.fixture
def display(gl):
    display = Display(gl)
    yield display
    display.release()


def shown(gl, display, simulation, look, frame) -> np.ndarray:
    """Colors of a frame, [H, W, 3] of 0 to 255."""
    display.limit(simulation, look, frame)
    target = gl.simple_framebuffer(frame.size, 4)
    display.draw(simulation, frame.camera, look, target, limits=True)
    pixels = np.frombuffer(target.read(components=3, alignment=1), np.uint8)
    target.release()
    return pixels.reshape(*frame.size[::-1], 3)


@pytest.mark.parametrize("average_steps", [1, 4])
@pytest.mark.parametrize("every", [1, 4, 8])
def test_no_second_has_more_than_three_flashes(gl, display, every, average_steps):
    simulation = Simulation(gl, [bounded_rule(RuleSettings(4, 8))], (16, 16))
    look, camera = Look(average_steps=average_steps), Camera(zoom=SIZE / 16)
    pictures = []
    for number in range(FRAMES):
        simulation.write(torch.full((4, 16, 16), flashing(number, every)))
        display.average(simulation, look)
        frame = Frame(camera, (SIZE, SIZE), 1.0, 10 + number / RATE)
        pictures.append(shown(gl, display, simulation, look, frame)[SIZE // 2, SIZE // 2])
    assert most_turns([flashing(n, every) + 0.5 for n in range(FRAMES)]) > 6
    assert most_turns([color.mean() / 255 for color in pictures]) <= 6
    # As soon as the state stays the same, it is shown.
    for number in range(FRAMES, FRAMES + 2 * RATE):
        display.average(simulation, look)
        frame = Frame(camera, (SIZE, SIZE), 1.0, 10 + number / RATE)
        last = shown(gl, display, simulation, look, frame)
    assert last[0, 0].tolist() == [round(255 * (flashing(FRAMES - 1, every) + 0.5))] * 3
    simulation.release()


@pytest.mark.parametrize(
    ("every", "area", "saturated"), [(20, 1.0, False), (4, 0.05, False), (4, 1.0, True)]
)
def test_only_fast_and_large_flashes_are_limited(gl, display, every, area, saturated):
    """Slow ones and small ones are not; red ones are, though they are dark."""
    simulation = Simulation(gl, [bounded_rule(RuleSettings(4, 8))], (20, 20))
    look, camera = Look(scaling="squares"), Camera(zoom=SIZE / 20)
    limited = False
    for number in range(RATE):
        state = torch.full((4, 20, 20), -0.5)
        strength = 0.6 if saturated else 1.0
        lit = int(20 * area)
        rows = slice(20 if area == 1 else 10)
        state[: 1 if saturated else 3, rows, :lit] = (
            flashing(number, every) + 0.5
        ) * strength - 0.5
        simulation.write(state)
        frame = Frame(camera, (SIZE, SIZE), 1.0, 10 + number / RATE)
        picture = shown(gl, display, simulation, look, frame)
        expected = (state[:3, 5, 0] + 0.5).clamp(0, 1) * 255
        limited |= bool(np.abs(picture[232, 8] - expected.numpy()).max() > 1)
    assert limited is saturated
    simulation.release()


def test_ordinary_rules_are_shown_as_they_are(gl, display):
    rule = load_rule(RULES / "scales.safetensors").rule
    simulation = Simulation(gl, [rule], (32, 32))
    camera, look = Camera(zoom=SIZE / 32), Look()
    for number in range(RATE):
        simulation.step(4)
        if number == 40:
            simulation.reset()
        camera.pan(3.0 * (-1) ** number, 0)  # moves are no flashes
        frame = Frame(camera, (SIZE, SIZE), 1.0, 10 + number / RATE)
        picture = shown(gl, display, simulation, look, frame)
        assert not display.flashes.limited
    plain = np.asarray(display.picture(simulation, camera, look, (SIZE, SIZE)))[::-1]
    assert np.abs(plain.astype(int) - picture).max() <= 1
    simulation.release()
