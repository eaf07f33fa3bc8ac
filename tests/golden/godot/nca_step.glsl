#[compute]
#version 450

// golden: a neural cellular automaton, 5 channels, 3 hidden units, 83 weights.
// Rule by: A. Nonymous
// License: CC0-1.0
// Shader made by nca-studio 0.
// Tested as OpenGL compute shaders, not in Godot itself.

layout(local_size_x = 8, local_size_y = 8, local_size_z = 1) in;
layout(push_constant, std430) uniform NcaConstants {
  ivec2 size;   // cells across and down
  uint step;    // number of the step
  uint seed;    // random seed of cell updates and initial noise
  vec4 brush;   // x, y, radius in cells (negative: everywhere), tool (0 erase, 1 plant, 3 restart)
} nca_constants;

ivec2 nca_size;
uint nca_base;
vec4 nca_decode(vec4 nca_t) { return nca_t; }
vec4 nca_encode(vec4 nca_v) { return nca_v; }
layout(set = 0, binding = 0, rgba32f) restrict readonly uniform image2DArray nca_state;
vec4 nca_fetch(int nca_group, ivec2 nca_at) {
  return nca_decode(imageLoad(nca_state, ivec3(nca_at, nca_group)));
}
layout(set = 0, binding = 1, rgba32f) restrict writeonly uniform image2DArray nca_next;

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
// #define NCA_FIELDS  // read fields, see nca_texture.gd
#ifdef NCA_FIELDS
layout(set = 0, binding = 4, rgba8) restrict readonly uniform image2D nca_fields;
vec4 nca_field_texel(ivec2 nca_at) { return imageLoad(nca_fields, nca_at); }
#endif
#ifdef NCA_FIELDS
// Fields: what the texel of a cell changes, see nca.fields.texels. A neutral texel changes no bit.

vec2 nca_turned;    // cosine and sine of the rotation
float nca_coarser;  // size of the pattern
float nca_paced;    // length of a step
uint nca_chance;    // a cell fires if its hash is at most this

// The other arguments are the values without fields.
void nca_read_fields(ivec2 nca_at, vec2 nca_turn, float nca_large, float nca_long, uint nca_most) {
  vec4 nca_level = floor(nca_field_texel(nca_at) * 255.0 + 0.5);
  nca_turned = nca_turn;
  if (nca_level.x > 0.0) {
    float nca_angle = nca_level.x * 0.0245436926;
    vec2 nca_more = vec2(cos(nca_angle), sin(nca_angle));
    nca_turned = vec2(nca_turn.x * nca_more.x - nca_turn.y * nca_more.y,
                      nca_turn.x * nca_more.y + nca_turn.y * nca_more.x);
  }
  float nca_away = (nca_level.y - 128.0) * 3.0 / 127.0;
  nca_coarser = nca_large;
  nca_paced = nca_long * nca_level.z / 128.0;
  if (nca_away != 0.0) {
    nca_coarser *= nca_away < 0.0 ? 1.0 / (1.0 - nca_away) : 1.0 + nca_away;
    // A larger pattern is stable only with shorter steps.
    nca_paced *= max(1.0, nca_large * nca_large) / max(1.0, nca_coarser * nca_coarser);
  }
  uint nca_share_level = uint(nca_level.w), nca_part = nca_most >> 7u;
  nca_chance = nca_part > 4294967295u / max(nca_share_level, 1u) ? 4294967295u
                                                                 : nca_part * nca_share_level;
  if (nca_share_level == 128u) nca_chance = nca_most;
}
#else
#define nca_chance 2147483647u
#define nca_paced 1.0
#endif

bool nca_fires(ivec2 nca_at) {
  uint nca_bits = nca_hash(uint(nca_at.x) + nca_hash(uint(nca_at.y) + nca_base));
  return nca_bits <= nca_chance;
}

ivec2 nca_pad(ivec2 nca_c) {
  return nca_c + nca_size * (ivec2(lessThan(nca_c, ivec2(0)))
                             - ivec2(greaterThanEqual(nca_c, nca_size)));
}

void nca_step(ivec2 nca_at, out vec4 nca_next0, out vec4 nca_next1) {
  #ifdef NCA_FIELDS
  nca_read_fields(nca_at, vec2(1.0, 0.0), 1.0, 1.0, 2147483647u);
  #endif
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
  #ifdef NCA_FIELDS
  vec4 nca_x0_1 = nca_turned.x * nca_p0_1 + nca_turned.y * nca_p0_2;
  nca_p0_2 = nca_turned.x * nca_p0_2 - nca_turned.y * nca_p0_1;
  nca_p0_1 = nca_x0_1;
  nca_p0_1 *= nca_coarser;
  nca_p0_2 *= nca_coarser;
  nca_p0_3 *= nca_coarser * nca_coarser;
  #endif
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
  #ifdef NCA_FIELDS
  vec4 nca_x1_1 = nca_turned.x * nca_p1_1 + nca_turned.y * nca_p1_2;
  nca_p1_2 = nca_turned.x * nca_p1_2 - nca_turned.y * nca_p1_1;
  nca_p1_1 = nca_x1_1;
  nca_p1_1 *= nca_coarser;
  nca_p1_2 *= nca_coarser;
  nca_p1_3 *= nca_coarser * nca_coarser;
  #endif
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
  nca_next0 = nca_now0 + nca_mask * nca_paced * nca_d0;
  nca_next1 = nca_now1 + nca_mask * nca_paced * nca_d1;
}

void main() {
  ivec2 nca_at = ivec2(gl_GlobalInvocationID.xy);
  nca_size = nca_constants.size;
  if (any(greaterThanEqual(nca_at, nca_size))) return;
  nca_base = nca_hash(nca_constants.step + nca_hash(nca_constants.seed));
  vec4 nca_n0, nca_n1;
  nca_step(nca_at, nca_n0, nca_n1);
  imageStore(nca_next, ivec3(nca_at, 0), nca_encode(nca_n0));
  imageStore(nca_next, ivec3(nca_at, 1), nca_encode(nca_n1));
}
