// The decoder of any rule: what it adds to the color, or to all maps of a material, at a position in cells.
// Macros set its parameters, see nca.exporters.glsl.general_decoder; the weights come from the texture.

const int nca_sizes[NCA_LAYERS + 1] = int[](NCA_SIZES); // numbers of groups: of the inputs, then of every layer

// nca_added: the first nca_count groups of four outputs; nca_means: the first groups of the channels, interpolated
// between cells. The other groups are zero.
void nca_fine(vec2 nca_place, int nca_count, out vec4 nca_means[3], out vec4 nca_added[3]) {
  vec2 nca_from = nca_place - 0.5, nca_part = fract(nca_from);
  ivec2 nca_cell = ivec2(floor(nca_from));
  ivec2 nca_low = nca_pad(nca_cell), nca_high = nca_pad(nca_cell + 1);
  vec4 nca_in[NCA_LARGEST], nca_units[NCA_LARGEST];
  for (int nca_g = 0; nca_g < NCA_GROUPS; nca_g++) {
    vec4 nca_above = mix(nca_read(nca_g, nca_low), nca_read(nca_g, ivec2(nca_high.x, nca_low.y)), nca_part.x);
    vec4 nca_below = mix(nca_read(nca_g, ivec2(nca_low.x, nca_high.y)), nca_read(nca_g, nca_high), nca_part.x);
    nca_in[nca_g] = mix(nca_above, nca_below, nca_part.y);
  }
  for (int nca_g = 0; nca_g < 3; nca_g++) nca_means[nca_g] = nca_g < NCA_GROUPS ? nca_in[nca_g] : vec4(0.0);
  for (int nca_k = NCA_GROUPS; nca_k < nca_sizes[0]; nca_k++) { // sines are most precise near zero
    vec2 nca_turn = 6.28318531 * (fract(float(nca_k + 1 - NCA_GROUPS) * nca_place + 0.5) - 0.5);
    nca_in[nca_k] = vec4(sin(nca_turn.x), cos(nca_turn.x), sin(nca_turn.y), cos(nca_turn.y));
  }
  int nca_o = NCA_DECODER;
  for (int nca_l = 1; nca_l <= NCA_LAYERS; nca_l++) {
    int nca_wide = nca_l < NCA_LAYERS ? nca_sizes[nca_l] : min(nca_count, nca_sizes[nca_l]);
    for (int nca_j = 0; nca_j < nca_wide; nca_j++) {
      vec4 nca_h = nca_weight(nca_o++);
      for (int nca_n = 0; nca_n < nca_sizes[nca_l - 1]; nca_n++) {
        nca_h += nca_matrix(nca_o) * nca_in[nca_n];
        nca_o += 4;
      }
      nca_units[nca_j] = nca_l == NCA_LAYERS ? nca_h : NCA_SINE == 1 ? sin(nca_h) : max(nca_h, 0.0);
    }
    nca_in = nca_units;
  }
  for (int nca_g = 0; nca_g < 3; nca_g++) {
    nca_added[nca_g] = nca_g < min(nca_count, nca_sizes[NCA_LAYERS]) ? nca_in[nca_g] : vec4(0.0);
#ifdef NCA_ALIVE
    nca_added[nca_g] *= clamp(nca_means[0].w / max(NCA_ALIVE, 0.001), 0.0, 1.0); // dead cells show the background
#endif
  }
}

vec3 nca_details(vec2 nca_place, out vec4 nca_mean) {
  vec4 nca_means[3], nca_added[3];
  nca_fine(nca_place, 1, nca_means, nca_added);
  nca_mean = nca_means[0];
  return nca_added[0].rgb;
}
