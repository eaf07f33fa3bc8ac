// golden: a neural cellular automaton, 5 channels, 3 hidden units, 83 weights.
// Rule by: A. Nonymous
// License: CC0-1.0
// Shader made by nca-studio 0.
//
// On shadertoy.com: make a new shader, add the tabs Common, Buffer A, Buffer B, Buffer C, Buffer D (the + left of Image),
// paste each file into the tab with the same name, and set the channels listed at its top.
// Drag to erase. Shift and drag to plant. R restarts.
//
// 2 steps per frame. Tested in OpenGL, with the passes in the site's order, but not on the site itself.

const int nca_columns = 2;
const int nca_rows = 1;
const int nca_groups = 2;
const int nca_side = 256;  // cells per side, if they fit on the screen
const uint nca_seed_number = 0u;  // random seed of cell updates and initial noise
const bool nca_is_exact = true;  // whether texels can hold any number
const bool nca_wraps = true;
const float nca_rgb_scale = 1.0;
const float nca_rgb_offset = 0.5;

ivec2 nca_size;  // cells across and down
uint nca_base;   // hash of the step number and the seed

vec4 nca_before(ivec2 nca_texel);
vec4 nca_after(ivec2 nca_texel);
vec4 nca_mark() { return vec4(nca_size, nca_groups, 1); }
vec4 nca_decode(vec4 nca_t) { return nca_t; }
vec4 nca_encode(vec4 nca_v) { return nca_v; }

// A state of several groups of four channels in one texture: group g is the tile at column
// g % nca_columns and row g / nca_columns. Each tile has nca_size texels; row 0 of the state is the
// lowest row of its tile. The texel to the right of the tiles holds a mark, which distinguishes a
// valid state of this size from an empty or resized texture.

ivec2 nca_corner(int nca_group) {
  return nca_size * ivec2(nca_group % nca_columns, nca_group / nca_columns);
}

ivec2 nca_mark_place() { return ivec2(nca_columns * nca_size.x, 0); }

// The group that a texel belongs to (-1 outside the tiles), and its cell.
int nca_group_at(ivec2 nca_texel, out ivec2 nca_at) {
  ivec2 nca_t = nca_texel / nca_size;
  nca_at = nca_texel - nca_t * nca_size;
  int nca_group = nca_t.y * nca_columns + nca_t.x;
  return nca_t.x < nca_columns && nca_group < nca_groups ? nca_group : -1;
}

vec4 nca_fetch(int nca_group, ivec2 nca_at) {
  return nca_decode(nca_before(nca_corner(nca_group) + nca_at));
}

bool nca_is_marked() {
  return all(lessThan(abs(nca_before(nca_mark_place()) - nca_mark()), vec4(0.01)));
}

// Cells per pixel. A state that wraps is repeated; any other state is shown once, as a whole.
float nca_zoom(vec2 nca_screen) {
  vec2 nca_cells = vec2(nca_size);
  if (nca_wraps) return min(1.0, 225.0 / nca_screen.y);
  return max(nca_cells.x / nca_screen.x, nca_cells.y / nca_screen.y);
}

// Position of a pixel in cells; pixels count from the lower left, cells from the upper left.
vec2 nca_place(vec2 nca_pixel, vec2 nca_screen) {
  vec2 nca_turned = vec2(nca_pixel.x, nca_screen.y - nca_pixel.y);
  float nca_scale_down = nca_zoom(nca_screen);
  if (nca_wraps) return nca_turned * nca_scale_down;
  return (nca_turned - 0.5 * nca_screen) * nca_scale_down + 0.5 * vec2(nca_size);
}

// The texel above the mark stores the last pointer position, so that a quick stroke has no gaps.
ivec2 nca_pointer_place() { return nca_mark_place() + ivec2(0, 1); }

bool nca_brushed(ivec2 nca_at, vec2 nca_from, vec2 nca_to, float nca_radius) {
  vec2 nca_line = nca_to - nca_from, nca_cells = vec2(nca_size);
  vec2 nca_away = vec2(nca_at) + 0.5 - nca_from - 0.5 * nca_line;
  if (nca_wraps) nca_away -= nca_cells * floor(nca_away / nca_cells + 0.5);
  float nca_along = dot(nca_away, nca_line) / max(dot(nca_line, nca_line), 0.000001);
  return length(nca_away - clamp(nca_along, -0.5, 0.5) * nca_line) < nca_radius;
}

vec3 nca_color(ivec2 nca_at) {
  ivec2 nca_last = nca_size - 1;
  ivec2 nca_cell = clamp(nca_at, ivec2(0), nca_last);
  if (nca_wraps) {
    nca_cell = nca_at - nca_size * ivec2(floor(vec2(nca_at) / vec2(nca_size)));
    nca_cell = clamp(nca_cell, ivec2(0), nca_last);
  }
  return clamp(nca_fetch(0, nca_cell).rgb * nca_rgb_scale + nca_rgb_offset, 0.0, 1.0);
}

