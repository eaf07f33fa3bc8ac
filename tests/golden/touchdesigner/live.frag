// golden: a neural cellular automaton, 5 channels, 3 hidden units, 83 weights.
// Rule by: A. Nonymous
// License: CC0-1.0
// Shader made by nca-studio 0.
//
// For a GLSL TOP.
// Tested in OpenGL with TouchDesigner's declarations, but not in TouchDesigner itself.

const float nca_step_number = 0.0;
const uint nca_seed_number = 0u;  // for cell updates and initial noise
ivec2 nca_size;
uint nca_base;

vec4 nca_decode(vec4 nca_t) { return nca_t; }
vec4 nca_encode(vec4 nca_v) { return nca_v; }
vec4 nca_fetch(int nca_group, ivec2 nca_at) {
  if (nca_group == 0) return nca_decode(texelFetch(sTD2DInputs[0], nca_at, 0));
  return nca_decode(texelFetch(sTD2DInputs[1], nca_at, 0));
}
vec4 nca_fetch_after(int nca_group, ivec2 nca_at) {
  if (nca_group == 0) return nca_decode(texelFetch(sTD2DInputs[2], nca_at, 0));
  return nca_decode(texelFetch(sTD2DInputs[3], nca_at, 0));
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

ivec2 nca_pad(ivec2 nca_c) {
  return nca_c + nca_size * (ivec2(lessThan(nca_c, ivec2(0)))
                             - ivec2(greaterThanEqual(nca_c, nca_size)));
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

uniform float nca_reset;  // 1: restart
uniform vec4 nca_brush;   // x, y in cells from the lower left, radius in cells, 1: plant, 0: erase

vec4 nca_painted(int nca_group, ivec2 nca_at, vec4 nca_value) {
  if (nca_reset > 0.5) return nca_start(nca_group, nca_at, nca_seed_number);
  vec2 nca_away = vec2(nca_at) + 0.5 - nca_brush.xy;
  nca_away -= vec2(nca_size) * floor(nca_away / vec2(nca_size) + 0.5);
  if (length(nca_away) >= nca_brush.z) return nca_value;
  return nca_brush.w > 0.5 ? nca_plant(nca_group) : vec4(0.0);
}

layout(location = 0) out vec4 nca_out0;
layout(location = 1) out vec4 nca_out1;

void main() {
  ivec2 nca_at = ivec2(gl_FragCoord.xy);
  nca_size = textureSize(sTD2DInputs[0], 0);
  nca_base = nca_hash(uint(nca_step_number) + nca_hash(nca_seed_number));
  vec4 nca_n0, nca_n1;
  nca_live(nca_at, nca_n0, nca_n1);
  nca_out0 = TDOutputSwizzle(nca_encode(nca_painted(0, nca_at, nca_n0)));
  nca_out1 = TDOutputSwizzle(nca_encode(nca_painted(1, nca_at, nca_n1)));
}
