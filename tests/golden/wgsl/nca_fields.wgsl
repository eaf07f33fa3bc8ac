// golden: a neural cellular automaton, 5 channels, 3 hidden units, 83 weights.
// Rule by: A. Nonymous
// License: CC0-1.0
// Shader made by nca-studio 0.
//
// WebGPU. The tests of nca run it through wgpu and in Chromium.

struct NcaFrame {
  size: vec2i,    // cells across and down
  base: u32,      // hash(step + hash(seed)): decides which cells fire
  seed: u32,      // random seed of the noise
  brush: vec4f,   // x, y, radius in cells (below 0: everywhere), and the tool:
                  // 0 erase, 1 plant, 2 noise, 3 restart
  screen: vec4f,  // pixels across and down, cells per pixel, unused
}

@group(0) @binding(0) var<uniform> nca_frame: NcaFrame;
@group(0) @binding(1) var nca_state: texture_2d_array<f32>;
@group(0) @binding(2) var nca_next: texture_storage_2d_array<rgba32float, write>;

fn nca_decode(texel: vec4f) -> vec4f { return (texel - 0.0) * 1.0; }
fn nca_encode(value: vec4f) -> vec4f { return value / 1.0 + 0.0; }

fn nca_hash(v: u32) -> u32 {
  let s = v * 747796405u + 2891336453u;
  let w = ((s >> ((s >> 28u) + 4u)) ^ s) * 277803737u;
  return (w >> 22u) ^ w;
}

fn nca_fires(at: vec2i) -> bool {
  let bits = nca_hash(u32(at.x) + nca_hash(u32(at.y) + nca_frame.base));
  return bits <= nca_chance;
}

fn nca_pad(c: vec2i) -> vec2i { return (c + nca_frame.size) % nca_frame.size; }

fn nca_fetch(group: i32, at: vec2i) -> vec4f {
  return nca_decode(textureLoad(nca_state, at, group, 0));
}

fn nca_read(group: i32, c: vec2i) -> vec4f {
  if (!(true)) { return vec4f(0.0); }
  return nca_fetch(group, c);
}

fn nca_grid(v: vec4f, size: f32, zero: f32, top: f32) -> vec4f {
  let level = round(clamp(v / size + zero, vec4f(0.0), vec4f(1.0)) * top);
  return (level / top - zero) * size;
}