// The color at a position in cells, blended between the centers of cells.
vec3 nca_smooth(vec2 nca_point) {
  vec2 nca_low = floor(nca_point - 0.5), nca_part = nca_point - 0.5 - nca_low;
  ivec2 nca_a = ivec2(nca_low), nca_b = nca_a + 1;
  vec3 nca_above = mix(nca_color(nca_a), nca_color(ivec2(nca_b.x, nca_a.y)), nca_part.x);
  vec3 nca_below = mix(nca_color(ivec2(nca_a.x, nca_b.y)), nca_color(nca_b), nca_part.x);
  return mix(nca_above, nca_below, nca_part.y);
}

// The image on a screen.
vec3 nca_view(vec2 nca_pixel, vec2 nca_screen) {
  vec2 nca_point = nca_place(nca_pixel, nca_screen);
  vec2 nca_outside = abs(nca_point - 0.5 * vec2(nca_size)) - 0.5 * vec2(nca_size);
  if (!nca_wraps && max(nca_outside.x, nca_outside.y) > 0.0) return vec3(0.07);
  return nca_smooth(nca_point);
}

uint nca_hash(uint nca_v) {
  uint nca_s = nca_v * 747796405u + 2891336453u;
  uint nca_w = ((nca_s >> ((nca_s >> 28u) + 4u)) ^ nca_s) * 277803737u;
  return (nca_w >> 22u) ^ nca_w;
}

vec4 nca_used(int nca_group) {
  return vec4(lessThan(ivec4(0, 1, 2, 3) + 4 * nca_group, ivec4(5)));
}

vec4 nca_plant(int nca_group) {
  return (nca_group == 0 ? vec4(0.0, 0.0, 0.0, 1.0) : vec4(1.0)) * nca_used(nca_group);
}

vec4 nca_noise(int nca_group, ivec2 nca_at, uint nca_number) {
  vec4 nca_value;
  for (int nca_i = 0; nca_i < 4; nca_i++) {
    // The noise of a channel uses step number 2**32 - 1 - channel. No run reaches that step, so the
    // noise is independent of all masks.
    uint nca_layer = nca_hash(4294967295u - uint(4 * nca_group + nca_i) + nca_hash(nca_number));
    uint nca_bits = nca_hash(uint(nca_at.x) + nca_hash(uint(nca_at.y) + nca_layer));
    nca_value[nca_i] = float(nca_bits >> 8u) * 5.96046448e-08 - 0.5;
  }
  return nca_value * nca_used(nca_group);
}

vec4 nca_start(int nca_group, ivec2 nca_at, uint nca_number) {
  return nca_at == nca_size / 2 ? nca_plant(nca_group) : vec4(0.0);
}

bool nca_fires(ivec2 nca_at) {
  uint nca_bits = nca_hash(uint(nca_at.x) + nca_hash(uint(nca_at.y) + nca_base));
  return nca_bits < 2147483648u;
}

ivec2 nca_pad(ivec2 nca_c) {
  return nca_c + nca_size * (ivec2(lessThan(nca_c, ivec2(0)))
                             - ivec2(greaterThanEqual(nca_c, nca_size)));
}

