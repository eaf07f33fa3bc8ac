"""The owners of cells."""

import numpy as np
import pytest

from nca.viewer.controls import BLEND_BORDER as BORDER
from nca.viewer.simulation.field import Field
from nca.viewer.simulation.stroke import EVERYWHERE, Stroke


def share_of(field: Field, rule: int) -> np.ndarray:
    shares = field.shares.astype(int)
    return (shares[..., 0] == rule) * shares[..., 1] + (shares[..., 2] == rule) * (
        (shares[..., 0] != rule) * shares[..., 3]
    )


def test_a_painted_rule_takes_over_softly():
    field = Field(48, 64, wraps=True)
    field.paint(2, Stroke((30, 24), (30, 24), 12))
    share = share_of(field, 2)
    assert share[24, 30] == 255
    assert share[0, 0] == 0
    row = share[24, :31]
    assert (np.diff(row) >= 0).all()
    assert 90 < row[18] < 165, "half at the edge of the brush"
    assert row[18 - BORDER - 2] == 0
    assert field.present == [0, 2]
    assert (field.shares[..., 1].astype(int) + field.shares[..., 3] == 255).all()


@pytest.mark.parametrize("wraps", [True, False])
def test_painting_a_part_gives_what_blending_the_whole_gives(wraps):
    generator = np.random.default_rng(3)
    field = Field(40, 56, wraps=wraps)
    for rule in (1, 2, 3, 0, 1):
        start, end = (tuple(generator.uniform((-8, -8), (64, 48))) for _ in range(2))
        field.paint(rule, Stroke(start, end, float(generator.uniform(2, 9))))
        whole = Field(40, 56, wraps=wraps)
        whole.restore(field.owner)
        np.testing.assert_array_equal(field.shares, whole.shares)


def test_the_brush_goes_on_across_the_border_of_a_torus_only():
    for wraps in (True, False):
        field = Field(32, 32, wraps=wraps)
        field.paint(1, Stroke((1, 16), (1, 16), 5))
        assert field.owner[16, 2] == 1
        assert field.owner[16, 30] == wraps
        field.paint(2, EVERYWHERE)
        assert field.present == [2]


def test_a_brush_larger_than_the_grid():
    field = Field(8, 8, wraps=True)
    field.paint(1, Stroke((4, 4), (4, 4), 120))
    assert (share_of(field, 1) == 255).all()
