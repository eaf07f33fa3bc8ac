"""A rule for targets with one texture per pass: the groups of the state are tiles of the texture.

Passes are drawn one after the other. So one buffer per group would be wrong: the second group would
be computed from a first group that is already one step ahead. The tiles of one texture are drawn
together, so they belong to the same step. Several such textures form a chain of passes, each of
which runs a whole step.
"""

from dataclasses import dataclass

from nca.exporters.glsl.decoder import decoder_source
from nca.exporters.glsl.emitter import life_source, start_source, step_source
from nca.exporters.glsl.pieces import coding, group_count, number
from nca.exporters.glsl.text import template, without_repeats
from nca.exporters.settings import ExportOptions
from nca.rule import Rule

# Shadertoy's smallest usual screen; tiles that fit in it fit everywhere.
SMALLEST_SCREEN = (640, 360)
LARGEST_SIDE = 256  # default number of cells along a side, at most
FIGURE_SIDE = 72  # cells; the grid on which images that grow from one cell are trained by default


@dataclass(frozen=True)
class Tiles:
    """Layout of the groups in a texture: ``columns`` x ``rows`` tiles, each ``side`` cells wide."""

    columns: int
    rows: int
    side: int

    @property
    def texture_size(self) -> tuple[int, int]:
        """Width and height of a texture for the tiles and the mark on their right (layout.glsl)."""
        return self.columns * self.side + 1, self.rows * self.side


def arrange(
    rule: Rule, side: int | None, screen: tuple[int, int] = SMALLEST_SCREEN, *, spare: int = 0
) -> Tiles:
    """Arrange the groups so that their tiles are as large as possible on a screen.

    Args:
        rule: the rule.
        side: side of a tile in cells; default: what fits on the screen, at most 256.
        screen: width and height in texels.
        spare: number of additional tiles, which follow those of the groups.
    """
    groups = group_count(rule.settings.channels) + spare
    width, height = screen

    def fit(columns: int) -> int:
        return min((width - 1) // columns, height // -(-groups // columns))

    columns = max(range(1, groups + 1), key=fit)
    largest = min(fit(columns), LARGEST_SIDE) // 8 * 8
    return Tiles(columns, -(-groups // columns), side or largest)


def default_side(rule: Rule, pixels: int) -> int:
    """Cells along a side by default, where a decoder draws a picture of ``pixels`` on a side."""
    if rule.decoder is None:
        return LARGEST_SIDE
    least = FIGURE_SIDE if rule.settings.start == "center" else 1
    return min(max(pixels // rule.settings.pixels_per_cell, least), LARGEST_SIDE)


def brush_radius(rule: Rule) -> float:
    """Radius of the brush in cells: about as large on the screen with a decoder as without."""
    return 10.0 if rule.decoder is None else max(20.0 / rule.settings.pixels_per_cell, 2.0)


def small_grid(rule: Rule, options: ExportOptions) -> tuple[int, int]:
    """Height and width of a state for a quick run on the smallest possible screen."""
    return small_size(rule, arrange(rule, options.grid).side)


def small_size(rule: Rule, side: int) -> tuple[int, int]:
    """Height and width of a state of at most ``side`` cells that fills a small screen."""
    scale = rule.settings.pixels_per_cell
    return min(side, 48, 128 // scale), min(side, 64, 192 // scale)


def screen_for(rule: Rule, tiles: Tiles, height: int, width: int) -> tuple[int, int]:
    """Width and height of a screen that a state of this size fills, see :func:`tile_source`."""
    scale = 1 if rule.settings.start == "center" else rule.settings.pixels_per_cell
    return max(tiles.columns * width + 1, width * scale), max(tiles.rows, scale) * height


@dataclass(frozen=True)
class TilePass:
    """One pass of a chain.

    Attributes:
        reads: number of the pass whose texture contains the state before the step.
        after: in a life pass, number of the pass that computed the step; None in a step pass.
        step: number of the step within the frame.
        last: whether it is the last pass of the frame, which also restarts and paints.
    """

    reads: int
    after: int | None
    step: int
    last: bool


def chain(rule: Rule, steps: int) -> list[TilePass]:
    """Passes of one frame: each draws into its own texture and reads the previous one.

    Textures are drawn in order. A pass that reads an earlier texture sees this frame; a pass that
    reads its own or a later one sees the previous frame. So the first pass continues from the last.
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
    """Emit the code that all passes share; the target defines ``nca_before`` after it.

    ``nca_before(texel)`` is a texel of the state before the step. ``nca_after(texel)`` is a texel
    of the state after it, only for rules with an alive threshold. Every pass first calls
    ``nca_begin``. It then writes the result of ``nca_tile_step`` or ``nca_tile_life``; the last
    pass applies ``nca_finish`` to that result. ``nca_view(pixel, size of the screen)`` is the image
    on a screen, and ``nca_smooth(position)`` is the color at a position, in cells.

    Args:
        rule: the rule.
        tiles: layout of its groups.
        options: digits, state format, random seed.
        steps: steps per frame. Frame 0 shows the initial state; frame 1 runs the first steps.
        seed: GLSL expression of the random seed; default: that of the options.
        fills_screen: the texture is as large as the screen. Then a rule with a decoder has only as
            many cells as fill the screen.
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
const int nca_side = {tiles.side};  // cells along a side, if they fit on the screen
{seed_line}  // decides which cells fire
const bool nca_is_exact = {"true" if exact else "false"};  // texels can hold any number
const bool nca_wraps = {"true" if settings.wraps else "false"};
const float nca_rgb_scale = {number(settings.rgb_scale)};
const float nca_rgb_offset = {number(settings.rgb_offset)};

ivec2 nca_size;  // cells across and down
uint nca_base;   // hash of the step and the seed

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
    """GLSL expression of the cells per pixel of ``nca_screen``.

    A cell is drawn by as many pixels as its decoder was trained for, but an image that grows from
    one cell is shown as a whole.
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
    """GLSL function that computes a texel: a group in its tile, or the old value elsewhere."""
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
// position and the radius of the brush, in cells; the radius is 0 if the brush does not touch.
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
