"""Emit a rule for targets with one texture per pass. Each group of four channels is a tile of it.

Passes are drawn one after the other. With one texture per group, the second group would therefore
be computed from a first group that is already one step ahead. The tiles of one texture are drawn
together, so they belong to the same step. Several such textures form a chain. If cells cannot die,
each pass of the chain runs a whole step. Otherwise, two passes run a step: a step pass, and a life
pass, which clears the cells that do not live.
"""

from dataclasses import dataclass

from nca.exporters.glsl.decoder import decoder_source
from nca.exporters.glsl.emitter import life_source, start_source, step_source
from nca.exporters.glsl.pieces import coding, group_count, number
from nca.exporters.glsl.text import template, without_repeats
from nca.exporters.settings import ExportOptions
from nca.rule import Rule

# The smallest common size of Shadertoy's screen. Tiles that fit on it fit on any screen.
SMALLEST_SCREEN = (640, 360)
LARGEST_SIDE = 256  # upper limit of the default number of cells per side
FIGURE_SIDE = 72  # side of the default training grid of images that grow from one cell, in cells


@dataclass(frozen=True)
class Tiles:
    """Layout of the groups in a texture: ``columns`` x ``rows`` tiles, each ``side`` cells wide."""

    columns: int
    rows: int
    side: int

    @property
    def texture_size(self) -> tuple[int, int]:
        """Width and height of a texture for the tiles, and one more column for the mark.

        The mark is a texel that identifies a valid state, see ``layout.glsl``.
        """
        return self.columns * self.side + 1, self.rows * self.side


