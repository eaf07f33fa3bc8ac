// A state of several groups of four channels in one texture: group g is the tile at column
// g % nca_columns and row g / nca_columns. Each tile has nca_size texels; row 0 of the state is the
// lowest row of its tile. The texel to the right of the tiles holds a mark, which distinguishes a
// valid state of this size from an empty or resized texture.

ivec2 nca_corner(int nca_group) {
  return nca_size * ivec2(nca_group % nca_columns, nca_group / nca_columns);
}

ivec2 nca_mark_place() { return ivec2(nca_columns * nca_size.x, 0); }

// The group that a texel belongs to (-1 outside the tiles), and its cell.
int nca_group_at(ivec2 nca_texel, out ivec2 nca_at) {
  ivec2 nca_t = nca_texel / nca_size;
  nca_at = nca_texel - nca_t * nca_size;
  int nca_group = nca_t.y * nca_columns + nca_t.x;
  return nca_t.x < nca_columns && nca_group < nca_groups ? nca_group : -1;
}

vec4 nca_fetch(int nca_group, ivec2 nca_at) {
  return nca_decode(nca_before(nca_corner(nca_group) + nca_at));
}

bool nca_is_marked() {
  return all(lessThan(abs(nca_before(nca_mark_place()) - nca_mark()), vec4(0.01)));
}

// Cells per pixel. A state that wraps is repeated; any other state is shown once, as a whole.
float nca_zoom(vec2 nca_screen) {
  vec2 nca_cells = vec2(nca_size);
  if (nca_wraps) return NCA_ZOOM;
  return max(nca_cells.x / nca_screen.x, nca_cells.y / nca_screen.y);
}

// Position of a pixel in cells; pixels count from the lower left, cells from the upper left.
vec2 nca_place(vec2 nca_pixel, vec2 nca_screen) {
  vec2 nca_turned = vec2(nca_pixel.x, nca_screen.y - nca_pixel.y);
  float nca_scale_down = nca_zoom(nca_screen);
  if (nca_wraps) return nca_turned * nca_scale_down;
  return (nca_turned - 0.5 * nca_screen) * nca_scale_down + 0.5 * vec2(nca_size);
}

// The texel above the mark stores the last pointer position, so that a quick stroke has no gaps.
ivec2 nca_pointer_place() { return nca_mark_place() + ivec2(0, 1); }

bool nca_brushed(ivec2 nca_at, vec2 nca_from, vec2 nca_to, float nca_radius) {
  vec2 nca_line = nca_to - nca_from, nca_cells = vec2(nca_size);
  vec2 nca_away = vec2(nca_at) + 0.5 - nca_from - 0.5 * nca_line;
  if (nca_wraps) nca_away -= nca_cells * floor(nca_away / nca_cells + 0.5);
  float nca_along = dot(nca_away, nca_line) / max(dot(nca_line, nca_line), 0.000001);
  return length(nca_away - clamp(nca_along, -0.5, 0.5) * nca_line) < nca_radius;
}

