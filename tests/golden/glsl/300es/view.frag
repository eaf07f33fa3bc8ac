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
uniform sampler2D nca_state0;
uniform sampler2D nca_state1;
vec4 nca_fetch(int nca_group, ivec2 nca_c) {
  if (nca_group == 0) return nca_decode(texelFetch(nca_state0, nca_c, 0));
  return nca_decode(texelFetch(nca_state1, nca_c, 0));
}
uniform sampler2D nca_before0;
vec4 nca_fetch_before(int nca_group, ivec2 nca_c) {
  return nca_decode(texelFetch(nca_before0, nca_c, 0));
}

vec3 nca_rgb(ivec2 nca_at) {
  return nca_fetch(0, nca_at).rgb * 1.0 + 0.5;
}

// Show a state: colors, single channels, all channels side by side, or the last change.
// Row 0 of the state is the top of the picture.

uniform vec3 nca_camera;     // cell at the top left corner (x, y), cells per pixel
uniform float nca_height;    // of the picture in pixels
uniform int nca_mode;        // 0 colors, 1 one channel, 2 all channels, 3 change in the last step
uniform int nca_channel;     // the channel that mode 1 shows
uniform int nca_channels;    // how many there are
uniform int nca_palette;     // of modes 1 to 3: 0 grey, 1 inferno-like, 2 blue to red
uniform bool nca_smooth;     // blend between cells, else show them as squares
uniform bool nca_wraps;      // the state is a torus
uniform float nca_borders;   // strength of the lines between the tiles of a torus, 0 to 1
uniform vec4 nca_ring;       // brush: center (x, y) in cells, radius in cells, strength 0 to 1

ivec2 nca_inside(ivec2 nca_at) {
  if (!nca_wraps) return clamp(nca_at, ivec2(0), nca_size - 1);
  ivec2 nca_cell = nca_at % nca_size;
  return nca_cell + nca_size * ivec2(lessThan(nca_cell, ivec2(0)));
}

// Lightness rises evenly from black over violet and orange to pale yellow.
vec3 nca_inferno(float nca_t) {
  vec3 nca_low = mix(vec3(0.0, 0.0, 0.02), vec3(0.34, 0.06, 0.43), smoothstep(0.0, 0.35, nca_t));
  vec3 nca_mid = mix(nca_low, vec3(0.93, 0.41, 0.15), smoothstep(0.25, 0.7, nca_t));
  return mix(nca_mid, vec3(0.99, 1.0, 0.64), smoothstep(0.65, 1.0, nca_t));
}

vec3 nca_diverging(float nca_t) {
  vec3 nca_cold = mix(vec3(0.94), vec3(0.13, 0.35, 0.68), smoothstep(0.5, 0.0, nca_t));
  vec3 nca_warm = mix(vec3(0.94), vec3(0.74, 0.14, 0.17), smoothstep(0.5, 1.0, nca_t));
  return nca_t < 0.5 ? nca_cold : nca_warm;
}

vec3 nca_colored(float nca_value) {
  float nca_t = clamp(nca_value, 0.0, 1.0);
  if (nca_palette == 1) return nca_inferno(nca_t);
  if (nca_palette == 2) return nca_diverging(nca_t);
  return vec3(nca_t);
}

float nca_channel_value(int nca_c, ivec2 nca_at) {
  return nca_fetch(nca_c / 4, nca_at)[nca_c % 4] * 0.5 + 0.5;
}

vec3 nca_cell_color(ivec2 nca_at) {
  if (nca_mode == 1) return nca_colored(nca_channel_value(nca_channel, nca_at));
  if (nca_mode == 3) {
    vec4 nca_change = abs(nca_fetch(0, nca_at) - nca_fetch_before(0, nca_at));
    return nca_colored(4.0 * max(max(nca_change.x, nca_change.y), nca_change.z));
  }
  return clamp(nca_rgb(nca_at), 0.0, 1.0);
}

