#version 300 es
// golden: a neural cellular automaton, 5 channels, 3 hidden units, 83 weights.
// Rule by: A. Nonymous
// License: CC0-1.0
// Shader made by nca-studio 0.
precision highp float;
precision highp int;
precision highp sampler2D;
precision highp sampler2DArray;
uniform ivec2 nca_size;
uniform vec2 nca_code;
vec4 nca_decode(vec4 nca_texel) { return (nca_texel - nca_code.y) * nca_code.x; }
vec4 nca_encode(vec4 nca_value) { return nca_value / nca_code.x + nca_code.y; }

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

// Paint into the state; nothing is drawn outside the brush. Coordinates are in cells, y down.

uniform int nca_tool;       // 0 erase, 1 plant a cell, 2 noise, 3 initial state
uniform vec4 nca_stroke;    // from x, y to x, y: the brush moved along this line
uniform float nca_radius;   // radius of the brush; below 0: everywhere
uniform uint nca_number;    // random seed of the noise
uniform bool nca_wraps;     // the state wraps at its edges

float nca_stroke_distance(vec2 nca_at) {
  vec2 nca_line = nca_stroke.zw - nca_stroke.xy;
  vec2 nca_middle = nca_stroke.xy + 0.5 * nca_line;
  vec2 nca_away = nca_at - nca_middle;
  if (nca_wraps) {
    vec2 nca_cells = vec2(nca_size);
    nca_away -= nca_cells * round(nca_away / nca_cells);
  }
  float nca_length = max(dot(nca_line, nca_line), 1e-6);
  float nca_along = clamp(dot(nca_away, nca_line) / nca_length, -0.5, 0.5);
  return length(nca_away - nca_along * nca_line);
}

bool nca_painted(ivec2 nca_at) {
  return nca_radius < 0.0 || nca_stroke_distance(vec2(nca_at) + 0.5) < nca_radius;
}

vec4 nca_paint(int nca_group, ivec2 nca_at) {
  if (nca_tool == 1) return nca_plant(nca_group);
  if (nca_tool == 2) return nca_noise(nca_group, nca_at, nca_number);
  if (nca_tool == 3) return nca_start(nca_group, nca_at, nca_number);
  return vec4(0.0);
}
layout(location = 0) out vec4 nca_out0;
layout(location = 1) out vec4 nca_out1;

void main() {
  ivec2 nca_at = ivec2(gl_FragCoord.xy);
  if (!(nca_painted(nca_at) && true)) discard;
  nca_out0 = nca_encode(nca_paint(0, nca_at));
  nca_out1 = nca_encode(nca_paint(1, nca_at));
}
