// Draws a material into a texture of any size: lit, or one of its maps. See materials/maps.glsl.
//
// Macros:
// - NCA_MAP: 0: the lit material; i: map i of nca.maps, where the color is map 0.
// - NCA_RELIEF: 1 if the height map causes shadows and parallax, otherwise 0.

uniform vec3 nca_lamp;       // x, y: place of the lamp in this part, 0 to 1 across and down; z: 0: distant light, 1: lamp
uniform float nca_relief;    // height in cells where the height map is 1

#if NCA_RELIEF
float nca_height_of(ivec2 nca_at) {
  ivec2 nca_c = nca_inside(nca_at);
#ifdef NCA_LAYOUT
  return nca_map_value(2, nca_c, vec4(nca_alone, 0.0), 0.0);
#else
  vec4 nca_f = round(texelFetch(nca_field, nca_c, 0) * 255.0);
  return (nca_f.y * nca_map_value(2, nca_c, texelFetch(nca_colors, ivec2(nca_f.x, 0), 0), 0.0)
          + nca_f.w * nca_map_value(2, nca_c, texelFetch(nca_colors, ivec2(nca_f.z, 0), 0), 0.0)) / 255.0;
#endif
}

float nca_height_at(vec2 nca_place) {
  vec2 nca_from = nca_place - 0.5, nca_part = fract(nca_from);
  ivec2 nca_c = ivec2(floor(nca_from));
  float nca_above = mix(nca_height_of(nca_c), nca_height_of(nca_c + ivec2(1, 0)), nca_part.x);
  float nca_below = mix(nca_height_of(nca_c + ivec2(0, 1)), nca_height_of(nca_c + 1), nca_part.x);
  return mix(nca_above, nca_below, nca_part.y);
}

// Parallax: the place on the relief that the eye, in the direction nca_v, sees at nca_place.
vec2 nca_parallax(vec2 nca_place, vec3 nca_v) {
  vec2 nca_slide = nca_relief * vec2(nca_v.x, -nca_v.y) / nca_v.z, nca_at = nca_place;
  for (int nca_i = 0; nca_i < 4; nca_i++) {
    nca_at = nca_place - nca_slide * (1.0 - nca_height_at(nca_at));
  }
  return nca_at;
}

// The fraction of the light from the direction nca_l that the relief does not shadow; shadows are soft.
float nca_unshadowed(vec2 nca_place, vec3 nca_l) {
  float nca_dark = 0.0, nca_top = nca_height_at(nca_place);
  vec2 nca_reach = nca_relief * (1.0 - nca_top) * vec2(nca_l.x, -nca_l.y) / nca_l.z;
  for (int nca_i = 1; nca_i < 16; nca_i++) {
    float nca_t = float(nca_i) / 16.0;
    float nca_over = nca_height_at(nca_place + nca_t * nca_reach) - mix(nca_top, 1.0, nca_t);
    nca_dark = max(nca_dark, nca_over * (1.0 - nca_t));
  }
  return 1.0 - min(8.0 * nca_dark, 1.0);
}
#endif

vec3 nca_linear(vec3 nca_c) {
  return mix(pow((nca_c + 0.055) / 1.055, vec3(2.4)), nca_c / 12.92, vec3(lessThan(nca_c, vec3(0.04045))));
}

vec3 nca_encoded(vec3 nca_c) {
  vec3 nca_root = 1.055 * pow(max(nca_c, 0.0031308), vec3(1.0 / 2.4)) - 0.055;
  return mix(nca_root, 12.92 * nca_c, vec3(lessThan(nca_c, vec3(0.0031308))));
}

// The light of the environment from a direction: the ground below, and the sky above and in front. A rough
// surface blurs the horizon.
vec3 nca_environment(vec3 nca_direction, float nca_rough) {
  float nca_up = dot(nca_direction, vec3(0.0, 0.8, 0.6)) / mix(0.25, 1.0, nca_rough);
  return mix(vec3(0.2, 0.18, 0.16), vec3(0.64, 0.71, 0.8), smoothstep(-1.0, 1.0, nca_up));
}

// Tone mapping, Khronos PBR Neutral: only very bright colors change noticeably.
vec3 nca_toned(vec3 nca_c) {
  float nca_least = min(nca_c.r, min(nca_c.g, nca_c.b));
  nca_c -= nca_least < 0.08 ? nca_least - 6.25 * nca_least * nca_least : 0.04;
  float nca_peak = max(nca_c.r, max(nca_c.g, nca_c.b));
  if (nca_peak < 0.76) return nca_c;
  float nca_new = 1.0 - 0.0576 / (nca_peak - 0.52);
  float nca_gray = 1.0 - 1.0 / (0.15 * (nca_peak - nca_new) + 1.0);
  return mix(nca_c * nca_new / nca_peak, vec3(nca_new), nca_gray);
}

