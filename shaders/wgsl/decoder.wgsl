
// The decoder at a place, in cells. nca_details: what it adds to the color; it sets mean to the blended
// group 0. nca_drawn: the values of all maps of a material. The weights come from the buffer.
fn @@FUNCTION@@ {
  // Numbers of groups of four: of the inputs, then of every layer.
  var sizes = array(@@SIZES@@);
  var inputs: array<vec4f, @@LARGEST@@>;
  var units: array<vec4f, @@LARGEST@@>;
  for (var g = 0; g < @@GROUPS@@; g++) { inputs[g] = nca_mix(g, place); }
  let first = inputs[0];
  @@MEANS@@
  for (var k = @@GROUPS@@; k < sizes[0]; k++) {  // sines are most precise near zero
    let turn = 6.28318531 * (fract(f32(k + 1 - @@GROUPS@@) * place + 0.5) - 0.5);
    inputs[k] = vec4f(sin(turn.x), cos(turn.x), sin(turn.y), cos(turn.y));
  }
  var at = @@FIRST_TEXEL@@;
  for (var layer = 1; layer <= @@LAYERS@@; layer++) {
    for (var j = 0; j < sizes[layer]; j++) {
      var sum = nca_weight(at);
      at++;
      for (var n = 0; n < sizes[layer - 1]; n++) {
        sum += nca_matrix(at) * inputs[n];
        at += 4;
      }
      units[j] = sum;
      if (layer < @@LAYERS@@) { units[j] = @@ACTIVATED@@; }
    }
    inputs = units;
  }
  let life = @@LIFE@@;
@@RESULT@@
}
