#version 300 es
// golden: a neural cellular automaton, 5 channels, 3 hidden units, 83 weights.
// Rule by: A. Nonymous
// License: CC0-1.0
// Shader made by nca-studio 0.
precision highp float;
precision highp int;
precision highp sampler2D;
precision highp sampler2DArray;

// Show the colors of the cells through a camera; row 0 of the state is the top of the image.
// The texture of the colors repeats, is filtered linearly and has mipmaps.

uniform sampler2D nca_colors_of_cells;
uniform vec2 nca_cells;      // size of the state
uniform vec3 nca_camera;     // cell at the top left corner (x, y), cells per pixel
uniform float nca_height;    // height of the image in pixels
uniform bool nca_wraps;      // whether the state wraps at its edges
uniform float nca_borders;   // strength of the lines between tiles, 0 to 1
uniform bool nca_transparent; // whether colors are premultiplied, and the area outside the state is transparent
uniform vec4 nca_ring;       // brush: center (x, y) in cells, radius in cells, strength 0 to 1

// The part of the state that the texture shows: corner and size, in cells.
#ifndef NCA_PART
#define NCA_PART vec4(0.0, 0.0, nca_cells)
#endif

// 1: tile lines and the brush ring can be drawn.
#ifndef NCA_MARKS
#define NCA_MARKS 1
#endif

// 0: averages of texels, when zoomed out; otherwise 1 + nca_smooth. Define it if it does not change,
// because some drivers compute all branches.
#ifndef NCA_SAMPLING
uniform int nca_smooth;      // 0: square cells, 1: blended cells, 2: blended with sharper edges
#define NCA_SAMPLING (nca_camera.z > 1.0 ? 0 : 1 + nca_smooth)
#endif

// The mean of a cubic B-spline and linear blending. Unlike linear blending, it shows no diamond shapes,
// and it is sharper than the spline. It takes four linear lookups, like the spline in Sigg and Hadwiger,
// "Fast Third-Order Texture Filtering", GPU Gems 2, 2005.
vec4 nca_cubic(vec2 nca_point) {
  vec2 nca_texels = vec2(textureSize(nca_colors_of_cells, 0));
  vec2 nca_at = nca_point / nca_cells * nca_texels - 0.5;
  vec2 nca_f = fract(nca_at), nca_base = nca_at - nca_f + 0.5;
  vec2 nca_g = 1.0 - nca_f;
  vec2 nca_w0 = nca_g * nca_g * nca_g / 12.0, nca_w3 = nca_f * nca_f * nca_f / 12.0;
  vec2 nca_w1 = 0.5 * nca_g + 1.0 / 3.0 - 0.25 * nca_f * nca_f * (2.0 - nca_f);
  vec2 nca_low = nca_w0 + nca_w1;
  vec2 nca_a = (nca_base - 1.0 + nca_w1 / nca_low) / nca_texels;
  vec2 nca_b = (nca_base + 1.0 + nca_w3 / (1.0 - nca_low)) / nca_texels;
  vec4 nca_top = mix(textureLod(nca_colors_of_cells, nca_b, 0.0),
                     textureLod(nca_colors_of_cells, vec2(nca_a.x, nca_b.y), 0.0), nca_low.x);
  vec4 nca_bottom = mix(textureLod(nca_colors_of_cells, vec2(nca_b.x, nca_a.y), 0.0),
                        textureLod(nca_colors_of_cells, nca_a, 0.0), nca_low.x);
  return mix(nca_top, nca_bottom, nca_low.y);
}

// A Catmull-Rom spline: sharp, but it also sharpens grain and steps. Nine linear lookups.
vec4 nca_sharp(vec2 nca_point) {
  vec2 nca_texels = vec2(textureSize(nca_colors_of_cells, 0));
  vec2 nca_at = nca_point / nca_cells * nca_texels - 0.5;
  vec2 nca_f = fract(nca_at), nca_base = nca_at - nca_f + 0.5;
  vec2 nca_w0 = nca_f * (nca_f * (1.0 - 0.5 * nca_f) - 0.5);
  vec2 nca_w2 = nca_f * (nca_f * (2.0 - 1.5 * nca_f) + 0.5);
  vec2 nca_w3 = 0.5 * nca_f * nca_f * (nca_f - 1.0), nca_w12 = 1.0 - nca_w0 - nca_w3;
  vec2 nca_w[3] = vec2[3](nca_w0, nca_w12, nca_w3);
  vec2 nca_p[3] = vec2[3](nca_base - 1.0, nca_base + nca_w2 / nca_w12, nca_base + 2.0);
  vec4 nca_sum = vec4(0.0);
  for (int nca_y = 0; nca_y < 3; nca_y++) {
    for (int nca_x = 0; nca_x < 3; nca_x++) {
      vec2 nca_q = vec2(nca_p[nca_x].x, nca_p[nca_y].y) / nca_texels;
      nca_sum += nca_w[nca_x].x * nca_w[nca_y].y * textureLod(nca_colors_of_cells, nca_q, 0.0);
    }
  }
  return clamp(nca_sum, 0.0, clamp(nca_sum.a, 0.0, 1.0));
}

vec4 nca_sampled(vec2 nca_point) {
  if (NCA_SAMPLING == 0) {
    float nca_density = float(textureSize(nca_colors_of_cells, 0).x) / NCA_PART.z;
    vec2 nca_at = (nca_point - NCA_PART.xy) / NCA_PART.zw;
    return textureLod(nca_colors_of_cells, nca_at, log2(nca_camera.z * nca_density));
  }
  if (NCA_SAMPLING == 2) return nca_cubic(nca_point);
  if (NCA_SAMPLING == 3) return nca_sharp(nca_point);
  // Squares with edges one pixel wide, so that they do not flicker at odd zooms.
  vec2 nca_corner = floor(nca_point + 0.5);
  vec2 nca_edge = clamp((nca_point - nca_corner) / nca_camera.z, -0.5, 0.5);
  return textureLod(nca_colors_of_cells, (nca_corner + nca_edge) / nca_cells, 0.0);
}

vec4 nca_screen(vec2 nca_pixel) {
  vec2 nca_point = nca_camera.xy + nca_camera.z * vec2(nca_pixel.x, nca_height - nca_pixel.y);
  vec2 nca_middle = 0.5 * nca_cells;
  bool nca_outside = any(greaterThan(abs(nca_point - nca_middle), nca_middle));
  if (nca_outside && !nca_wraps) return nca_transparent ? vec4(0.0) : vec4(vec3(0.07), 1.0);
  vec4 nca_color = nca_sampled(nca_point);
#if NCA_MARKS
  if (nca_borders > 0.0 && nca_wraps) {
    vec2 nca_away = abs(nca_point - nca_cells * round(nca_point / nca_cells)) / nca_camera.z;
    float nca_line = 1.0 - smoothstep(0.5, 1.5, min(nca_away.x, nca_away.y));
    nca_color = mix(nca_color, vec4(1.0), nca_borders * nca_line);
  }
  if (nca_ring.w > 0.0) {
    float nca_away = abs(length(nca_point - nca_ring.xy) - nca_ring.z) / nca_camera.z;
    nca_color = mix(nca_color, vec4(vec3(0.0), 1.0), 0.45 * nca_ring.w * smoothstep(3.0, 1.0, nca_away));
    nca_color = mix(nca_color, vec4(1.0), nca_ring.w * smoothstep(1.5, 0.5, nca_away));
  }
#endif
  return nca_color;
}

layout(location = 0) out vec4 nca_out0;

void main() { nca_out0 = nca_screen(gl_FragCoord.xy); }
