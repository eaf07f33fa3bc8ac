
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
@group(0) @binding(2) var nca_next: texture_storage_2d_array<@@TEXTURE_FORMAT@@, write>;

fn nca_decode(texel: vec4f) -> vec4f { return (texel - @@OFFSET@@) * @@SCALE@@; }
fn nca_encode(value: vec4f) -> vec4f { return value / @@SCALE@@ + @@OFFSET@@; }

fn nca_hash(v: u32) -> u32 {
  let s = v * 747796405u + 2891336453u;
  let w = ((s >> ((s >> 28u) + 4u)) ^ s) * 277803737u;
  return (w >> 22u) ^ w;
}

fn nca_fires(at: vec2i) -> bool {
  let bits = nca_hash(u32(at.x) + nca_hash(u32(at.y) + nca_frame.base));
  return @@FIRES@@;
}

fn nca_pad(c: vec2i) -> vec2i { return @@PAD@@; }

fn nca_fetch(group: i32, at: vec2i) -> vec4f {
  return nca_decode(textureLoad(nca_state, at, group, 0));
}

fn nca_read(group: i32, c: vec2i) -> vec4f {
  if (!(@@INSIDE@@)) { return vec4f(0.0); }
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
@@STEP@@
  let at = nca_at;
@@STORE@@
}

fn nca_used(group: i32) -> vec4f {
  return select(vec4f(0.0), vec4f(1.0), vec4i(0, 1, 2, 3) + 4 * group < vec4i(@@CHANNELS@@));
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

fn nca_start(group: i32, at: vec2i) -> vec4f { return @@START@@; }

fn nca_touched(at: vec2i) -> bool {
  var away = vec2f(at) + 0.5 - nca_frame.brush.xy;
  let cells = vec2f(nca_frame.size);
  if (@@WRAPS@@) { away -= cells * round(away / cells); }
  return nca_frame.brush.z < 0.0 || length(away) < nca_frame.brush.z;
}

@compute @workgroup_size(8, 8)
fn nca_paint(@builtin(global_invocation_id) cell: vec3u) {
  let at = vec2i(cell.xy);
  if (any(at >= nca_frame.size)) { return; }
  for (var group = 0; group < @@GROUPS@@; group++) {
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
