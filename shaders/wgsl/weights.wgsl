
@group(0) @binding(3) var<storage, read> nca_weights: array<vec4f>;

fn nca_weight(i: i32) -> vec4f { return nca_weights[i]; }

fn nca_matrix(i: i32) -> mat4x4f {
  return mat4x4f(nca_weight(i), nca_weight(i + 1), nca_weight(i + 2), nca_weight(i + 3));
}
