// Fields: what the texel of a cell changes, see nca.fields.texels. A neutral texel changes no bit.

vec2 nca_turned;    // cosine and sine of the rotation
float nca_coarser;  // size of the pattern
float nca_paced;    // length of a step
uint nca_chance;    // a cell fires if its hash is at most this

// The other arguments are the values without fields.
void nca_read_fields(ivec2 nca_at, vec2 nca_turn, float nca_large, float nca_long, uint nca_most) {
  vec4 nca_level = floor(nca_field_texel(nca_at) * 255.0 + 0.5);
  nca_turned = nca_turn;
  if (nca_level.x > 0.0) {
    float nca_angle = nca_level.x * 0.0245436926;
    vec2 nca_more = vec2(cos(nca_angle), sin(nca_angle));
    nca_turned = vec2(nca_turn.x * nca_more.x - nca_turn.y * nca_more.y,
                      nca_turn.x * nca_more.y + nca_turn.y * nca_more.x);
  }
  float nca_away = (nca_level.y - 128.0) * 3.0 / 127.0;
  nca_coarser = nca_large;
  nca_paced = nca_long * nca_level.z / 128.0;
  if (nca_away != 0.0) {
    nca_coarser *= nca_away < 0.0 ? 1.0 / (1.0 - nca_away) : 1.0 + nca_away;
    // A larger pattern is stable only with shorter steps.
    nca_paced *= max(1.0, nca_large * nca_large) / max(1.0, nca_coarser * nca_coarser);
  }
  uint nca_share_level = uint(nca_level.w), nca_part = nca_most >> 7u;
  nca_chance = nca_part > 4294967295u / max(nca_share_level, 1u) ? 4294967295u
                                                                 : nca_part * nca_share_level;
  if (nca_share_level == 128u) nca_chance = nca_most;
}