// The light that a material sends toward the eye, nca_v. The light source is in the direction nca_l and has the
// power nca_power. GGX, with Smith's height-correlated visibility (Heitz, 2014) and Schlick's Fresnel term.
vec3 nca_shaded(nca_Material nca_m, vec3 nca_l, vec3 nca_v, vec3 nca_power) {
  vec3 nca_base = nca_linear(nca_m.nca_base), nca_n = 2.0 * nca_m.nca_normal - 1.0;
  float nca_length = length(nca_n);
  nca_n = nca_length > 0.00001 ? nca_n / nca_length : vec3(0.0, 0.0, 1.0);
  float nca_rough = max(nca_m.nca_rough, 0.1);  // a lamp is not a point, so highlights are never sharper
  float nca_a2 = nca_rough * nca_rough * nca_rough * nca_rough;
  // Normals that differ around this place widen the highlights; otherwise, edges would glint in dotted lines. The
  // length r of the mean of unit normals gives their spread, (1 - r^2) / (3 r - r^3): Han et al., "Frequency Domain
  // Normal Map Filtering", 2007. Rounding errors are below 0.0002.
  float nca_ratio = min(nca_length / max(nca_m.nca_length, 0.00001), 1.0), nca_square = nca_ratio * nca_ratio;
  float nca_spread = max(1.0 - nca_square - 0.0002, 0.0) / max(nca_ratio * (3.0 - nca_square), 0.00001);
  nca_a2 = min(nca_a2 + 2.0 * nca_spread, 1.0);
  nca_rough = sqrt(sqrt(nca_a2));
  vec3 nca_f0 = mix(vec3(0.04), nca_base, nca_m.nca_metal), nca_matte = nca_base * (1.0 - nca_m.nca_metal);
  vec3 nca_h = normalize(nca_l + nca_v), nca_across = cross(nca_n, nca_h);
  float nca_nl = max(dot(nca_n, nca_l), 0.0), nca_nv = max(dot(nca_n, nca_v), 0.01);
  float nca_nh = max(dot(nca_n, nca_h), 0.0), nca_vh = max(dot(nca_v, nca_h), 0.0);
  // For small angles, the cross product is more exact than 1 - cos(angle)^2.
  float nca_d = nca_a2 * nca_nh * nca_nh + dot(nca_across, nca_across);
  float nca_smith = nca_nl * sqrt(nca_nv * nca_nv * (1.0 - nca_a2) + nca_a2)
                  + nca_nv * sqrt(nca_nl * nca_nl * (1.0 - nca_a2) + nca_a2);
  vec3 nca_fresnel = nca_f0 + (1.0 - nca_f0) * pow(1.0 - nca_vh, 5.0);
  vec3 nca_direct = nca_matte * (1.0 - nca_fresnel) + nca_fresnel * nca_a2 / (nca_d * nca_d) * 0.5 / nca_smith;
  // The fraction of the environment that is reflected: Karis, "Physically Based Shading on Mobile", 2014.
  vec4 nca_r = nca_rough * vec4(-1.0, -0.0275, -0.572, 0.022) + vec4(1.0, 0.0425, 1.04, -0.04);
  float nca_k = min(nca_r.x * nca_r.x, exp2(-9.28 * nca_nv)) * nca_r.x + nca_r.y;
  vec3 nca_mirror = nca_f0 * (nca_r.z - 1.04 * nca_k) + nca_r.w + 1.04 * nca_k;
  vec3 nca_around = nca_matte * nca_environment(nca_n, 1.0)
                  + nca_mirror * nca_environment(reflect(-nca_v, nca_n), nca_rough);
  return nca_power * nca_direct * nca_nl + nca_m.nca_open * nca_around;
}

// The vector to a place nca_cells away (y down) and nca_above the surface, all in cells; its y points up.
vec3 nca_toward(vec2 nca_cells, float nca_above) {
  return vec3(nca_cells.x, -nca_cells.y, nca_above);
}

vec3 nca_lit(vec2 nca_place, float nca_wide) {
  float nca_side = sqrt(nca_shown.z * nca_shown.w);
  vec3 nca_l = vec3(-0.5, 0.6, 0.7), nca_v = vec3(0.0, 0.0, 1.0), nca_power = vec3(1.2, 1.15, 1.08);
  if (nca_lamp.z > 0.0) {
    nca_l = nca_toward(nca_shown.xy + nca_shown.zw * nca_lamp.xy - nca_place, 0.33 * nca_side);
    nca_v = normalize(nca_toward(nca_shown.xy + 0.5 * nca_shown.zw - nca_place, 2.0 * nca_side));
    nca_power *= nca_l.z * nca_l.z / dot(nca_l, nca_l);
  }
  nca_l = normalize(nca_l);
#if NCA_RELIEF
  nca_place = nca_parallax(nca_place, nca_v);
  nca_power *= nca_unshadowed(nca_place, nca_l);
#endif
  return nca_encoded(nca_toned(nca_shaded(nca_mean(nca_place, nca_wide), nca_l, nca_v, nca_power)));
}

vec4 nca_material(vec2 nca_pixel) {
  vec2 nca_place = nca_shown.xy + nca_shown.zw * (nca_pixel / nca_picture);
  float nca_wide = max(1.0, nca_shown.z / nca_picture.x);
#if NCA_MAP == 0
  return vec4(nca_lit(nca_place, nca_wide), 1.0);
#else
  nca_Material nca_m = nca_mean(nca_place, nca_wide);
#if NCA_MAP == 1
  vec3 nca_n = 2.0 * nca_m.nca_normal - 1.0;
  return vec4(0.5 * nca_n / max(length(nca_n), 0.00001) + 0.5, 1.0);
#elif NCA_MAP == 2
  return vec4(vec3(nca_m.nca_height), 1.0);
#elif NCA_MAP == 3
  return vec4(vec3(nca_m.nca_rough), 1.0);
#elif NCA_MAP == 4
  return vec4(vec3(nca_m.nca_open), 1.0);
#else
  return vec4(vec3(nca_m.nca_metal), 1.0);
#endif
#endif
}
