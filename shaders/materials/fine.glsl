// Draws all maps of rules with a decoder into a grid of pixels, which lit.glsl then shows like cells: ten
// channels in the order of nca.maps. If several rules share the cells, each rule with a decoder draws one
// pass, which adds the details of its decoder in proportion to its share of a cell. See maps.glsl.
//
// NCA_OWN is the layout of the rule of this pass. NCA_COLOR_ONLY: its decoder draws only a color.

uniform int nca_rule;      // number of the rule of this pass; below 0: it owns all cells
uniform bool nca_first;    // this is the first pass; the results of the others are added to it

const nca_Material nca_flat = nca_Material(vec3(0.0), vec3(0.5, 0.5, 1.0), 0.0, 1.0, 1.0, 0.0, 1.0);
const nca_Material nca_nothing = nca_Material(vec3(0.0), vec3(0.0), 0.0, 0.0, 0.0, 0.0, 0.0);

vec3 nca_details(vec2 nca_place, out vec4 nca_mean);
void nca_fine(vec2 nca_place, int nca_count, out vec4 nca_means[3], out vec4 nca_added[3]);

#ifdef NCA_COLOR_ONLY
void nca_fine(vec2 nca_place, int nca_count, out vec4 nca_means[3], out vec4 nca_added[3]) {
  nca_means = vec4[3](vec4(0.0), vec4(0.0), vec4(0.0));
  nca_added = nca_means;
  nca_added[0].rgb = nca_details(nca_place, nca_means[0]);
}
#endif

float nca_map_of(int nca_i, vec4 nca_v[3], float nca_missing) {
  int nca_c = NCA_OWN >> (4 * nca_i - 4) & 15;
  return nca_c > 0 ? nca_v[nca_c / 4][nca_c % 4] : nca_missing;
}

// The maps in the values of all channels; those that the rule lacks are as in nca_m.
nca_Material nca_split(vec4 nca_v[3], nca_Material nca_m) {
  const int nca_n = NCA_OWN & 15;
  nca_m.nca_base = nca_v[0].rgb;
#if (NCA_OWN & 15) > 0
  nca_m.nca_normal = vec3(nca_v[nca_n / 4][nca_n % 4], nca_v[(nca_n + 1) / 4][(nca_n + 1) % 4],
                          nca_v[(nca_n + 2) / 4][(nca_n + 2) % 4]);
#endif
  nca_m.nca_height = nca_map_of(2, nca_v, nca_m.nca_height);
  nca_m.nca_rough = nca_map_of(3, nca_v, nca_m.nca_rough);
  nca_m.nca_open = nca_map_of(4, nca_v, nca_m.nca_open);
  nca_m.nca_metal = nca_map_of(5, nca_v, nca_m.nca_metal);
  return nca_m;
}

// The share of the rule at a place, interpolated between the centers of cells.
float nca_share(vec2 nca_place) {
  vec2 nca_from = nca_place - 0.5, nca_part = fract(nca_from);
  float nca_s = 0.0;
  for (int nca_i = 0; nca_i < 4; nca_i++) {
    ivec2 nca_next = ivec2(nca_i % 2, nca_i / 2);
    vec2 nca_near = mix(1.0 - nca_part, nca_part, vec2(nca_next));
    vec4 nca_f = round(texelFetch(nca_field, nca_inside(ivec2(floor(nca_from)) + nca_next), 0) * 255.0);
    nca_s += nca_near.x * nca_near.y * ((int(nca_f.x) == nca_rule ? nca_f.y : 0.0)
                                        + (int(nca_f.z) == nca_rule ? nca_f.w : 0.0)) / 255.0;
  }
  return nca_s;
}

void nca_draw(vec2 nca_pixel, out vec4 nca_a, out vec4 nca_b, out vec4 nca_c) {
  vec2 nca_cells = vec2(nca_size), nca_place = nca_shown.xy + nca_shown.zw * (nca_pixel / nca_picture);
  nca_place = nca_wraps ? nca_place - nca_cells * floor(nca_place / nca_cells)
    : clamp(nca_place, vec2(0.0), nca_cells);
  vec4 nca_means[3], nca_added[3];
  nca_fine(nca_place, 3, nca_means, nca_added);
  float nca_s = 1.0;
  nca_Material nca_sum = nca_nothing, nca_m;
  if (nca_rule < 0) {
    for (int nca_g = 0; nca_g < 3; nca_g++) nca_added[nca_g] += nca_means[nca_g] * nca_alone.x + nca_alone.y;
    nca_m = nca_split(nca_added, nca_flat);
    vec3 nca_n = 2.0 * nca_m.nca_normal - 1.0;
    nca_m.nca_normal = 0.5 * nca_n / max(length(nca_n), 0.00001) + 0.5;
  } else {
    nca_s = nca_share(nca_place);
    nca_m = nca_split(nca_added, nca_nothing);
    if (nca_first) nca_sum = nca_mean(nca_place, 1.0);
  }
  nca_a = vec4(nca_sum.nca_base + nca_s * nca_m.nca_base, nca_sum.nca_normal.x + nca_s * nca_m.nca_normal.x);
  nca_b = vec4(nca_sum.nca_normal.yz + nca_s * nca_m.nca_normal.yz,
               nca_sum.nca_height + nca_s * nca_m.nca_height, nca_sum.nca_rough + nca_s * nca_m.nca_rough);
  nca_c = vec4(nca_sum.nca_open + nca_s * nca_m.nca_open, nca_sum.nca_metal + nca_s * nca_m.nca_metal, 0.0, 1.0);
}
