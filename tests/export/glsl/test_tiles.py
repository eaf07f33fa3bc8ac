import pytest

from nca.decoder import DecoderSettings
from nca.exporters.glsl.tiles import (
    SMALLEST_SCREEN,
    TilePass,
    arrange,
    brush_radius,
    chain,
    default_side,
)
from nca.rule import Rule
from nca.rule_settings import RuleSettings


@pytest.mark.parametrize("channels", [4, 8, 12, 16, 20, 24, 40, 64])
def test_tiles_and_mark_fit_on_the_smallest_screen(channels):
    tiles = arrange(Rule(RuleSettings(channels, 4)), None)
    width, height = tiles.texture_size
    assert width <= SMALLEST_SCREEN[0]
    assert height <= SMALLEST_SCREEN[1]
    assert tiles.columns * tiles.rows >= channels // 4
    assert tiles.side >= 80


def test_a_chain_goes_on_from_its_own_end():
    rule = Rule(RuleSettings(4, 4))
    assert chain(rule, 1) == [TilePass(0, None, 0, True)]
    assert [one.reads for one in chain(rule, 4)] == [3, 0, 1, 2]
    dying = chain(Rule(RuleSettings(4, 4, alive_threshold=0.1)), 2)
    assert [(one.reads, one.after) for one in dying] == [(3, None), (3, 0), (1, None), (1, 2)]
    assert [one.last for one in dying] == [False, False, False, True]


@pytest.mark.parametrize(
    ("scale", "start", "side", "radius"),
    [
        (None, "zeros", 256, 10),
        (2, "zeros", 256, 10),
        (8, "noise", 64, 2.5),
        (16, "zeros", 32, 2),
        (16, "center", 72, 2),
    ],
)
def test_a_picture_of_a_decoder_has_fewer_cells_and_a_smaller_brush(scale, start, side, radius):
    decoder = DecoderSettings(scale) if scale else None
    rule = Rule(RuleSettings(4, 4, start=start, decoder=decoder))
    assert default_side(rule, 512) == side
    assert brush_radius(rule) == radius
