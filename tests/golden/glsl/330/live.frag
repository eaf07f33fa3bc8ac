#version 330
// golden: a neural cellular automaton, 5 channels, 3 hidden units, 83 weights.
// Rule by: A. Nonymous
// License: CC0-1.0
// Shader made by nca-studio 0.
uniform ivec2 nca_size;
uniform vec2 nca_code;
vec4 nca_decode(vec4 nca_texel) { return (nca_texel - nca_code.y) * nca_code.x; }
vec4 nca_encode(vec4 nca_value) { return nca_value / nca_code.x + nca_code.y; }
uniform sampler2D nca_state0;
vec4 nca_fetch(int nca_group, ivec2 nca_c) {
  return nca_decode(texelFetch(nca_state0, nca_c, 0));
}
uniform sampler2D nca_after0;
uniform sampler2D nca_after1;
vec4 nca_fetch_after(int nca_group, ivec2 nca_c) {
  if (nca_group == 0) return nca_decode(texelFetch(nca_after0, nca_c, 0));
  return nca_decode(texelFetch(nca_after1, nca_c, 0));
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
layout(location = 0) out vec4 nca_out0;
layout(location = 1) out vec4 nca_out1;

void main() {
  ivec2 nca_at = ivec2(gl_FragCoord.xy);
  vec4 nca_n0 = vec4(0.0), nca_n1 = vec4(0.0);
  nca_live(nca_at, nca_n0, nca_n1);
  nca_out0 = nca_encode(nca_n0);
  nca_out1 = nca_encode(nca_n1);
}
