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
layout(set = 0, binding = 0, rgba32f) restrict writeonly uniform image2DArray nca_state;


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

void main() {
  ivec2 nca_at = ivec2(gl_GlobalInvocationID.xy);
  nca_size = nca_constants.size;
  if (any(greaterThanEqual(nca_at, nca_size))) return;
  vec4 nca_brush = nca_constants.brush;
  vec2 nca_away = vec2(nca_at) + 0.5 - nca_brush.xy;
  nca_away -= vec2(nca_size) * round(nca_away / vec2(nca_size));
  if (nca_brush.z >= 0.0 && length(nca_away) >= nca_brush.z) return;
  for (int nca_g = 0; nca_g < 2; nca_g++) {
    vec4 nca_value = vec4(0.0);
    if (nca_brush.w == 1.0) nca_value = nca_plant(nca_g);
    if (nca_brush.w == 3.0) nca_value = nca_start(nca_g, nca_at, nca_constants.seed);
    imageStore(nca_state, ivec3(nca_at, nca_g), nca_encode(nca_value));
  }
}
