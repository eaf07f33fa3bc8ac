// golden: a neural cellular automaton, 5 channels, 3 hidden units, 83 weights.
// Rule by: A. Nonymous
// License: CC0-1.0
// Shader made by nca-studio 0.
// Tested as OpenGL shaders, not in Unity itself.

int _Seed;

float4 nca_read(int2 nca_texel);

static const int nca_columns = 2;
static const int nca_rows = 2;
static const int nca_groups = 2;
static const int nca_side = 4096;  // cells per side, if they fit on the screen
#define nca_seed_number (uint(_Seed))  // random seed of cell updates and initial noise
static const bool nca_is_exact = true;  // whether texels can hold any number
static const bool nca_wraps = true;
static const float nca_rgb_scale = 1.0;
static const float nca_rgb_offset = 0.5;

static int2 nca_size;  // cells across and down
static uint nca_base;   // hash of the step number and the seed

float4 nca_before(int2 nca_texel);
float4 nca_after(int2 nca_texel);
float4 nca_mark() { return float4(nca_size, nca_groups, 1); }
float4 nca_decode(float4 nca_t) { return nca_t; }
float4 nca_encode(float4 nca_v) { return nca_v; }

// A state of several groups of four channels in one texture: group g is the tile at column
// g % nca_columns and row g / nca_columns. Each tile has nca_size texels; row 0 of the state is the
// lowest row of its tile. The texel to the right of the tiles holds a mark, which distinguishes a
// valid state of this size from an empty or resized texture.

int2 nca_corner(int nca_group) {
  return nca_size * int2(nca_group % nca_columns, nca_group / nca_columns);
}

int2 nca_mark_place() { return int2(nca_columns * nca_size.x, 0); }

// The group that a texel belongs to (-1 outside the tiles), and its cell.
int nca_group_at(int2 nca_texel, out int2 nca_at) {
  int2 nca_t = nca_texel / nca_size;
  nca_at = nca_texel - nca_t * nca_size;
  int nca_group = nca_t.y * nca_columns + nca_t.x;
  return nca_t.x < nca_columns && nca_group < nca_groups ? nca_group : -1;
}

float4 nca_fetch(int nca_group, int2 nca_at) {
  return nca_decode(nca_before(nca_corner(nca_group) + nca_at));
}

bool nca_is_marked() {
  return all(((abs(nca_before(nca_mark_place()) - nca_mark())) < (((float4)0.01))));
}

// Cells per pixel. A state that wraps is repeated; any other state is shown once, as a whole.
float nca_zoom(float2 nca_screen) {
  float2 nca_cells = float2(nca_size);
  if (nca_wraps) return min(1.0, 225.0 / nca_screen.y);
  return max(nca_cells.x / nca_screen.x, nca_cells.y / nca_screen.y);
}

// Position of a pixel in cells; pixels count from the lower left, cells from the upper left.
float2 nca_place(float2 nca_pixel, float2 nca_screen) {
  float2 nca_turned = float2(nca_pixel.x, nca_screen.y - nca_pixel.y);
  float nca_scale_down = nca_zoom(nca_screen);
  if (nca_wraps) return nca_turned * nca_scale_down;
  return (nca_turned - 0.5 * nca_screen) * nca_scale_down + 0.5 * float2(nca_size);
}

// The texel above the mark stores the last pointer position, so that a quick stroke has no gaps.
int2 nca_pointer_place() { return nca_mark_place() + int2(0, 1); }

bool nca_brushed(int2 nca_at, float2 nca_from, float2 nca_to, float nca_radius) {
  float2 nca_line = nca_to - nca_from, nca_cells = float2(nca_size);
  float2 nca_away = float2(nca_at) + 0.5 - nca_from - 0.5 * nca_line;
  if (nca_wraps) nca_away -= nca_cells * floor(nca_away / nca_cells + 0.5);
  float nca_along = dot(nca_away, nca_line) / max(dot(nca_line, nca_line), 0.000001);
  return length(nca_away - clamp(nca_along, -0.5, 0.5) * nca_line) < nca_radius;
}

float3 nca_color(int2 nca_at) {
  int2 nca_last = nca_size - 1;
  int2 nca_cell = clamp(nca_at, ((int2)0), nca_last);
  if (nca_wraps) {
    nca_cell = nca_at - nca_size * int2(floor(float2(nca_at) / float2(nca_size)));
    nca_cell = clamp(nca_cell, ((int2)0), nca_last);
  }
  return clamp(nca_fetch(0, nca_cell).rgb * nca_rgb_scale + nca_rgb_offset, 0.0, 1.0);
}

