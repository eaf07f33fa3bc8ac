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
  if (nca_wraps) return min(1.0, 225.0 / nca_screen.y);
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

vec3 nca_color(ivec2 nca_at) {
  ivec2 nca_last = nca_size - 1;
  ivec2 nca_cell = clamp(nca_at, ivec2(0), nca_last);
  if (nca_wraps) {
    nca_cell = nca_at - nca_size * ivec2(floor(vec2(nca_at) / vec2(nca_size)));
    nca_cell = clamp(nca_cell, ivec2(0), nca_last);
  }
  return clamp(nca_fetch(0, nca_cell).rgb * nca_rgb_scale + nca_rgb_offset, 0.0, 1.0);
}

// The color at a position in cells, smooth between their centers.
vec3 nca_smooth(vec2 nca_point) {
  vec2 nca_low = floor(nca_point - 0.5), nca_part = nca_point - 0.5 - nca_low;
  ivec2 nca_a = ivec2(nca_low), nca_b = nca_a + 1;
  vec3 nca_above = mix(nca_color(nca_a), nca_color(ivec2(nca_b.x, nca_a.y)), nca_part.x);
  vec3 nca_below = mix(nca_color(ivec2(nca_a.x, nca_b.y)), nca_color(nca_b), nca_part.x);
  return mix(nca_above, nca_below, nca_part.y);
}

// The image on a screen.
vec3 nca_view(vec2 nca_pixel, vec2 nca_screen) {
  vec2 nca_point = nca_place(nca_pixel, nca_screen);
  vec2 nca_outside = abs(nca_point - 0.5 * vec2(nca_size)) - 0.5 * vec2(nca_size);
  if (!nca_wraps && max(nca_outside.x, nca_outside.y) > 0.0) return vec3(0.07);
  return nca_smooth(nca_point);
}
