
// Two texels above the mark is the number of passes so far. It restarts from 0 before it exceeds
// what a float can hold exactly.
ivec2 nca_count_place() { return nca_mark_place() + ivec2(0, 2); }
int nca_count() { return int(nca_read(nca_count_place()).x + 0.5); }
float nca_counted() { return float((nca_count() + 1) % 16777216); }

void nca_prepare(vec2 nca_image) {
  nca_begin(nca_image, 1, 0);
  nca_begin(nca_image, 1, nca_count() / NCA_PASSES);
}

vec4 nca_initial(ivec2 nca_texel) {
  ivec2 nca_at;
  int nca_group = nca_group_at(nca_texel, nca_at);
  if (nca_group >= 0) return nca_encode(nca_start(nca_group, nca_at, nca_seed_number));
  bool nca_is_mark = nca_texel == nca_mark_place();
  return nca_is_mark ? nca_mark() : vec4(0.0);
}
