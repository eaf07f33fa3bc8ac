// golden: a neural cellular automaton, 5 channels, 3 hidden units, 83 weights.
// Rule by: A. Nonymous
// License: CC0-1.0
// Shader made by nca-studio 0.
//
// For a GLSL TOP.
// Tested in OpenGL with TouchDesigner's declarations, but not in TouchDesigner itself.

layout(location = 0) out vec4 nca_out0;

void main() {
  // Row 0 of the state is the top of the image.
  vec4 nca_texel = texture(sTD2DInputs[0], vec2(vUV.x, 1.0 - vUV.y));
  vec3 nca_value = (nca_texel.rgb - 0.0) * 1.0;
  vec3 nca_color = clamp(nca_value * 1.0 + 0.5, 0.0, 1.0);
  nca_out0 = TDOutputSwizzle(vec4(nca_color, 1.0));
}
