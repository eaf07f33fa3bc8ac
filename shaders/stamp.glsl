// Blend an image over the colors of a state; the result is transparent where nothing changes. Row 0
// of the image and of the state is the top.

uniform sampler2D nca_picture;
uniform sampler2D nca_field;    // two rule numbers and their shares in every cell
uniform sampler2D nca_colors;   // one texel per rule: scale and offset of its colors
uniform ivec2 nca_size;
uniform vec4 nca_place;         // left, top, width, height in cells
uniform float nca_strength;     // 0: no change, 1: the image replaces the colors
uniform bool nca_wraps;         // the state wraps at its edges

layout(location = 0) out vec4 nca_out0;

void main() {
  ivec2 nca_at = ivec2(gl_FragCoord.xy);
  vec2 nca_from = vec2(nca_at) + 0.5 - nca_place.xy;
  if (nca_wraps) nca_from -= vec2(nca_size) * floor(nca_from / vec2(nca_size));
  vec2 nca_in = nca_from / nca_place.zw;
  bool nca_covered = all(greaterThanEqual(nca_in, vec2(0.0))) && all(lessThan(nca_in, vec2(1.0)));
  vec4 nca_f = round(texelFetch(nca_field, nca_at, 0) * 255.0);
  vec2 nca_a = texelFetch(nca_colors, ivec2(nca_f.x, 0), 0).xy;
  vec2 nca_b = texelFetch(nca_colors, ivec2(nca_f.z, 0), 0).xy;
  vec2 nca_map = mix(nca_b, nca_a, nca_f.y / 255.0);
  vec4 nca_color = textureLod(nca_picture, nca_in, 0.0);
  vec3 nca_value = nca_map.x == 0.0 ? vec3(0.0) : (nca_color.rgb - nca_map.y) / nca_map.x;
  nca_out0 = vec4(nca_value, nca_covered ? nca_strength * nca_color.a : 0.0);
}
