
// The color at a position in cells, drawn by the decoder.
vec3 nca_smooth(vec2 nca_point) {
  vec2 nca_cells = vec2(nca_size);
  vec2 nca_inside = clamp(nca_point, vec2(0.0), nca_cells);
  if (nca_wraps) nca_inside = nca_point - nca_cells * floor(nca_point / nca_cells);
  return clamp(nca_color(nca_inside), 0.0, 1.0);
}