void nca_step(ivec2 nca_at, out vec4 nca_next0, out vec4 nca_next1) {
  ivec2 nca_low = nca_pad(nca_at - 1), nca_high = nca_pad(nca_at + 1);
  vec4 nca_now0 = nca_fetch(0, nca_at);
  vec4 nca_t0_00 = nca_fetch(0, ivec2(nca_low.x, nca_low.y));
  vec4 nca_t0_01 = nca_fetch(0, ivec2(nca_at.x, nca_low.y));
  vec4 nca_t0_02 = nca_fetch(0, ivec2(nca_high.x, nca_low.y));
  vec4 nca_t0_10 = nca_fetch(0, ivec2(nca_low.x, nca_at.y));
  vec4 nca_t0_12 = nca_fetch(0, ivec2(nca_high.x, nca_at.y));
  vec4 nca_t0_20 = nca_fetch(0, ivec2(nca_low.x, nca_high.y));
  vec4 nca_t0_21 = nca_fetch(0, ivec2(nca_at.x, nca_high.y));
  vec4 nca_t0_22 = nca_fetch(0, ivec2(nca_high.x, nca_high.y));
  vec4 nca_p0_0 = nca_now0;
  vec4 nca_p0_1 = - nca_t0_00 + nca_t0_02 - 2.0 * nca_t0_10 + 2.0 * nca_t0_12 - nca_t0_20 + nca_t0_22;
  vec4 nca_p0_2 = - nca_t0_00 - 2.0 * nca_t0_01 - nca_t0_02 + nca_t0_20 + 2.0 * nca_t0_21 + nca_t0_22;
  vec4 nca_p0_3 = nca_t0_00 + 2.0 * nca_t0_01 + nca_t0_02 + 2.0 * nca_t0_10 - 12.0 * nca_now0 + 2.0 * nca_t0_12 + nca_t0_20 + 2.0 * nca_t0_21 + nca_t0_22;
  vec4 nca_now1 = nca_fetch(1, nca_at);
  vec4 nca_t1_00 = nca_fetch(1, ivec2(nca_low.x, nca_low.y));
  vec4 nca_t1_01 = nca_fetch(1, ivec2(nca_at.x, nca_low.y));
  vec4 nca_t1_02 = nca_fetch(1, ivec2(nca_high.x, nca_low.y));
  vec4 nca_t1_10 = nca_fetch(1, ivec2(nca_low.x, nca_at.y));
  vec4 nca_t1_12 = nca_fetch(1, ivec2(nca_high.x, nca_at.y));
  vec4 nca_t1_20 = nca_fetch(1, ivec2(nca_low.x, nca_high.y));
  vec4 nca_t1_21 = nca_fetch(1, ivec2(nca_at.x, nca_high.y));
  vec4 nca_t1_22 = nca_fetch(1, ivec2(nca_high.x, nca_high.y));
  vec4 nca_p1_0 = nca_now1;
  vec4 nca_p1_1 = - nca_t1_00 + nca_t1_02 - 2.0 * nca_t1_10 + 2.0 * nca_t1_12 - nca_t1_20 + nca_t1_22;
  vec4 nca_p1_2 = - nca_t1_00 - 2.0 * nca_t1_01 - nca_t1_02 + nca_t1_20 + 2.0 * nca_t1_21 + nca_t1_22;
  vec4 nca_p1_3 = nca_t1_00 + 2.0 * nca_t1_01 + nca_t1_02 + 2.0 * nca_t1_10 - 12.0 * nca_now1 + 2.0 * nca_t1_12 + nca_t1_20 + 2.0 * nca_t1_21 + nca_t1_22;
  vec4 nca_h;
  vec4 nca_d0 = vec4(-0.390625, -0.1015625, 0.1875, -0.3125);
  vec4 nca_d1 = vec4(-0.0234375, 0.0, 0.0, 0.0);
  nca_h = vec4(-0.390625, -0.1015625, 0.1875, 0.0);
  nca_h += mat4(-0.390625, -0.1328125, 0.125, 0.0, -0.0234375, 0.234375, -0.296875, 0.0, 0.34375, -0.1875, 0.0703125, 0.0, -0.078125, 0.1796875, -0.3515625, 0.0) * nca_p0_0;
  nca_h += mat4(-0.1015625, 0.15625, -0.375, 0.0, 0.265625, -0.265625, -0.0078125, 0.0, -0.15625, 0.1015625, 0.359375, 0.0, 0.2109375, -0.3203125, -0.0625, 0.0) * nca_p0_1;
  nca_h += mat4(0.1875, -0.34375, -0.0859375, 0.0, -0.234375, 0.0234375, 0.28125, 0.0, 0.1328125, 0.390625, -0.140625, 0.0, -0.2890625, -0.03125, 0.2265625, 0.0) * nca_p0_2;
  nca_h += mat4(-0.3125, -0.0546875, 0.203125, 0.0, 0.0546875, 0.3125, -0.21875, 0.0, -0.3671875, -0.109375, 0.1484375, 0.0, 0.0, 0.2578125, -0.2734375, 0.0) * nca_p0_3;
  nca_h += mat4(0.2890625, -0.2421875, 0.015625, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0) * nca_p1_0;
  nca_h += mat4(-0.2109375, 0.046875, 0.3046875, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0) * nca_p1_1;
  nca_h += mat4(0.078125, 0.3359375, -0.1953125, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0) * nca_p1_2;
  nca_h += mat4(0.3671875, -0.1640625, 0.09375, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0) * nca_p1_3;
  nca_h = max(nca_h, 0.0);
  nca_d0 += mat4(-0.390625, -0.3125, -0.234375, -0.15625, -0.1015625, -0.0234375, 0.0546875, 0.1328125, 0.1875, 0.265625, 0.34375, -0.3671875, 0.0, 0.0, 0.0, 0.0) * nca_h;
  nca_d1 += mat4(-0.078125, 0.0, 0.0, 0.0, 0.2109375, 0.0, 0.0, 0.0, -0.2890625, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0) * nca_h;
  float nca_mask = nca_fires(nca_at) ? 1.0 : 0.0;
  nca_next0 = nca_now0 + nca_mask * nca_d0;
  nca_next1 = nca_now1 + nca_mask * nca_d1;
}

