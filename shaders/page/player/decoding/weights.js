// The decoder of a rule: its tensors, macros and texels; nca.exporters.glsl makes the same ones.

/** Shapes of the tensors of a decoder, by name. */
function decoderShapes({ channels, decoder, maps }) {
  if (!decoder) return {};
  const sizes = [channels + 4 * decoder.order, ...decoder.hidden, mapWidth(maps)];
  return Object.fromEntries(sizes.slice(1).flatMap((size, i) => (
    [[`decoder.w${i + 1}`, [size, sizes[i]]], [`decoder.b${i + 1}`, [size]]])));
}

/** Numbers of groups of four: of the inputs, then of every layer. */
function decoderSizes({ channels, decoder, maps }) {
  return [groupCount(channels) + decoder.order, ...[...decoder.hidden, mapWidth(maps)].map(groupCount)];
}

/** The macros of the general decoder; `first` is its first texel. */
function decoderMacros(settings, first) {
  if (!settings.decoder) return {};
  const sizes = decoderSizes(settings);
  return {
    NCA_DECODER: first, NCA_LAYERS: sizes.length - 1, NCA_SIZES: sizes.join(", "), NCA_LARGEST: Math.max(...sizes),
    NCA_SINE: Number(settings.decoder.activation === "sine"),
  };
}

/** The texels of a decoder. */
function decoderTexels({ settings, ...tensors }) {
  if (!settings.decoder) return [];
  const sizes = decoderSizes(settings), { channels } = settings, gap = 4 * groupCount(channels) - channels;
  return sizes.slice(1).flatMap((units, i) => {
    const bias = tensors[`decoder.b${i + 1}`], weights = tensors[`decoder.w${i + 1}`], inputs = weights.length / bias.length;
    const column = (n) => (i || n < channels ? n : n < channels + gap ? -1 : n - gap); // channels fill whole groups
    const weight = (row, n) => (row < bias.length && n >= 0 && n < inputs ? weights[row * inputs + n] : 0);
    const texels = [];
    for (let j = 0; j < 4 * units; j += 4) {
      for (let row = j; row < j + 4; row++) texels.push(bias[row] ?? 0);
      for (let n = 0; n < 4 * sizes[i]; n++) for (let row = j; row < j + 4; row++) texels.push(weight(row, column(n)));
    }
    return texels;
  });
}