def arrange(
    rule: Rule, side: int | None, screen: tuple[int, int] = SMALLEST_SCREEN, *, spare: int = 0
) -> Tiles:
    """Choose the number of columns that allows the largest tiles on a screen.

    Args:
        rule: the rule.
        side: side of a tile in cells; default: the largest multiple of 8 that fits on the screen,
            at most 256.
        screen: width and height in texels.
        spare: number of additional tiles, which follow the tiles of the groups.
    """
    groups = group_count(rule.settings.channels) + spare
    width, height = screen

    def fit(columns: int) -> int:
        return min((width - 1) // columns, height // -(-groups // columns))

    columns = max(range(1, groups + 1), key=fit)
    largest = min(fit(columns), LARGEST_SIDE) // 8 * 8
    return Tiles(columns, -(-groups // columns), side or largest)


def default_side(rule: Rule, pixels: int) -> int:
    """Return the default number of cells per side.

    For a rule with a decoder, it is the number of cells that draw a picture ``pixels`` wide.
    """
    if rule.decoder is None:
        return LARGEST_SIDE
    least = FIGURE_SIDE if rule.settings.start == "center" else 1
    return min(max(pixels // rule.settings.pixels_per_cell, least), LARGEST_SIDE)


def brush_radius(rule: Rule) -> float:
    """Return the radius of the brush in cells; it looks about equally large with a decoder."""
    return 10.0 if rule.decoder is None else max(20.0 / rule.settings.pixels_per_cell, 2.0)


def small_grid(rule: Rule, options: ExportOptions) -> tuple[int, int]:
    """Return height and width of a state for a quick test run."""
    return small_size(rule, arrange(rule, options.grid).side)


def small_size(rule: Rule, side: int) -> tuple[int, int]:
    """Return height and width of a state, at most ``side`` each, for a small screen."""
    scale = rule.settings.pixels_per_cell
    return min(side, 48, 128 // scale), min(side, 64, 192 // scale)


def screen_for(rule: Rule, tiles: Tiles, height: int, width: int) -> tuple[int, int]:
    """Return width and height of a screen that a state of ``height`` x ``width`` cells fills.

    :func:`tile_source` explains how the size of the state follows from the screen.
    """
    scale = 1 if rule.settings.start == "center" else rule.settings.pixels_per_cell
    return max(tiles.columns * width + 1, width * scale), max(tiles.rows, scale) * height


@dataclass(frozen=True)
class TilePass:
    """One pass of a chain.

    Attributes:
        reads: number of the pass whose texture contains the state before the step.
        after: number of the pass that computed the step, if this is a life pass; otherwise None.
        step: number of the step within the frame.
        last: whether it is the last pass of the frame, which also restarts and paints.
    """

    reads: int
    after: int | None
    step: int
    last: bool


def chain(rule: Rule, steps: int) -> list[TilePass]:
    """List the passes of one frame; each draws into its own texture and reads earlier ones.

    Textures are drawn in order. A pass that reads an earlier texture gets the content of this
    frame. A pass that reads its own texture or a later one gets the content of the previous frame.
    The first pass therefore continues from the last one.
    """
    dies = rule.settings.alive_threshold is not None
    passes: list[TilePass] = []
    count = steps * (2 if dies else 1)
    for step in range(steps):
        before = (len(passes) - 1) % count
        passes.append(TilePass(before, None, step, len(passes) == count - 1))
        if dies:
            after = len(passes) - 1
            passes.append(TilePass(before, after, step, len(passes) == count - 1))
    return passes


def tile_source(
    rule: Rule,
    tiles: Tiles,
    options: ExportOptions,
    steps: int,
    *,
    seed: str | None = None,
    fills_screen: bool = False,
) -> str:
    """Emit the code that all passes share.

    After this code, the target defines ``nca_before(texel)``, which returns a texel of the state
    before the step. For rules with an alive threshold, it also defines ``nca_after(texel)``, which
    returns a texel of the state after the step.

    Every pass first calls ``nca_begin``. It then writes the result of ``nca_tile_step`` or
    ``nca_tile_life``; the last pass applies ``nca_finish`` to that result. ``nca_view(pixel, size
    of the screen)`` returns the color of a pixel of the screen. ``nca_smooth(position)`` returns
    the color at a position in cells.

    Args:
        rule: the rule.
        tiles: layout of its groups.
        options: digits, state format, random seed.
        steps: steps per frame. Frame 0 shows the initial state; frame 1 runs the first steps.
        seed: GLSL expression for the random seed; default: the seed of the options.
        fills_screen: whether the texture is as large as the screen. If so, a rule with a decoder
            has only as many cells as are needed to fill the screen.
    """
    settings = rule.settings
    dies = settings.alive_threshold is not None
    exact = options.state != "rgba8"
    zoom = _zoom(rule, options)
    constant = f"const uint nca_seed_number = {options.seed}u;"
    seed_line = f"#define nca_seed_number ({seed})" if seed else constant
    text = f"""
const int nca_columns = {tiles.columns};
const int nca_rows = {tiles.rows};
const int nca_groups = {group_count(settings.channels)};
const int nca_side = {tiles.side};  // cells per side, if they fit on the screen
{seed_line}  // random seed of cell updates and initial noise
const bool nca_is_exact = {"true" if exact else "false"};  // whether texels can hold any number
const bool nca_wraps = {"true" if settings.wraps else "false"};
const float nca_rgb_scale = {number(settings.rgb_scale)};
const float nca_rgb_offset = {number(settings.rgb_offset)};

ivec2 nca_size;  // cells across and down
uint nca_base;   // hash of the step number and the seed

vec4 nca_before(ivec2 nca_texel);
{"vec4 nca_after(ivec2 nca_texel);" if dies else ""}
vec4 nca_mark() {{ return {"vec4(nca_size, nca_groups, 1)" if exact else "vec4(1, 0, 0, 1)"}; }}
{coding(rule.settings, options.state)}
{template("tiles/layout.glsl").replace("NCA_ZOOM", zoom)}\
{_picture(rule, options)}{start_source(rule)}\
{step_source(rule, digits=options.digits)}"""
    if dies:
        text += (
            "\nvec4 nca_fetch_after(int nca_group, ivec2 nca_at) {\n"
            "  return nca_decode(nca_after(nca_corner(nca_group) + nca_at));\n}\n"
        ) + life_source(rule)
    text += _writer("nca_tile_step", "nca_step", rule)
    if dies:
        text += _writer("nca_tile_life", "nca_live", rule)
    most = "nca_room"
    if fills_screen and rule.decoder:
        most = f"min(nca_room, ivec2(ceil(nca_screen * {zoom} - 0.01)))"
    return without_repeats(text) + _FRAME.format(steps=steps, most=most)


def _zoom(rule: Rule, options: ExportOptions) -> str:
    """Return a GLSL expression for the number of cells per pixel of ``nca_screen``.

    A cell covers as many pixels as the decoder was trained for. But an image that grows from one
    cell is scaled so that all of it is visible.
    """
    if rule.decoder is None:
        return "min(1.0, 225.0 / nca_screen.y)"
    zoom = number(1 / rule.settings.pixels_per_cell)
    if rule.settings.start != "center":
        return zoom
    cells = number(options.grid or FIGURE_SIDE)
    return f"max({zoom}, {cells} / min(nca_screen.x, nca_screen.y))"


def _picture(rule: Rule, options: ExportOptions) -> str:
    """Emit ``nca_smooth`` and ``nca_view``."""
    colors = template("tiles/cells.glsl")
    if rule.decoder:
        colors = decoder_source(rule, digits=options.digits) + template("tiles/decoded.glsl")
    return colors + template("tiles/view.glsl")


def _writer(name: str, function: str, rule: Rule) -> str:
    """Emit a function that computes a texel.

    Inside a tile, it returns the new values of the tile's group. Outside the tiles, it returns the
    old value.
    """
    groups = range(group_count(rule.settings.channels))
    values = [f"nca_n{g}" for g in groups]
    chosen = "".join(f"nca_group == {g} ? nca_n{g} : " for g in groups[:-1]) + values[-1]
    return f"""
vec4 {name}(ivec2 nca_texel) {{
  ivec2 nca_at;
  int nca_group = nca_group_at(nca_texel, nca_at);
  if (nca_group < 0) return nca_before(nca_texel);
  vec4 {", ".join(values)};
  {function}(nca_at, {", ".join(values)});
  return nca_encode({chosen});
}}
"""


_FRAME = """
// Every pass calls this first, with the size of its texture, the frame, and the step in the frame.
void nca_begin(vec2 nca_screen, int nca_frame, int nca_step_of_frame) {{
  ivec2 nca_room = (ivec2(nca_screen) - ivec2(1, 0)) / ivec2(nca_columns, nca_rows);
  nca_size = clamp({most}, ivec2(1), ivec2(nca_side));
  uint nca_step_number = uint(nca_frame - 1) * {steps}u + uint(nca_step_of_frame);
  nca_base = nca_hash(nca_step_number + nca_hash(nca_seed_number));
}}

// The last pass of a frame may restart, erase under a brush, or plant under it. nca_brush is the
// position and the radius of the brush, in cells; the radius is 0 while the brush is not in use.
vec4 nca_finish(ivec2 nca_texel, vec4 nca_value, bool nca_restart, vec3 nca_brush,
                bool nca_plants) {{
  ivec2 nca_at;
  int nca_group = nca_group_at(nca_texel, nca_at);
  if (nca_texel == nca_pointer_place()) return vec4(nca_brush, 1.0);
  if (nca_group < 0) return nca_mark();
  if (nca_restart) return nca_encode(nca_start(nca_group, nca_at, nca_seed_number));
  vec3 nca_was = nca_before(nca_pointer_place()).xyz;
  bool nca_drawn = nca_is_exact && nca_was.z > 0.0;
  vec2 nca_from = nca_drawn ? nca_was.xy : nca_brush.xy;
  if (!nca_brushed(nca_at, nca_from, nca_brush.xy, nca_brush.z)) return nca_value;
  return nca_encode(nca_plants ? nca_plant(nca_group) : vec4(0.0));
}}
"""
