"""Steps per frame."""

import pytest

from nca.viewer.speed import SLOWEST_FRAME, SPEEDS, SpeedControl, speed_text

FAST = 1 / 60


def test_slow_motion_takes_one_step_in_several_frames():
    control = SpeedControl(1 / 8)
    assert [control.steps(FAST) for _ in range(16)] == ([0] * 7 + [1]) * 2


def test_a_device_that_keeps_up_takes_what_is_asked():
    control = SpeedControl(16)
    assert [control.steps(FAST) for _ in range(5)] == [16] * 5
    assert not control.limited


def test_steps_are_given_up_before_frames_are():
    """On a device with 10 ms per step, 64 steps per frame settle at an allowed frame time."""
    control, frame = SpeedControl(64), FAST
    for _ in range(30):
        frame = 0.001 + 0.010 * control.steps(frame)
    assert control.limited
    assert 0.5 * SLOWEST_FRAME < frame < 1.5 * SLOWEST_FRAME


def test_a_device_slower_than_the_frame_rate_still_steps():
    control = SpeedControl(4)
    for _ in range(20):
        assert control.steps(0.5) >= 1


def test_it_recovers_when_the_device_is_free_again():
    control = SpeedControl(32)
    for _ in range(10):
        control.steps(1.0)
    assert control.limited
    for _ in range(200):
        steps = control.steps(FAST)
    assert steps == 32
    assert not control.limited


def test_speeds_double_and_end():
    control = SpeedControl(1)
    seen = []
    for _ in range(20):
        control.faster()
        seen.append(control.steps_per_frame)
    assert seen[:3] == [2, 4, 8]
    assert seen[-1] == SPEEDS[-1] == 1024
    for _ in range(30):
        control.slower()
    assert control.steps_per_frame == SPEEDS[0] == 1 / 8
    control.set(3)
    control.faster()
    assert control.steps_per_frame == 4


@pytest.mark.parametrize(
    ("speed", "text"),
    [(1, "1 step per frame"), (8, "8 steps per frame"), (1 / 4, "one step in 4 frames")],
)
def test_speeds_in_words(speed, text):
    assert speed_text(speed) == text