// The color at a position in cells, blended between the centers of cells.
float3 nca_smooth(float2 nca_point) {
  float2 nca_low = floor(nca_point - 0.5), nca_part = nca_point - 0.5 - nca_low;
  int2 nca_a = int2(nca_low), nca_b = nca_a + 1;
  float3 nca_above = lerp(nca_color(nca_a), nca_color(int2(nca_b.x, nca_a.y)), nca_part.x);
  float3 nca_below = lerp(nca_color(int2(nca_a.x, nca_b.y)), nca_color(nca_b), nca_part.x);
  return lerp(nca_above, nca_below, nca_part.y);
}

// The image on a screen.
float3 nca_view(float2 nca_pixel, float2 nca_screen) {
  float2 nca_point = nca_place(nca_pixel, nca_screen);
  float2 nca_outside = abs(nca_point - 0.5 * float2(nca_size)) - 0.5 * float2(nca_size);
  if (!nca_wraps && max(nca_outside.x, nca_outside.y) > 0.0) return ((float3)0.07);
  return nca_smooth(nca_point);
}

uint nca_hash(uint nca_v) {
  uint nca_s = nca_v * 747796405u + 2891336453u;
  uint nca_w = ((nca_s >> ((nca_s >> 28u) + 4u)) ^ nca_s) * 277803737u;
  return (nca_w >> 22u) ^ nca_w;
}

float4 nca_used(int nca_group) {
  return float4(((int4(0, 1, 2, 3) + 4 * nca_group) < (((int4)5))));
}

float4 nca_plant(int nca_group) {
  return (nca_group == 0 ? float4(0.0, 0.0, 0.0, 1.0) : ((float4)1.0)) * nca_used(nca_group);
}

float4 nca_noise(int nca_group, int2 nca_at, uint nca_number) {
  float4 nca_value;
  for (int nca_i = 0; nca_i < 4; nca_i++) {
    // The noise of a channel uses step number 2**32 - 1 - channel. No run reaches that step, so the
    // noise is independent of all masks.
    uint nca_layer = nca_hash(4294967295u - uint(4 * nca_group + nca_i) + nca_hash(nca_number));
    uint nca_bits = nca_hash(uint(nca_at.x) + nca_hash(uint(nca_at.y) + nca_layer));
    nca_value[nca_i] = float(nca_bits >> 8u) * 5.96046448e-08 - 0.5;
  }
  return nca_value * nca_used(nca_group);
}

float4 nca_start(int nca_group, int2 nca_at, uint nca_number) {
  return all(nca_at == nca_size / 2) ? nca_plant(nca_group) : ((float4)0.0);
}

bool nca_fires(int2 nca_at) {
  uint nca_bits = nca_hash(uint(nca_at.x) + nca_hash(uint(nca_at.y) + nca_base));
  return nca_bits < 2147483648u;
}

int2 nca_pad(int2 nca_c) {
  return nca_c + nca_size * (int2(((nca_c) < (((int2)0))))
                             - int2(((nca_c) >= (nca_size))));
}

