"""Emit a rule for programs that redraw one image, where each pass reads the previous image.

The groups of the state are tiles of the image (:mod:`nca.exporters.glsl.tiles`). The texel to the
right of the tiles is the mark, see ``layout.glsl``. The texel two rows above the mark stores the
number of passes so far. A pass runs a step or, for rules whose cells can die, half a step. In that
case, the second half also needs the old values of group 0, so the first half copies them into an
additional tile.
"""

from nca.exporters.glsl.text import template
from nca.exporters.glsl.tiles import Tiles, arrange, small_size, tile_source
from nca.exporters.settings import ExportOptions
from nca.rule import Rule

LARGEST_SIDE = 4096  # in cells; in practice, the size of the image limits the grid


def passes_per_step(rule: Rule) -> int:
    """Return the number of passes that a step takes."""
    return 1 if rule.settings.alive_threshold is None else 2


def ping_pong_tiles(rule: Rule, options: ExportOptions) -> Tiles:
    """Lay out the tiles in a square image; by default, they are as large as the image allows."""
    spare = passes_per_step(rule) - 1
    return arrange(rule, options.grid or LARGEST_SIDE, (1024, 1024), spare=spare)


def ping_pong_grid(rule: Rule, options: ExportOptions) -> tuple[int, int]:
    """Return height and width of a state for a quick test run."""
    return small_size(rule, ping_pong_tiles(rule, options).side)


def ping_pong_source(
    rule: Rule, options: ExportOptions, seed: str, *, fills_screen: bool = False
) -> str:
    """Emit the functions of a pass, for a target that defines ``vec4 nca_read(ivec2 texel)``.

    A pass must first call ``nca_prepare(size of the image)``. ``nca_initial(texel)`` returns a
    texel of the first image. ``nca_advance(texel)`` returns a texel of the next image, computed
    from the image that ``nca_read`` reads.

    Args:
        rule: the rule.
        options: digits of literals, state format, and size of the grid.
        seed: GLSL expression for the random seed.
        fills_screen: see :func:`nca.exporters.glsl.tiles.tile_source`.
    """
    dies = rule.settings.alive_threshold is not None
    source = template("tiles/ping_pong.glsl").replace("NCA_PASSES", str(passes_per_step(rule)))
    return (
        "\nvec4 nca_read(ivec2 nca_texel);\n"
        + tile_source(
            rule, ping_pong_tiles(rule, options), options, 1, seed=seed, fills_screen=fills_screen
        )
        + source
        + (ADVANCE_HALF if dies else ADVANCE)
    )


ADVANCE = """
vec4 nca_before(ivec2 nca_texel) { return nca_read(nca_texel); }

vec4 nca_advance(ivec2 nca_texel) {
  if (nca_texel == nca_count_place()) return vec4(nca_counted(), 0.0, 0.0, 1.0);
  return nca_tile_step(nca_texel);
}
"""
ADVANCE_HALF = """
bool nca_lives = false;  // whether this pass is the second half of a step

vec4 nca_before(ivec2 nca_texel) {
  return nca_read(nca_texel + (nca_lives ? nca_corner(nca_groups) : ivec2(0)));
}

vec4 nca_after(ivec2 nca_texel) { return nca_read(nca_texel); }

vec4 nca_advance(ivec2 nca_texel) {
  nca_lives = nca_count() % 2 == 1;
  if (nca_texel == nca_count_place()) return vec4(nca_counted(), 0.0, 0.0, 1.0);
  ivec2 nca_at;
  if (nca_lives) {
    if (nca_group_at(nca_texel, nca_at) < 0) return nca_read(nca_texel);
    return nca_tile_life(nca_texel);
  }
  nca_at = nca_texel - nca_corner(nca_groups);
  bool nca_saves = all(greaterThanEqual(nca_at, ivec2(0))) && all(lessThan(nca_at, nca_size));
  return nca_saves ? nca_read(nca_at) : nca_tile_step(nca_texel);
}
"""