vec3 nca_sampled(vec2 nca_point) {
  if (!nca_smooth) return nca_cell_color(nca_inside(ivec2(floor(nca_point))));
  vec2 nca_corner = floor(nca_point - 0.5);
  vec2 nca_part = nca_point - 0.5 - nca_corner;
  ivec2 nca_a = nca_inside(ivec2(nca_corner)), nca_b = nca_inside(ivec2(nca_corner) + 1);
  vec3 nca_top = mix(nca_cell_color(nca_a), nca_cell_color(ivec2(nca_b.x, nca_a.y)), nca_part.x);
  vec3 nca_low = mix(nca_cell_color(ivec2(nca_a.x, nca_b.y)), nca_cell_color(nca_b), nca_part.x);
  return mix(nca_top, nca_low, nca_part.y);
}

// Small pictures of all channels, in a grid as square as can be, each showing the whole state.
vec3 nca_mosaic(vec2 nca_point) {
  int nca_across = int(ceil(sqrt(float(nca_channels))));
  int nca_down = (nca_channels + nca_across - 1) / nca_across;
  vec2 nca_cells = vec2(nca_size), nca_place = fract(nca_point / nca_cells);
  vec2 nca_tile = nca_place * vec2(nca_across, nca_down);
  ivec2 nca_index = ivec2(nca_tile);
  int nca_c = nca_index.y * nca_across + nca_index.x;
  vec2 nca_edge = min(fract(nca_tile), 1.0 - fract(nca_tile)) * nca_cells;
  nca_edge /= vec2(nca_across, nca_down) * nca_camera.z;
  if (nca_c >= nca_channels || min(nca_edge.x, nca_edge.y) < 1.5) return vec3(0.07);
  ivec2 nca_at = clamp(ivec2(fract(nca_tile) * nca_cells), ivec2(0), nca_size - 1);
  return nca_colored(nca_channel_value(nca_c, nca_at));
}

// Average over a pixel that covers several cells, else a zoomed out texture flickers.
vec3 nca_averaged(vec2 nca_point) {
  int nca_n = clamp(int(ceil(nca_camera.z)), 1, 4);
  vec3 nca_sum = vec3(0.0);
  for (int nca_i = 0; nca_i < nca_n * nca_n; nca_i++) {
    vec2 nca_offset = (vec2(nca_i % nca_n, nca_i / nca_n) + 0.5) / float(nca_n) - 0.5;
    nca_sum += nca_sampled(nca_point + nca_offset * nca_camera.z);
  }
  return nca_sum / float(nca_n * nca_n);
}

vec3 nca_view(vec2 nca_pixel) {
  vec2 nca_cells = vec2(nca_size);
  vec2 nca_point = nca_camera.xy + nca_camera.z * vec2(nca_pixel.x, nca_height - nca_pixel.y);
  bool nca_outside = any(lessThan(nca_point, vec2(0.0)))
    || any(greaterThanEqual(nca_point, nca_cells));
  if (nca_outside && !nca_wraps) return vec3(0.07);
  vec3 nca_color = nca_mode == 2 ? nca_mosaic(nca_point) : nca_averaged(nca_point);
  if (nca_borders > 0.0 && nca_wraps) {
    vec2 nca_away = abs(nca_point - nca_cells * round(nca_point / nca_cells)) / nca_camera.z;
    float nca_line = 1.0 - smoothstep(0.5, 1.5, min(nca_away.x, nca_away.y));
    nca_color = mix(nca_color, vec3(1.0), nca_borders * nca_line);
  }
  if (nca_ring.w > 0.0) {
    float nca_away = abs(length(nca_point - nca_ring.xy) - nca_ring.z) / nca_camera.z;
    nca_color = mix(nca_color, vec3(0.0), 0.45 * nca_ring.w * smoothstep(3.0, 1.0, nca_away));
    nca_color = mix(nca_color, vec3(1.0), nca_ring.w * smoothstep(1.5, 0.5, nca_away));
  }
  return nca_color;
}

layout(location = 0) out vec4 nca_out0;

void main() { nca_out0 = vec4(nca_view(gl_FragCoord.xy), 1.0); }