void nca_step(int2 nca_at, out float4 nca_next0, out float4 nca_next1) {
  int2 nca_low = nca_pad(nca_at - 1), nca_high = nca_pad(nca_at + 1);
  float4 nca_now0 = nca_fetch(0, nca_at);
  float4 nca_t0_00 = nca_fetch(0, int2(nca_low.x, nca_low.y));
  float4 nca_t0_01 = nca_fetch(0, int2(nca_at.x, nca_low.y));
  float4 nca_t0_02 = nca_fetch(0, int2(nca_high.x, nca_low.y));
  float4 nca_t0_10 = nca_fetch(0, int2(nca_low.x, nca_at.y));
  float4 nca_t0_12 = nca_fetch(0, int2(nca_high.x, nca_at.y));
  float4 nca_t0_20 = nca_fetch(0, int2(nca_low.x, nca_high.y));
  float4 nca_t0_21 = nca_fetch(0, int2(nca_at.x, nca_high.y));
  float4 nca_t0_22 = nca_fetch(0, int2(nca_high.x, nca_high.y));
  float4 nca_p0_0 = nca_now0;
  float4 nca_p0_1 = - nca_t0_00 + nca_t0_02 - 2.0 * nca_t0_10 + 2.0 * nca_t0_12 - nca_t0_20 + nca_t0_22;
  float4 nca_p0_2 = - nca_t0_00 - 2.0 * nca_t0_01 - nca_t0_02 + nca_t0_20 + 2.0 * nca_t0_21 + nca_t0_22;
  float4 nca_p0_3 = nca_t0_00 + 2.0 * nca_t0_01 + nca_t0_02 + 2.0 * nca_t0_10 - 12.0 * nca_now0 + 2.0 * nca_t0_12 + nca_t0_20 + 2.0 * nca_t0_21 + nca_t0_22;
  float4 nca_now1 = nca_fetch(1, nca_at);
  float4 nca_t1_00 = nca_fetch(1, int2(nca_low.x, nca_low.y));
  float4 nca_t1_01 = nca_fetch(1, int2(nca_at.x, nca_low.y));
  float4 nca_t1_02 = nca_fetch(1, int2(nca_high.x, nca_low.y));
  float4 nca_t1_10 = nca_fetch(1, int2(nca_low.x, nca_at.y));
  float4 nca_t1_12 = nca_fetch(1, int2(nca_high.x, nca_at.y));
  float4 nca_t1_20 = nca_fetch(1, int2(nca_low.x, nca_high.y));
  float4 nca_t1_21 = nca_fetch(1, int2(nca_at.x, nca_high.y));
  float4 nca_t1_22 = nca_fetch(1, int2(nca_high.x, nca_high.y));
  float4 nca_p1_0 = nca_now1;
  float4 nca_p1_1 = - nca_t1_00 + nca_t1_02 - 2.0 * nca_t1_10 + 2.0 * nca_t1_12 - nca_t1_20 + nca_t1_22;
  float4 nca_p1_2 = - nca_t1_00 - 2.0 * nca_t1_01 - nca_t1_02 + nca_t1_20 + 2.0 * nca_t1_21 + nca_t1_22;
  float4 nca_p1_3 = nca_t1_00 + 2.0 * nca_t1_01 + nca_t1_02 + 2.0 * nca_t1_10 - 12.0 * nca_now1 + 2.0 * nca_t1_12 + nca_t1_20 + 2.0 * nca_t1_21 + nca_t1_22;
  float4 nca_h;
  float4 nca_d0 = float4(-0.390625, -0.1015625, 0.1875, -0.3125);
  float4 nca_d1 = float4(-0.0234375, 0.0, 0.0, 0.0);
  nca_h = float4(-0.390625, -0.1015625, 0.1875, 0.0);
  nca_h += mul(nca_p0_0, float4x4(-0.390625, -0.1328125, 0.125, 0.0, -0.0234375, 0.234375, -0.296875, 0.0, 0.34375, -0.1875, 0.0703125, 0.0, -0.078125, 0.1796875, -0.3515625, 0.0));
  nca_h += mul(nca_p0_1, float4x4(-0.1015625, 0.15625, -0.375, 0.0, 0.265625, -0.265625, -0.0078125, 0.0, -0.15625, 0.1015625, 0.359375, 0.0, 0.2109375, -0.3203125, -0.0625, 0.0));
  nca_h += mul(nca_p0_2, float4x4(0.1875, -0.34375, -0.0859375, 0.0, -0.234375, 0.0234375, 0.28125, 0.0, 0.1328125, 0.390625, -0.140625, 0.0, -0.2890625, -0.03125, 0.2265625, 0.0));
  nca_h += mul(nca_p0_3, float4x4(-0.3125, -0.0546875, 0.203125, 0.0, 0.0546875, 0.3125, -0.21875, 0.0, -0.3671875, -0.109375, 0.1484375, 0.0, 0.0, 0.2578125, -0.2734375, 0.0));
  nca_h += mul(nca_p1_0, float4x4(0.2890625, -0.2421875, 0.015625, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0));
  nca_h += mul(nca_p1_1, float4x4(-0.2109375, 0.046875, 0.3046875, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0));
  nca_h += mul(nca_p1_2, float4x4(0.078125, 0.3359375, -0.1953125, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0));
  nca_h += mul(nca_p1_3, float4x4(0.3671875, -0.1640625, 0.09375, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0));
  nca_h = max(nca_h, 0.0);
  nca_d0 += mul(nca_h, float4x4(-0.390625, -0.3125, -0.234375, -0.15625, -0.1015625, -0.0234375, 0.0546875, 0.1328125, 0.1875, 0.265625, 0.34375, -0.3671875, 0.0, 0.0, 0.0, 0.0));
  nca_d1 += mul(nca_h, float4x4(-0.078125, 0.0, 0.0, 0.0, 0.2109375, 0.0, 0.0, 0.0, -0.2890625, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0));
  float nca_mask = nca_fires(nca_at) ? 1.0 : 0.0;
  nca_next0 = nca_now0 + nca_mask * nca_d0;
  nca_next1 = nca_now1 + nca_mask * nca_d1;
}

