// The maps of materials in the channels of cells; nca.maps defines the maps.
//
// Macros:
// - NCA_LAYOUT: layout of the rule that owns all cells. If it is missing, several rules share the
//   cells, and nca_colors contains their layouts. Hexadecimal digit i - 1 of a layout is the first
//   channel of map i, or 0 if the rule lacks this map.
// - NCA_TAPS: number of cells, across and down, that are averaged for a pixel.

uniform vec2 nca_picture;    // size of the texture, in pixels
uniform vec4 nca_shown;      // the part of the state that it shows: corner and size, in cells
uniform bool nca_wraps;      // whether the state wraps at its sides
uniform vec3 nca_alone;      // scale and offset of the colors of the rule that owns all cells
uniform sampler2D nca_field;
uniform sampler2D nca_colors;

struct nca_Material {
  vec3 nca_base, nca_normal;
  float nca_height, nca_rough, nca_open, nca_metal;
  float nca_length; // mean length of the normals; their mean is shorter if their directions differ
};

ivec2 nca_inside(ivec2 nca_c) {
  if (nca_wraps) nca_c -= nca_size * ivec2(floor(vec2(nca_c) / vec2(nca_size)));
  return clamp(nca_c, ivec2(0), nca_size - 1);
}

// The value of a channel; nca_m is the color map of its rule.
float nca_value(int nca_channel, ivec2 nca_c, vec4 nca_m) {
  float nca_v = nca_fetch(nca_channel / 4, nca_c)[nca_channel % 4] * nca_m.x + nca_m.y;
#ifdef NCA_OWN
  return nca_v; // a decoder adds to it
#else
  return clamp(nca_v, 0.0, 1.0);
#endif
}

vec3 nca_values(int nca_channel, ivec2 nca_c, vec4 nca_m) {
  return vec3(nca_value(nca_channel, nca_c, nca_m), nca_value(nca_channel + 1, nca_c, nca_m),
              nca_value(nca_channel + 2, nca_c, nca_m));
}

// The first channel of map nca_i, or 0. nca_m.w is the layout of the rule.
int nca_channel_of(int nca_i, vec4 nca_m) {
#ifdef NCA_LAYOUT
  return NCA_LAYOUT >> (4 * nca_i - 4) & 15;
#else
  return int(nca_m.w) >> (4 * nca_i - 4) & 15;
#endif
}

float nca_map_value(int nca_i, ivec2 nca_c, vec4 nca_m, float nca_missing) {
  int nca_channel = nca_channel_of(nca_i, nca_m);
  return nca_channel > 0 ? nca_value(nca_channel, nca_c, nca_m) : nca_missing;
}

// Add a cell, with the weight nca_w. Rules without maps are flat and matte.
void nca_add(inout nca_Material nca_sum, float nca_w, ivec2 nca_c, vec4 nca_m) {
  int nca_channel = nca_channel_of(1, nca_m);
  vec3 nca_normal = nca_channel > 0 ? nca_values(nca_channel, nca_c, nca_m) : vec3(0.5, 0.5, 1.0);
  nca_sum.nca_base += nca_w * nca_values(0, nca_c, nca_m);
  nca_sum.nca_normal += nca_w * nca_normal;
  nca_sum.nca_length += nca_w * length(2.0 * nca_normal - 1.0);
  nca_sum.nca_height += nca_w * nca_map_value(2, nca_c, nca_m, 0.0);
  nca_sum.nca_rough += nca_w * nca_map_value(3, nca_c, nca_m, 1.0);
  nca_sum.nca_open += nca_w * nca_map_value(4, nca_c, nca_m, 1.0);
  nca_sum.nca_metal += nca_w * nca_map_value(5, nca_c, nca_m, 0.0);
}

// The mean over a square that is nca_wide cells wide. A width of 1 interpolates linearly between cell centers.
nca_Material nca_mean(vec2 nca_place, float nca_wide) {
  nca_Material nca_sum = nca_Material(vec3(0.0), vec3(0.0), 0.0, 0.0, 0.0, 0.0, 0.0);
  vec2 nca_low = nca_place - 0.5 * nca_wide, nca_high = nca_place + 0.5 * nca_wide;
  for (int nca_y = 0; nca_y < NCA_TAPS; nca_y++) {
    for (int nca_x = 0; nca_x < NCA_TAPS; nca_x++) {
      vec2 nca_from = floor(nca_low) + vec2(nca_x, nca_y);
      vec2 nca_part = max(min(nca_from + 1.0, nca_high) - max(nca_from, nca_low), 0.0) / nca_wide;
      float nca_w = nca_part.x * nca_part.y;
      ivec2 nca_c = nca_inside(ivec2(nca_from));
#ifdef NCA_LAYOUT
      nca_add(nca_sum, nca_w, nca_c, vec4(nca_alone, 0.0));
#else
      vec4 nca_f = round(texelFetch(nca_field, nca_c, 0) * 255.0);
      nca_add(nca_sum, nca_w * nca_f.y / 255.0, nca_c, texelFetch(nca_colors, ivec2(nca_f.x, 0), 0));
      nca_add(nca_sum, nca_w * nca_f.w / 255.0, nca_c, texelFetch(nca_colors, ivec2(nca_f.z, 0), 0));
#endif
    }
  }
  return nca_sum;
}
