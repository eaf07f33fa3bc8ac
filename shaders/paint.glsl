// Paint into the state; nothing is drawn outside the brush. Coordinates are in cells, y down.

uniform int nca_tool;       // 0 erase, 1 plant a cell, 2 noise, 3 initial state
uniform vec4 nca_stroke;    // from x, y to x, y: the brush moved along this line
uniform float nca_radius;   // radius of the brush; below 0: everywhere
uniform uint nca_number;    // random seed of the noise
uniform bool nca_wraps;     // the state wraps at its edges

float nca_stroke_distance(vec2 nca_at) {
  vec2 nca_line = nca_stroke.zw - nca_stroke.xy;
  vec2 nca_middle = nca_stroke.xy + 0.5 * nca_line;
  vec2 nca_away = nca_at - nca_middle;
  if (nca_wraps) {
    vec2 nca_cells = vec2(nca_size);
    nca_away -= nca_cells * round(nca_away / nca_cells);
  }
  float nca_length = max(dot(nca_line, nca_line), 1e-6);
  float nca_along = clamp(dot(nca_away, nca_line) / nca_length, -0.5, 0.5);
  return length(nca_away - nca_along * nca_line);
}

bool nca_painted(ivec2 nca_at) {
  return nca_radius < 0.0 || nca_stroke_distance(vec2(nca_at) + 0.5) < nca_radius;
}

vec4 nca_paint(int nca_group, ivec2 nca_at) {
  if (nca_tool == 1) return nca_plant(nca_group);
  if (nca_tool == 2) return nca_noise(nca_group, nca_at, nca_number);
  if (nca_tool == 3) return nca_start(nca_group, nca_at, nca_number);
  return vec4(0.0);
}