@compute @workgroup_size(8, 8)
fn nca_step(@builtin(global_invocation_id) cell: vec3u) {
  let nca_at = vec2i(cell.xy);
  if (any(nca_at >= nca_frame.size)) { return; }
  nca_read_fields(nca_at, vec2f(1.0, 0.0), 1.0, 1.0, 2147483647u);
  let nca_low = nca_pad(nca_at - 1); let nca_high = nca_pad(nca_at + 1);
  var nca_now0 = nca_fetch(0, nca_at);
  var nca_t0_00 = nca_fetch(0, vec2i(nca_low.x, nca_low.y));
  var nca_t0_01 = nca_fetch(0, vec2i(nca_at.x, nca_low.y));
  var nca_t0_02 = nca_fetch(0, vec2i(nca_high.x, nca_low.y));
  var nca_t0_10 = nca_fetch(0, vec2i(nca_low.x, nca_at.y));
  var nca_t0_12 = nca_fetch(0, vec2i(nca_high.x, nca_at.y));
  var nca_t0_20 = nca_fetch(0, vec2i(nca_low.x, nca_high.y));
  var nca_t0_21 = nca_fetch(0, vec2i(nca_at.x, nca_high.y));
  var nca_t0_22 = nca_fetch(0, vec2i(nca_high.x, nca_high.y));
  var nca_p0_0 = nca_now0;
  var nca_p0_1 = - nca_t0_00 + nca_t0_02 - 2.0 * nca_t0_10 + 2.0 * nca_t0_12 - nca_t0_20 + nca_t0_22;
  var nca_p0_2 = - nca_t0_00 - 2.0 * nca_t0_01 - nca_t0_02 + nca_t0_20 + 2.0 * nca_t0_21 + nca_t0_22;
  var nca_p0_3 = nca_t0_00 + 2.0 * nca_t0_01 + nca_t0_02 + 2.0 * nca_t0_10 - 12.0 * nca_now0 + 2.0 * nca_t0_12 + nca_t0_20 + 2.0 * nca_t0_21 + nca_t0_22;
  var nca_x0_1 = nca_turned.x * nca_p0_1 + nca_turned.y * nca_p0_2;
  nca_p0_2 = nca_turned.x * nca_p0_2 - nca_turned.y * nca_p0_1;
  nca_p0_1 = nca_x0_1;
  nca_p0_1 *= nca_coarser;
  nca_p0_2 *= nca_coarser;
  nca_p0_3 *= nca_coarser * nca_coarser;
  var nca_now1 = nca_fetch(1, nca_at);
  var nca_t1_00 = nca_fetch(1, vec2i(nca_low.x, nca_low.y));
  var nca_t1_01 = nca_fetch(1, vec2i(nca_at.x, nca_low.y));
  var nca_t1_02 = nca_fetch(1, vec2i(nca_high.x, nca_low.y));
  var nca_t1_10 = nca_fetch(1, vec2i(nca_low.x, nca_at.y));
  var nca_t1_12 = nca_fetch(1, vec2i(nca_high.x, nca_at.y));
  var nca_t1_20 = nca_fetch(1, vec2i(nca_low.x, nca_high.y));
  var nca_t1_21 = nca_fetch(1, vec2i(nca_at.x, nca_high.y));
  var nca_t1_22 = nca_fetch(1, vec2i(nca_high.x, nca_high.y));
  var nca_p1_0 = nca_now1;
  var nca_p1_1 = - nca_t1_00 + nca_t1_02 - 2.0 * nca_t1_10 + 2.0 * nca_t1_12 - nca_t1_20 + nca_t1_22;
  var nca_p1_2 = - nca_t1_00 - 2.0 * nca_t1_01 - nca_t1_02 + nca_t1_20 + 2.0 * nca_t1_21 + nca_t1_22;
  var nca_p1_3 = nca_t1_00 + 2.0 * nca_t1_01 + nca_t1_02 + 2.0 * nca_t1_10 - 12.0 * nca_now1 + 2.0 * nca_t1_12 + nca_t1_20 + 2.0 * nca_t1_21 + nca_t1_22;
  var nca_x1_1 = nca_turned.x * nca_p1_1 + nca_turned.y * nca_p1_2;
  nca_p1_2 = nca_turned.x * nca_p1_2 - nca_turned.y * nca_p1_1;
  nca_p1_1 = nca_x1_1;
  nca_p1_1 *= nca_coarser;
  nca_p1_2 *= nca_coarser;
  nca_p1_3 *= nca_coarser * nca_coarser;
  var nca_h: vec4f;
  var nca_d0 = vec4f(-0.390625, -0.1015625, 0.1875, -0.3125);
  var nca_d1 = vec4f(-0.0234375, 0.0, 0.0, 0.0);
  nca_h = vec4f(-0.390625, -0.1015625, 0.1875, 0.0);
  nca_h += mat4x4f(-0.390625, -0.1328125, 0.125, 0.0, -0.0234375, 0.234375, -0.296875, 0.0, 0.34375, -0.1875, 0.0703125, 0.0, -0.078125, 0.1796875, -0.3515625, 0.0) * nca_p0_0;
  nca_h += mat4x4f(-0.1015625, 0.15625, -0.375, 0.0, 0.265625, -0.265625, -0.0078125, 0.0, -0.15625, 0.1015625, 0.359375, 0.0, 0.2109375, -0.3203125, -0.0625, 0.0) * nca_p0_1;
  nca_h += mat4x4f(0.1875, -0.34375, -0.0859375, 0.0, -0.234375, 0.0234375, 0.28125, 0.0, 0.1328125, 0.390625, -0.140625, 0.0, -0.2890625, -0.03125, 0.2265625, 0.0) * nca_p0_2;
  nca_h += mat4x4f(-0.3125, -0.0546875, 0.203125, 0.0, 0.0546875, 0.3125, -0.21875, 0.0, -0.3671875, -0.109375, 0.1484375, 0.0, 0.0, 0.2578125, -0.2734375, 0.0) * nca_p0_3;
  nca_h += mat4x4f(0.2890625, -0.2421875, 0.015625, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0) * nca_p1_0;
  nca_h += mat4x4f(-0.2109375, 0.046875, 0.3046875, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0) * nca_p1_1;
  nca_h += mat4x4f(0.078125, 0.3359375, -0.1953125, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0) * nca_p1_2;
  nca_h += mat4x4f(0.3671875, -0.1640625, 0.09375, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0) * nca_p1_3;
  nca_h = max(nca_h, vec4f(0.0));
  nca_d0 += mat4x4f(-0.390625, -0.3125, -0.234375, -0.15625, -0.1015625, -0.0234375, 0.0546875, 0.1328125, 0.1875, 0.265625, 0.34375, -0.3671875, 0.0, 0.0, 0.0, 0.0) * nca_h;
  nca_d1 += mat4x4f(-0.078125, 0.0, 0.0, 0.0, 0.2109375, 0.0, 0.0, 0.0, -0.2890625, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0) * nca_h;
  let nca_mask = select(0.0, 1.0, nca_fires(nca_at));
  let nca_next0 = nca_now0 + nca_mask * nca_paced * nca_d0;
  let nca_next1 = nca_now1 + nca_mask * nca_paced * nca_d1;
  let at = nca_at;
  textureStore(nca_next, at, 0, nca_encode(nca_next0));
  textureStore(nca_next, at, 1, nca_encode(nca_next1));
}

