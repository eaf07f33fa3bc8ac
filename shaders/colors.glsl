// Draws the color of every cell into an 8-bit texture of size nca_picture. screen.glsl zooms and smooths
// these colors.
//
// NCA_VIEW is 0: colors, 1: one channel, 2: all channels side by side, 3: change in the last step.

uniform vec2 nca_picture;    // size of the texture: that of the state, or a multiple in view 2
uniform int nca_channel;     // the channel that view 1 shows
uniform int nca_channels;    // number of channels in view 2
uniform int nca_color_map;     // in views 1 to 3: 0 grey, 1 inferno, 2 diverging

// Lightness rises evenly from black through violet and orange to pale yellow.
vec3 nca_inferno(float nca_t) {
  vec3 nca_low = mix(vec3(0.0, 0.0, 0.02), vec3(0.34, 0.06, 0.43), smoothstep(0.0, 0.35, nca_t));
  vec3 nca_mid = mix(nca_low, vec3(0.93, 0.41, 0.15), smoothstep(0.25, 0.7, nca_t));
  return mix(nca_mid, vec3(0.99, 1.0, 0.64), smoothstep(0.65, 1.0, nca_t));
}

// From blue through near-white at 0.5 to red; a change, never below zero, starts at 0.5.
vec3 nca_diverging(float nca_t) {
  vec3 nca_end = nca_t < 0.5 ? vec3(0.13, 0.35, 0.68) : vec3(0.74, 0.14, 0.17);
  return mix(vec3(0.94), nca_end, smoothstep(0.0, 0.5, abs(nca_t - 0.5)));
}

vec3 nca_mapped(float nca_value) {
  float nca_t = clamp(nca_value, 0.0, 1.0);
  return nca_color_map == 0 ? vec3(nca_t)
    : nca_color_map == 1 ? nca_inferno(nca_t) : nca_diverging(nca_t);
}

float nca_value(int nca_c, ivec2 nca_at) {
  return nca_fetch(nca_c / 4, nca_at)[nca_c % 4] * 0.5 + 0.5;
}

vec3 nca_shown(vec2 nca_pixel) {
  vec2 nca_place = nca_pixel / nca_picture;
#if NCA_VIEW == 2
  // Tiles in a nearly square arrangement; every tile shows one channel of the whole state.
  int nca_across = int(ceil(sqrt(float(nca_channels))));
  int nca_down = (nca_channels + nca_across - 1) / nca_across;
  vec2 nca_tiles = vec2(nca_across, nca_down);
  ivec2 nca_tile = ivec2(nca_place * nca_tiles);
  vec2 nca_inner = fract(nca_place * nca_tiles);
  int nca_c = nca_tile.y * nca_across + nca_tile.x;
  vec2 nca_edge = min(nca_inner, 1.0 - nca_inner) * nca_picture / nca_tiles;
  if (nca_c >= nca_channels || min(nca_edge.x, nca_edge.y) < 1.0) return vec3(0.07);
  return nca_mapped(nca_value(nca_c, ivec2(nca_inner * vec2(nca_size))));
#else
  ivec2 nca_at = ivec2(nca_place * vec2(nca_size));
#if NCA_VIEW == 1
  return nca_mapped(nca_value(nca_channel, nca_at));
#elif NCA_VIEW == 3
  vec3 nca_change = abs(nca_fetch(0, nca_at).rgb - nca_fetch_before(0, nca_at).rgb);
  float nca_size_of_change = min(4.0 * max(max(nca_change.x, nca_change.y), nca_change.z), 1.0);
  return nca_mapped(nca_color_map == 2 ? 0.5 + 0.5 * nca_size_of_change : nca_size_of_change);
#else
  return nca_rgb(nca_at);
#endif
#endif
}
