// Average pictures, and limit flashes: at most three in a second (WCAG 2.3.1).
//
// NCA_FLASHES is 0: measure how light the parts of the screen are, and how often this turns around;
// 1: decide whether the picture is limited; 2: mix the fresh picture into the kept one.
//
// A part is about as large as the smallest area that counts as a flash. Its luminance is a mean, so
// that grain and small changing shapes are not flashes. A flash is two turns. A turn is a change of
// relative luminance by 0.1 or more, opposite to the previous turn, where the darker value is below
// 0.8; or the same change of saturated red, at any brightness. Each turn heats its part, and parts
// cool down over time. A hot part would turn more than six times in a second.

#if NCA_FLASHES == 0

uniform sampler2D nca_fresh;     // colors of the cells, with mipmaps
uniform sampler2D nca_meter;     // of each part: luminance and redness of the last turn, their
                                 // directions, heat
uniform vec2 nca_cells;          // size of the state
uniform vec3 nca_camera;         // cell at the top left corner (x, y), cells per pixel
uniform vec4 nca_shown;          // part of the state that the colors show: corner, size
uniform vec2 nca_part_size;      // in pixels
uniform bool nca_wraps;          // the state wraps at its edges
uniform bool nca_moved;          // the camera has moved, or something else is shown
uniform float nca_seconds;       // since the last frame

const int nca_samples = 12;      // across and down, in every part
const float nca_cooling = 4.0;   // turns per second
const float nca_hottest = 6.0;

// Luminance and redness of a point.
vec2 nca_light(vec2 nca_point, float nca_level) {
  vec2 nca_middle = 0.5 * nca_cells;
  if (!nca_wraps && any(greaterThan(abs(nca_point - nca_middle), nca_middle))) return vec2(0.0);
  vec3 nca_c = textureLod(nca_fresh, (nca_point - nca_shown.xy) / nca_shown.zw, nca_level).rgb;
  nca_c = pow(max(nca_c, 0.0), vec3(2.2));
  float nca_red = nca_c.r >= 0.8 * (nca_c.r + nca_c.g + nca_c.b) ? nca_c.r - nca_c.g - nca_c.b : 0.0;
  return vec2(dot(nca_c, vec3(0.2126, 0.7152, 0.0722)), 1.6 * max(nca_red, 0.0));
}

// Follow a value (nca_last.x) in its direction (nca_last.y); returns whether it turns around.
bool nca_turns(float nca_value, bool nca_darkens, inout vec2 nca_last) {
  float nca_change = nca_value - nca_last.x;
  bool nca_counts = abs(nca_change) >= 0.1 && (!nca_darkens || min(nca_value, nca_last.x) < 0.8);
  bool nca_turn = nca_counts && nca_change * nca_last.y <= 0.0;
  if (nca_turn) nca_last.y = sign(nca_change);
  if (nca_turn || nca_change * nca_last.y > 0.0) nca_last.x = nca_value;
  return nca_turn;
}

vec4 nca_measured(ivec2 nca_part) {
  vec2 nca_step = nca_part_size / float(nca_samples);
  float nca_density = float(textureSize(nca_fresh, 0).x) / nca_shown.z;
  float nca_level = max(log2(nca_camera.z * nca_density * max(nca_step.x, nca_step.y)), 0.0);
  vec2 nca_now = vec2(0.0);
  for (int nca_y = 0; nca_y < nca_samples; nca_y++) {
    for (int nca_x = 0; nca_x < nca_samples; nca_x++) {
      vec2 nca_pixel = vec2(nca_part) * nca_part_size + (vec2(nca_x, nca_y) + 0.5) * nca_step;
      nca_now += nca_light(nca_camera.xy + nca_camera.z * nca_pixel, nca_level);
    }
  }
  nca_now /= float(nca_samples * nca_samples);
  vec4 nca_was = texelFetch(nca_meter, nca_part, 0);
  float nca_heat = max(nca_was.w - nca_cooling * nca_seconds, 0.0);
  if (nca_moved) return vec4(nca_now, 4.0, nca_heat);
  vec2 nca_a = vec2(nca_was.x, floor(nca_was.z / 3.0) - 1.0);
  vec2 nca_b = vec2(nca_was.y, mod(nca_was.z, 3.0) - 1.0);
  bool nca_lighter = nca_turns(nca_now.x, true, nca_a), nca_redder = nca_turns(nca_now.y, false, nca_b);
  if (nca_lighter || nca_redder) nca_heat = min(nca_heat + 1.0, nca_hottest);
  return vec4(nca_a.x, nca_b.x, 3.0 * nca_a.y + nca_b.y + 4.0, nca_heat);
}

#elif NCA_FLASHES == 1

uniform sampler2D nca_meter;
const float nca_hot = 2.0;       // plus the cooling in one second: six turns

float nca_limited() {
  ivec2 nca_size = textureSize(nca_meter, 0);
  for (int nca_y = 0; nca_y < nca_size.y; nca_y++) {
    for (int nca_x = 0; nca_x < nca_size.x; nca_x++) {
      if (texelFetch(nca_meter, ivec2(nca_x, nca_y), 0).w > nca_hot + 0.001) return 1.0;
    }
  }
  return 0.0;
}

#else

uniform sampler2D nca_fresh;
uniform sampler2D nca_kept;
uniform sampler2D nca_verdict;   // 1 if the picture is limited
uniform float nca_weight;        // of the fresh picture
uniform float nca_slow;          // the largest weight if the picture is limited

vec4 nca_mixed(ivec2 nca_at) {
  vec4 nca_fresh_color = texelFetch(nca_fresh, nca_at, 0);
  bool nca_limits = texelFetch(nca_verdict, ivec2(0), 0).x > 0.5;
  float nca_w = nca_limits ? min(nca_weight, nca_slow) : nca_weight;
  if (nca_w >= 1.0) return nca_fresh_color;
  return mix(texelFetch(nca_kept, nca_at, 0), nca_fresh_color, nca_w);
}

#endif
