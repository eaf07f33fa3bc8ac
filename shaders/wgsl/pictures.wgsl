
@vertex
fn nca_vertex(@builtin(vertex_index) i: u32) -> @builtin(position) vec4f {
  return vec4f(4.0 * vec2f(f32(i % 2u), f32(i / 2u)) - 1.0, 0.0, 1.0);
}

// Where a pixel lies in the grid, in cells. Row 0 is at the top, of the state as well as of the pixels.
fn nca_place(pixel: vec2f) -> vec2f {
  let place = pixel * nca_frame.screen.z;
  let cells = vec2f(nca_frame.size);
  if (@@WRAPS@@) { return place - cells * floor(place / cells); }
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
@@COLOR@@
}

// The picture in a canvas or a texture of any size. A pixel that is larger than the finest details
// is the mean of several places.
@fragment
fn nca_fragment(@builtin(position) pixel: vec4f) -> @location(0) vec4f {
  let across = clamp(i32(ceil(nca_frame.screen.z * @@PIXELS_PER_CELL@@ - 0.01)), 1, 8);
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
@@OUTPUTS@@
}

// The textures of a renderer; manifest.json describes them.
@fragment
fn nca_textures(@builtin(position) pixel: vec4f) -> NcaTextures {
  let place = nca_place(pixel.xy);
@@TEXTURES@@
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
