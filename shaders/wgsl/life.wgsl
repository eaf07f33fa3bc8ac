
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
      if (@@INSIDE@@) {
        before = max(before, nca_fetch(0, c).w);
        after = max(after, nca_fetch_after(0, c).w);
      } else {
        before = max(before, 0.0);
        after = max(after, 0.0);
      }
    }
  }
  let life = select(0.0, 1.0, before > @@ALIVE@@ && after > @@ALIVE@@);
@@LIVE@@
@@STORE@@
}
