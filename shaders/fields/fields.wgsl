
// Fields: what the texel of a cell changes, see nca.fields.texels. A neutral texel changes no bit.
@group(0) @binding(5) var nca_fields: texture_2d<f32>;

var<private> nca_turned: vec2f;    // cosine and sine of the rotation
var<private> nca_coarser: f32;     // size of the pattern
var<private> nca_paced: f32;       // length of a step
var<private> nca_chance: u32;      // a cell fires if its hash is at most this

// The other arguments are the values without fields.
fn nca_read_fields(at: vec2i, turn: vec2f, large: f32, long: f32, most: u32) {
  let level = floor(textureLoad(nca_fields, at, 0) * 255.0 + 0.5);
  nca_turned = turn;
  if (level.x > 0.0) {
    let angle = level.x * 0.0245436926;
    let more = vec2f(cos(angle), sin(angle));
    nca_turned = vec2f(turn.x * more.x - turn.y * more.y, turn.x * more.y + turn.y * more.x);
  }
  let away = (level.y - 128.0) * 3.0 / 127.0;
  nca_coarser = large;
  nca_paced = long * level.z / 128.0;
  if (away != 0.0) {
    if (away < 0.0) { nca_coarser /= 1.0 - away; } else { nca_coarser *= 1.0 + away; }
    // A larger pattern is stable only with shorter steps.
    nca_paced *= max(1.0, large * large) / max(1.0, nca_coarser * nca_coarser);
  }
  let share = u32(level.w);
  let part = most >> 7u;
  nca_chance = part * share;
  if (part > 4294967295u / max(share, 1u)) { nca_chance = 4294967295u; }
  if (share == 128u) { nca_chance = most; }
}