float4 nca_fetch_after(int nca_group, int2 nca_at) {
  return nca_decode(nca_after(nca_corner(nca_group) + nca_at));
}

bool nca_alive_before(int2 nca_at) {
  float nca_most = nca_fetch(0, nca_at).w;
  nca_most = max(nca_most, nca_fetch(0, nca_pad(nca_at + int2(-1, -1))).w);
  nca_most = max(nca_most, nca_fetch(0, nca_pad(nca_at + int2(0, -1))).w);
  nca_most = max(nca_most, nca_fetch(0, nca_pad(nca_at + int2(1, -1))).w);
  nca_most = max(nca_most, nca_fetch(0, nca_pad(nca_at + int2(-1, 0))).w);
  nca_most = max(nca_most, nca_fetch(0, nca_pad(nca_at + int2(0, 0))).w);
  nca_most = max(nca_most, nca_fetch(0, nca_pad(nca_at + int2(1, 0))).w);
  nca_most = max(nca_most, nca_fetch(0, nca_pad(nca_at + int2(-1, 1))).w);
  nca_most = max(nca_most, nca_fetch(0, nca_pad(nca_at + int2(0, 1))).w);
  nca_most = max(nca_most, nca_fetch(0, nca_pad(nca_at + int2(1, 1))).w);
  return nca_most > 0.100000001;
}

bool nca_alive_after(int2 nca_at) {
  float nca_most = nca_fetch_after(0, nca_at).w;
  nca_most = max(nca_most, nca_fetch_after(0, nca_pad(nca_at + int2(-1, -1))).w);
  nca_most = max(nca_most, nca_fetch_after(0, nca_pad(nca_at + int2(0, -1))).w);
  nca_most = max(nca_most, nca_fetch_after(0, nca_pad(nca_at + int2(1, -1))).w);
  nca_most = max(nca_most, nca_fetch_after(0, nca_pad(nca_at + int2(-1, 0))).w);
  nca_most = max(nca_most, nca_fetch_after(0, nca_pad(nca_at + int2(0, 0))).w);
  nca_most = max(nca_most, nca_fetch_after(0, nca_pad(nca_at + int2(1, 0))).w);
  nca_most = max(nca_most, nca_fetch_after(0, nca_pad(nca_at + int2(-1, 1))).w);
  nca_most = max(nca_most, nca_fetch_after(0, nca_pad(nca_at + int2(0, 1))).w);
  nca_most = max(nca_most, nca_fetch_after(0, nca_pad(nca_at + int2(1, 1))).w);
  return nca_most > 0.100000001;
}

void nca_live(int2 nca_at, out float4 nca_next0, out float4 nca_next1) {
  float nca_life = nca_alive_before(nca_at) && nca_alive_after(nca_at) ? 1.0 : 0.0;
  nca_next0 = nca_fetch_after(0, nca_at) * nca_life;
  nca_next1 = nca_fetch_after(1, nca_at) * nca_life;
}

float4 nca_tile_step(int2 nca_texel) {
  int2 nca_at;
  int nca_group = nca_group_at(nca_texel, nca_at);
  if (nca_group < 0) return nca_before(nca_texel);
  float4 nca_n0, nca_n1;
  nca_step(nca_at, nca_n0, nca_n1);
  return nca_encode(nca_group == 0 ? nca_n0 : nca_n1);
}

float4 nca_tile_life(int2 nca_texel) {
  int2 nca_at;
  int nca_group = nca_group_at(nca_texel, nca_at);
  if (nca_group < 0) return nca_before(nca_texel);
  float4 nca_n0, nca_n1;
  nca_live(nca_at, nca_n0, nca_n1);
  return nca_encode(nca_group == 0 ? nca_n0 : nca_n1);
}

// Every pass calls this first, with the size of its texture, the frame, and the step in the frame.
void nca_begin(float2 nca_screen, int nca_frame, int nca_step_of_frame) {
  int2 nca_room = (int2(nca_screen) - int2(1, 0)) / int2(nca_columns, nca_rows);
  nca_size = clamp(nca_room, ((int2)1), int2(nca_side));
  uint nca_step_number = uint(nca_frame - 1) * 1u + uint(nca_step_of_frame);
  nca_base = nca_hash(nca_step_number + nca_hash(nca_seed_number));
}