vec4 nca_fetch_after(int nca_group, ivec2 nca_at) {
  return nca_decode(nca_after(nca_corner(nca_group) + nca_at));
}

bool nca_alive_before(ivec2 nca_at) {
  float nca_most = nca_fetch(0, nca_at).w;
  nca_most = max(nca_most, nca_fetch(0, nca_pad(nca_at + ivec2(-1, -1))).w);
  nca_most = max(nca_most, nca_fetch(0, nca_pad(nca_at + ivec2(0, -1))).w);
  nca_most = max(nca_most, nca_fetch(0, nca_pad(nca_at + ivec2(1, -1))).w);
  nca_most = max(nca_most, nca_fetch(0, nca_pad(nca_at + ivec2(-1, 0))).w);
  nca_most = max(nca_most, nca_fetch(0, nca_pad(nca_at + ivec2(0, 0))).w);
  nca_most = max(nca_most, nca_fetch(0, nca_pad(nca_at + ivec2(1, 0))).w);
  nca_most = max(nca_most, nca_fetch(0, nca_pad(nca_at + ivec2(-1, 1))).w);
  nca_most = max(nca_most, nca_fetch(0, nca_pad(nca_at + ivec2(0, 1))).w);
  nca_most = max(nca_most, nca_fetch(0, nca_pad(nca_at + ivec2(1, 1))).w);
  return nca_most > 0.100000001;
}

bool nca_alive_after(ivec2 nca_at) {
  float nca_most = nca_fetch_after(0, nca_at).w;
  nca_most = max(nca_most, nca_fetch_after(0, nca_pad(nca_at + ivec2(-1, -1))).w);
  nca_most = max(nca_most, nca_fetch_after(0, nca_pad(nca_at + ivec2(0, -1))).w);
  nca_most = max(nca_most, nca_fetch_after(0, nca_pad(nca_at + ivec2(1, -1))).w);
  nca_most = max(nca_most, nca_fetch_after(0, nca_pad(nca_at + ivec2(-1, 0))).w);
  nca_most = max(nca_most, nca_fetch_after(0, nca_pad(nca_at + ivec2(0, 0))).w);
  nca_most = max(nca_most, nca_fetch_after(0, nca_pad(nca_at + ivec2(1, 0))).w);
  nca_most = max(nca_most, nca_fetch_after(0, nca_pad(nca_at + ivec2(-1, 1))).w);
  nca_most = max(nca_most, nca_fetch_after(0, nca_pad(nca_at + ivec2(0, 1))).w);
  nca_most = max(nca_most, nca_fetch_after(0, nca_pad(nca_at + ivec2(1, 1))).w);
  return nca_most > 0.100000001;
}

void nca_live(ivec2 nca_at, out vec4 nca_next0, out vec4 nca_next1) {
  float nca_life = nca_alive_before(nca_at) && nca_alive_after(nca_at) ? 1.0 : 0.0;
  nca_next0 = nca_fetch_after(0, nca_at) * nca_life;
  nca_next1 = nca_fetch_after(1, nca_at) * nca_life;
}

vec4 nca_tile_step(ivec2 nca_texel) {
  ivec2 nca_at;
  int nca_group = nca_group_at(nca_texel, nca_at);
  if (nca_group < 0) return nca_before(nca_texel);
  vec4 nca_n0, nca_n1;
  nca_step(nca_at, nca_n0, nca_n1);
  return nca_encode(nca_group == 0 ? nca_n0 : nca_n1);
}

vec4 nca_tile_life(ivec2 nca_texel) {
  ivec2 nca_at;
  int nca_group = nca_group_at(nca_texel, nca_at);
  if (nca_group < 0) return nca_before(nca_texel);
  vec4 nca_n0, nca_n1;
  nca_live(nca_at, nca_n0, nca_n1);
  return nca_encode(nca_group == 0 ? nca_n0 : nca_n1);
}

// Every pass calls this first, with the size of its texture, the frame, and the step in the frame.
void nca_begin(vec2 nca_screen, int nca_frame, int nca_step_of_frame) {
  ivec2 nca_room = (ivec2(nca_screen) - ivec2(1, 0)) / ivec2(nca_columns, nca_rows);
  nca_size = clamp(nca_room, ivec2(1), ivec2(nca_side));
  uint nca_step_number = uint(nca_frame - 1) * 2u + uint(nca_step_of_frame);
  nca_base = nca_hash(nca_step_number + nca_hash(nca_seed_number));
}

// The last pass of a frame may restart, erase under a brush, or plant under it. nca_brush is the
// position and the radius of the brush, in cells; the radius is 0 while the brush is not in use.
vec4 nca_finish(ivec2 nca_texel, vec4 nca_value, bool nca_restart, vec3 nca_brush,
                bool nca_plants) {
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
}