fn nca_used(group: i32) -> vec4f {
  return select(vec4f(0.0), vec4f(1.0), vec4i(0, 1, 2, 3) + 4 * group < vec4i(5));
}

fn nca_plant(group: i32) -> vec4f {
  return select(vec4f(1.0), vec4f(0.0, 0.0, 0.0, 1.0), group == 0) * nca_used(group);
}

fn nca_noise(group: i32, at: vec2i) -> vec4f {
  var value: vec4f;
  for (var i = 0; i < 4; i++) {
    // The noise of a channel uses step number 2**32 - 1 - channel. No run reaches that step, so the
    // noise is independent of all masks.
    let layer = nca_hash(4294967295u - u32(4 * group + i) + nca_hash(nca_frame.seed));
    let bits = nca_hash(u32(at.x) + nca_hash(u32(at.y) + layer));
    value[i] = f32(bits >> 8u) * 5.9604644775390625e-08 - 0.5;
  }
  return value * nca_used(group);
}

fn nca_start(group: i32, at: vec2i) -> vec4f { return select(vec4f(0.0), nca_plant(group), all(at == nca_frame.size / 2)); }

fn nca_touched(at: vec2i) -> bool {
  var away = vec2f(at) + 0.5 - nca_frame.brush.xy;
  let cells = vec2f(nca_frame.size);
  if (true) { away -= cells * round(away / cells); }
  return nca_frame.brush.z < 0.0 || length(away) < nca_frame.brush.z;
}

@compute @workgroup_size(8, 8)
fn nca_paint(@builtin(global_invocation_id) cell: vec3u) {
  let at = vec2i(cell.xy);
  if (any(at >= nca_frame.size)) { return; }
  for (var group = 0; group < 2; group++) {
    var value = nca_fetch(group, at);
    if (nca_touched(at)) {
      switch i32(nca_frame.brush.w) {
        case 1: { value = nca_plant(group); }
        case 2: { value = nca_noise(group, at); }
        case 3: { value = nca_start(group, at); }
        default: { value = vec4f(0.0); }
      }
    }
    textureStore(nca_next, at, group, nca_encode(value));
  }
}

@vertex
fn nca_vertex(@builtin(vertex_index) i: u32) -> @builtin(position) vec4f {
  return vec4f(4.0 * vec2f(f32(i % 2u), f32(i / 2u)) - 1.0, 0.0, 1.0);
}

// Where a pixel lies in the grid, in cells. Row 0 is at the top, of the state as well as of the pixels.
fn nca_place(pixel: vec2f) -> vec2f {
  let place = pixel * nca_frame.screen.z;
  let cells = vec2f(nca_frame.size);
  if (true) { return place - cells * floor(place / cells); }
  return clamp(place, vec2f(0.0), cells);
}

