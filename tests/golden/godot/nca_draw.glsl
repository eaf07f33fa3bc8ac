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
layout(set = 0, binding = 1, rgba16f) restrict writeonly uniform image2D nca_color_texture;

float nca_value(int nca_channel, ivec2 nca_at) {
  return nca_fetch(nca_channel / 4, nca_at)[nca_channel % 4] * 1.0 + 0.5;
}

vec3 nca_values(int nca_channel, ivec2 nca_at) {
  return vec3(nca_value(nca_channel, nca_at), nca_value(nca_channel + 1, nca_at),
              nca_value(nca_channel + 2, nca_at));
}

// Scale a normal to length 1. Argument and result are encoded as values in [0, 1].
vec3 nca_unit(vec3 nca_normal) {
  vec3 nca_n = 2.0 * nca_normal - 1.0;
  return 0.5 * nca_n / max(length(nca_n), 1e-12) + 0.5;
}

void main() {
  ivec2 nca_at = ivec2(gl_GlobalInvocationID.xy);
  ivec2 nca_pixels = imageSize(nca_color_texture);
  nca_size = nca_constants.size;
  if (any(greaterThanEqual(nca_at, nca_pixels))) return;
  imageStore(nca_color_texture, nca_at, clamp(vec4(nca_values(0, nca_at), 1.0), 0.0, 1.0));
}
