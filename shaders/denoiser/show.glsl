uniform sampler2DArray nca_image;
uniform ivec2 nca_corner;      // lower left pixel of the viewport
uniform ivec2 nca_extent;      // its size
uniform float nca_brightness;
layout(location = 0) out vec4 nca_out0;

float nca_pixel(int nca_channel, ivec2 nca_cell) {
  return texelFetch(nca_image, ivec3(nca_cell, nca_channel / 4), 0)[nca_channel % 4];
}

void main() {
  ivec2 nca_at = ivec2(gl_FragCoord.xy) - nca_corner;
  nca_at.y = nca_extent.y - 1 - nca_at.y; // row 0 of an image is its top
  nca_at = clamp(nca_at * NCA_SIDE / nca_extent, 0, NCA_SIDE - 1);
  ivec2 nca_cell = nca_at / NCA_PATCH, nca_in = nca_at % NCA_PATCH;
  int nca_first = nca_in.y * NCA_PATCH + nca_in.x, nca_next = NCA_PATCH * NCA_PATCH;
  vec3 nca_color = vec3(nca_pixel(nca_first, nca_cell));
  for (int nca_c = 1; nca_c < NCA_COLORS; nca_c++) {
    nca_color[nca_c] = nca_pixel(nca_first + nca_c * nca_next, nca_cell);
  }
  nca_out0 = vec4(clamp(0.5 + 0.5 * nca_brightness * nca_color, 0.0, 1.0), 1.0);
}