// The channels of a group, blended between the centers of the four nearest cells.
fn nca_mix(group: i32, place: vec2f) -> vec4f {
  let corner = floor(place - 0.5);
  let part = place - 0.5 - corner;
  let low = nca_pad(vec2i(corner));
  let high = nca_pad(vec2i(corner) + 1);
  let above = mix(nca_read(group, low), nca_read(group, vec2i(high.x, low.y)), part.x);
  let below = mix(nca_read(group, vec2i(low.x, high.y)), nca_read(group, high), part.x);
  return mix(above, below, part.y);
}

// The color at a place, in cells; it can lie outside of 0 to 1.
fn nca_color(cell: vec2f) -> vec3f {
  return nca_mix(0, cell).rgb * 1.0 + 0.5;
}

// The picture in a canvas or a texture of any size. A pixel that is larger than the finest details
// is the mean of several places.
@fragment
fn nca_fragment(@builtin(position) pixel: vec4f) -> @location(0) vec4f {
  let across = clamp(i32(ceil(nca_frame.screen.z * 1.0 - 0.01)), 1, 8);
  var sum: vec3f;
  for (var i = 0; i < across * across; i++) {
    let part = (vec2f(vec2i(i % across, i / across)) + 0.5) / f32(across) - 0.5;
    sum += clamp(nca_color(nca_place(pixel.xy + part)), vec3f(0.0), vec3f(1.0));
  }
  return vec4f(sum / f32(across * across), 1.0);
}

fn nca_normal(encoded: vec3f) -> vec3f {
  let n = 2.0 * encoded - 1.0;
  if (length(n) < 0.00001) { return vec3f(0.5, 0.5, 1.0); }  // dead cells are flat
  return 0.5 * normalize(n) + 0.5;
}

struct NcaTextures {
  @location(0) color: vec4f,
}

// The textures of a renderer; manifest.json describes them.
@fragment
fn nca_textures(@builtin(position) pixel: vec4f) -> NcaTextures {
  let place = nca_place(pixel.xy);
  var drawn: NcaTextures;
  drawn.color = vec4f(clamp(vec3f(nca_color(place)), vec3f(0.0), vec3f(1.0)), 1.0);
  return drawn;
}

@group(0) @binding(6) var nca_finer: texture_2d<f32>;

// A mipmap: the mean of four texels of the finer level.
@fragment
fn nca_half(@builtin(position) pixel: vec4f) -> @location(0) vec4f {
  let at = 2 * vec2i(pixel.xy);
  let above = textureLoad(nca_finer, at, 0) + textureLoad(nca_finer, at + vec2i(1, 0), 0);
  let below = textureLoad(nca_finer, at + vec2i(0, 1), 0) + textureLoad(nca_finer, at + 1, 0);
  return 0.25 * (above + below);
}

@group(0) @binding(4) var nca_after: texture_2d_array<f32>;

fn nca_fetch_after(group: i32, at: vec2i) -> vec4f {
  return nca_decode(textureLoad(nca_after, at, group, 0));
}

// Kill cells that had no living neighbor before or after the step.
@compute @workgroup_size(8, 8)
fn nca_live(@builtin(global_invocation_id) cell: vec3u) {
  let at = vec2i(cell.xy);
  if (any(at >= nca_frame.size)) { return; }
  var before = nca_fetch(0, at).w;
  var after = nca_fetch_after(0, at).w;
  for (var y = -1; y <= 1; y++) {
    for (var x = -1; x <= 1; x++) {
      let c = nca_pad(at + vec2i(x, y));
      // With zero padding, cells beyond the border count as neighbors, with the value zero.
      if (true) {
        before = max(before, nca_fetch(0, c).w);
        after = max(after, nca_fetch_after(0, c).w);
      } else {
        before = max(before, 0.0);
        after = max(after, 0.0);
      }
    }
  }
  let life = select(0.0, 1.0, before > 0.100000001 && after > 0.100000001);
  let nca_next0 = nca_fetch_after(0, at) * life;
  let nca_next1 = nca_fetch_after(1, at) * life;
  textureStore(nca_next, at, 0, nca_encode(nca_next0));
  textureStore(nca_next, at, 1, nca_encode(nca_next1));
}

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
