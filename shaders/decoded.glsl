// Draws the picture of rules with a decoder into a texture of any size. If several rules share the
// cells, each draws one pass, which adds details of its decoder in proportion to its share of a cell.
// The macro NCA_SHARED means that several rules share the cells. It is not a uniform, because software
// renderers compute all branches.

uniform vec2 nca_picture;      // size of the texture
uniform vec4 nca_shown;        // the part of the state that it shows: corner and size, in cells
uniform int nca_rule;          // number of the rule of this pass, if rules share the cells
uniform bool nca_first;        // this is the first pass
uniform bool nca_last;         // this is the last pass
uniform bool nca_wraps;        // the state wraps at its edges
uniform sampler2D nca_drawn;   // the result of earlier passes

vec3 nca_details(vec2 nca_place, out vec4 nca_mean);

// Alpha, and the background that shows through; nca_w is channel 3, nca_m the color map.
vec2 nca_fades(float nca_w, vec3 nca_m) {
  float nca_alpha = mix(1.0, clamp(nca_w, 0.0, 1.0), nca_m.z);
  return vec2(nca_alpha, (1.0 - nca_alpha) * nca_m.y);
}

vec4 nca_decoded(vec2 nca_pixel) {
  vec2 nca_cells = vec2(nca_size);
  vec2 nca_place = nca_shown.xy + nca_shown.zw * (nca_pixel / nca_picture);
  nca_place = nca_wraps ? nca_place - nca_cells * floor(nca_place / nca_cells)
    : clamp(nca_place, vec2(0.0), nca_cells);
  vec4 nca_mean;
  vec3 nca_color = nca_details(nca_place, nca_mean);
  vec2 nca_faded;
#ifdef NCA_SHARED
  // Interpolate the colors of the cells and the shares of the rule between the centers of cells.
  vec2 nca_from = nca_place - 0.5, nca_part = fract(nca_from);
  float nca_s = 0.0;
  vec3 nca_plain = vec3(0.0);
  nca_faded = vec2(0.0);
  for (int nca_i = 0; nca_i < 4; nca_i++) {
    ivec2 nca_next = ivec2(nca_i % 2, nca_i / 2), nca_c = ivec2(floor(nca_from)) + nca_next;
    nca_c = nca_wraps ? (nca_c + nca_size) % nca_size : clamp(nca_c, ivec2(0), nca_size - 1);
    vec2 nca_near = mix(1.0 - nca_part, nca_part, vec2(nca_next));
    float nca_w = nca_near.x * nca_near.y;
    vec4 nca_f = round(texelFetch(nca_field, nca_c, 0) * 255.0);
    nca_s += nca_w * ((int(nca_f.x) == nca_rule ? nca_f.y : 0.0)
                      + (int(nca_f.z) == nca_rule ? nca_f.w : 0.0)) / 255.0;
    nca_plain += nca_w * nca_rgb(nca_c);
    nca_faded += nca_w * nca_fades(nca_fetch(0, nca_c).w, nca_map(nca_c));
  }
  nca_color = nca_s * nca_color
    + (nca_first ? nca_plain : texelFetch(nca_drawn, ivec2(nca_pixel), 0).rgb);
  if (!nca_last) return vec4(nca_color, 1.0);
#else
  nca_color += nca_mean.rgb * nca_alone.x + nca_alone.y;
  nca_faded = nca_fades(nca_mean.w, nca_alone);
#endif
  nca_color = clamp(nca_color, 0.0, 1.0);
  if (!nca_transparent) return vec4(nca_color, 1.0);
  return vec4(clamp(nca_color - nca_faded.y, 0.0, nca_faded.x), nca_faded.x);
}
