// One step of any rule. Macros at the top of the shader set its parameters, see nca.exporters.glsl.general.

const float nca_coefficients[9 * NCA_FILTERS] = float[](NCA_COEFFICIENTS);
const int nca_dilations[NCA_FILTERS] = int[](NCA_DILATIONS); // cells between taps, in ascending order
const int nca_orders[NCA_FILTERS] = int[](NCA_ORDERS);      // order of each filter as a derivative
const int nca_partners[NCA_FILTERS] = int[](NCA_PARTNERS);  // the other gradient of a pair
const float nca_turns[NCA_FILTERS] = float[](NCA_TURNS);    // sign of the sine in a rotation: x 1, y -1, other filters 0

vec4 nca_steered(vec4 nca_sums[NCA_FILTERS], int nca_k) {
  vec4 nca_value = nca_sums[nca_k];
  if (nca_turns[nca_k] != 0.0) {
    vec4 nca_other = nca_sums[nca_partners[nca_k]];
    nca_value = nca_turned.x * nca_value + nca_turns[nca_k] * nca_turned.y * nca_other;
  }
  if (nca_orders[nca_k] == 1) nca_value *= nca_coarser;
  if (nca_orders[nca_k] == 2) nca_value *= nca_coarser * nca_coarser;
#ifdef NCA_PERCEPTION_GRID
  nca_value = nca_grid(nca_value, NCA_PERCEPTION_GRID);
#endif
  return nca_value;
}

/** A group of the cell and of the eight cells at a distance around it. */
vec4[9] nca_taps_of(int nca_g, ivec2 nca_at, int nca_distance) {
  ivec2 nca_low = nca_pad(nca_at - nca_distance), nca_high = nca_pad(nca_at + nca_distance);
  return vec4[](
    nca_read(nca_g, nca_low), nca_read(nca_g, ivec2(nca_at.x, nca_low.y)),
    nca_read(nca_g, ivec2(nca_high.x, nca_low.y)), nca_read(nca_g, ivec2(nca_low.x, nca_at.y)),
    nca_fetch(nca_g, nca_at), nca_read(nca_g, ivec2(nca_high.x, nca_at.y)),
    nca_read(nca_g, ivec2(nca_low.x, nca_high.y)), nca_read(nca_g, ivec2(nca_at.x, nca_high.y)),
    nca_read(nca_g, nca_high));
}

void nca_step(ivec2 nca_at, inout vec4 nca_next[NCA_OUTPUTS]) {
#ifdef NCA_FIELDS
  nca_read_fields(nca_at, nca_rotation, nca_coarseness, nca_dt, nca_limit);
#endif
  vec4 nca_p[NCA_GROUPS * NCA_FILTERS];
  for (int nca_g = 0; nca_g < NCA_GROUPS; nca_g++) {
    vec4 nca_taps[9], nca_sums[NCA_FILTERS];
    for (int nca_k = 0; nca_k < NCA_FILTERS; nca_k++) {
      if (nca_k == 0 || nca_dilations[nca_k] != nca_dilations[nca_k - 1]) {
        nca_taps = nca_taps_of(nca_g, nca_at, nca_dilations[nca_k]);
      }
      nca_sums[nca_k] = vec4(0.0);
      for (int nca_t = 0; nca_t < 9; nca_t++) {
        nca_sums[nca_k] += nca_coefficients[9 * nca_k + nca_t] * nca_taps[nca_t];
      }
    }
    for (int nca_k = 0; nca_k < NCA_FILTERS; nca_k++) {
      nca_p[nca_g * NCA_FILTERS + nca_k] = nca_steered(nca_sums, nca_k);
    }
  }
  vec4 nca_changes[NCA_OUTPUTS];
  for (int nca_i = 0; nca_i < NCA_OUTPUTS; nca_i++) {
    nca_changes[nca_i] = nca_weight(min(NCA_FIRST + nca_i, NCA_GROUPS - 1));
  }
  for (int nca_j = 0; nca_j < (NCA_HIDDEN + 3) / 4; nca_j++) {
    int nca_o = NCA_GROUPS + nca_j * (1 + 4 * NCA_GROUPS * (NCA_FILTERS + 1));
    vec4 nca_h = nca_weight(nca_o);
    for (int nca_i = 0; nca_i < NCA_GROUPS * NCA_FILTERS; nca_i++) {
      nca_h += nca_matrix(nca_o + 1 + 4 * nca_i) * nca_p[nca_i];
    }
    nca_h = max(nca_h, 0.0);
#ifdef NCA_CLIP
    nca_h = min(nca_h, NCA_CLIP);
#endif
#ifdef NCA_HIDDEN_GRID
    nca_h = nca_grid(nca_h, NCA_HIDDEN_GRID);
#endif
    nca_o += 1 + 4 * NCA_GROUPS * NCA_FILTERS;
    for (int nca_i = 0; nca_i < NCA_OUTPUTS; nca_i++) {
      nca_changes[nca_i] += nca_matrix(nca_o + 4 * min(NCA_FIRST + nca_i, NCA_GROUPS - 1)) * nca_h;
    }
  }
  float nca_mask = nca_fires(nca_at) ? 1.0 : 0.0;
  for (int nca_i = 0; nca_i < NCA_OUTPUTS; nca_i++) {
    if (NCA_FIRST + nca_i >= NCA_GROUPS) continue;
    vec4 nca_change = nca_changes[nca_i];
#ifdef NCA_UPDATE_GRID
    nca_change = nca_grid(nca_change, NCA_UPDATE_GRID);
#endif
    vec4 nca_value = nca_next[nca_i] + nca_mask * nca_paced * nca_change;
#if defined(NCA_STATE_GRID) && !defined(NCA_ALIVE)
    nca_value = nca_grid(nca_value, NCA_STATE_GRID);
#endif
    nca_next[nca_i] = nca_value * nca_used(NCA_FIRST + nca_i);
  }
}
