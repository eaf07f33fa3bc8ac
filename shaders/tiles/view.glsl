// The image on a screen.
vec3 nca_view(vec2 nca_pixel, vec2 nca_screen) {
  vec2 nca_point = nca_place(nca_pixel, nca_screen);
  vec2 nca_outside = abs(nca_point - 0.5 * vec2(nca_size)) - 0.5 * vec2(nca_size);
  if (!nca_wraps && max(nca_outside.x, nca_outside.y) > 0.0) return vec3(0.07);
  return nca_smooth(nca_point);
}
