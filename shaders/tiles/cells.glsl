vec3 nca_color(ivec2 nca_at) {
  ivec2 nca_last = nca_size - 1;
  ivec2 nca_cell = clamp(nca_at, ivec2(0), nca_last);
  if (nca_wraps) {
    nca_cell = nca_at - nca_size * ivec2(floor(vec2(nca_at) / vec2(nca_size)));
    nca_cell = clamp(nca_cell, ivec2(0), nca_last);
  }
  return clamp(nca_fetch(0, nca_cell).rgb * nca_rgb_scale + nca_rgb_offset, 0.0, 1.0);
}

// The color at a position in cells, blended between the centers of cells.
vec3 nca_smooth(vec2 nca_point) {
  vec2 nca_low = floor(nca_point - 0.5), nca_part = nca_point - 0.5 - nca_low;
  ivec2 nca_a = ivec2(nca_low), nca_b = nca_a + 1;
  vec3 nca_above = mix(nca_color(nca_a), nca_color(ivec2(nca_b.x, nca_a.y)), nca_part.x);
  vec3 nca_below = mix(nca_color(ivec2(nca_a.x, nca_b.y)), nca_color(nca_b), nca_part.x);
  return mix(nca_above, nca_below, nca_part.y);
}

