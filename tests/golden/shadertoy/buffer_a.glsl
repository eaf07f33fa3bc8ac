// Buffer A
// iChannel0: Buffer D

vec4 nca_before(ivec2 nca_texel) { return texelFetch(iChannel0, nca_texel, 0); }
vec4 nca_after(ivec2 nca_texel) { return vec4(0.0); }

void mainImage(out vec4 nca_result, in vec2 nca_pixel) {
  nca_begin(iResolution.xy, iFrame, 0);
  nca_result = nca_tile_step(ivec2(nca_pixel));
}