// The last pass of a frame may restart, erase under a brush, or plant under it. nca_brush is the
// position and the radius of the brush, in cells; the radius is 0 while the brush is not in use.
float4 nca_finish(int2 nca_texel, float4 nca_value, bool nca_restart, float3 nca_brush,
                bool nca_plants) {
  int2 nca_at;
  int nca_group = nca_group_at(nca_texel, nca_at);
  if (all(nca_texel == nca_pointer_place())) return float4(nca_brush, 1.0);
  if (nca_group < 0) return nca_mark();
  if (nca_restart) return nca_encode(nca_start(nca_group, nca_at, nca_seed_number));
  float3 nca_was = nca_before(nca_pointer_place()).xyz;
  bool nca_drawn = nca_is_exact && nca_was.z > 0.0;
  float2 nca_from = nca_drawn ? nca_was.xy : nca_brush.xy;
  if (!nca_brushed(nca_at, nca_from, nca_brush.xy, nca_brush.z)) return nca_value;
  return nca_encode(nca_plants ? nca_plant(nca_group) : ((float4)0.0));
}

// Two texels above the mark is the number of passes so far. It restarts from 0 before it exceeds
// what a float can hold exactly.
int2 nca_count_place() { return nca_mark_place() + int2(0, 2); }
int nca_count() { return int(nca_read(nca_count_place()).x + 0.5); }
float nca_counted() { return float((nca_count() + 1) % 16777216); }

void nca_prepare(float2 nca_image) {
  nca_begin(nca_image, 1, 0);
  nca_begin(nca_image, 1, nca_count() / 2);
}

float4 nca_initial(int2 nca_texel) {
  int2 nca_at;
  int nca_group = nca_group_at(nca_texel, nca_at);
  if (nca_group >= 0) return nca_encode(nca_start(nca_group, nca_at, nca_seed_number));
  bool nca_is_mark = all(nca_texel == nca_mark_place());
  return nca_is_mark ? nca_mark() : ((float4)0.0);
}

static bool nca_lives = false;  // whether this pass is the second half of a step

float4 nca_before(int2 nca_texel) {
  return nca_read(nca_texel + (nca_lives ? nca_corner(nca_groups) : ((int2)0)));
}

float4 nca_after(int2 nca_texel) { return nca_read(nca_texel); }

float4 nca_advance(int2 nca_texel) {
  nca_lives = nca_count() % 2 == 1;
  if (all(nca_texel == nca_count_place())) return float4(nca_counted(), 0.0, 0.0, 1.0);
  int2 nca_at;
  if (nca_lives) {
    if (nca_group_at(nca_texel, nca_at) < 0) return nca_read(nca_texel);
    return nca_tile_life(nca_texel);
  }
  nca_at = nca_texel - nca_corner(nca_groups);
  bool nca_saves = all(((nca_at) >= (((int2)0)))) && all(((nca_at) < (nca_size)));
  return nca_saves ? nca_read(nca_at) : nca_tile_step(nca_texel);
}

float4 nca_read(int2 nca_texel) {
  return tex2Dlod(NCA_IMAGE, float4((float2(nca_texel) + 0.5) / NCA_IMAGE_SIZE, 0.0, 0.0));
}

// The next image. nca_brush is the position and the radius of the brush, in cells, and 1 to plant or
// 0 to erase; the radius is 0 if the brush does not touch.
float4 nca_next(int2 nca_texel, float4 nca_brush, bool nca_restart) {
  nca_prepare(NCA_IMAGE_SIZE);
  int2 nca_at;
  int nca_group = nca_group_at(nca_texel, nca_at);
  if (nca_restart || !nca_is_marked()) return nca_initial(nca_texel);
  if (all(nca_texel == nca_pointer_place())) return float4(nca_brush.xyz, 1.0);
  float3 nca_was = nca_read(nca_pointer_place()).xyz;
  float2 nca_from = nca_was.z > 0.0 ? nca_was.xy : nca_brush.xy;
  if (nca_group >= 0 && nca_brushed(nca_at, nca_from, nca_brush.xy, nca_brush.z))
    return nca_encode(nca_brush.w > 0.5 ? nca_plant(nca_group) : (float4)0.0);
  return nca_advance(nca_texel);
}
