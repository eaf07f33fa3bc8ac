// Buffer D
// iChannel0: Buffer B
// iChannel1: Buffer C
// iChannel2: Keyboard

vec4 nca_before(ivec2 nca_texel) { return texelFetch(iChannel0, nca_texel, 0); }
vec4 nca_after(ivec2 nca_texel) { return texelFetch(iChannel1, nca_texel, 0); }

bool nca_key(int nca_code) {
  return texelFetch(iChannel2, ivec2(nca_code, 0), 0).x > 0.5;
}

void mainImage(out vec4 nca_result, in vec2 nca_pixel) {
  nca_begin(iResolution.xy, iFrame, 1);
  nca_result = nca_tile_life(ivec2(nca_pixel));
  bool nca_restart = !nca_is_marked() || nca_key(82);
  float nca_radius = iMouse.z > 0.0 ? 10.0 : 0.0;
  vec3 nca_brush = vec3(nca_place(iMouse.xy, iResolution.xy), nca_radius);
  nca_result = nca_finish(ivec2(nca_pixel), nca_result, nca_restart, nca_brush, nca_key(16));
}
