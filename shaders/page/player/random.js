// The hash that decides which cells fire: PCG-RXS-M-XS-32, the same bits as in nca.rng.

/** Hash an unsigned 32-bit integer to another. */
function pcgHash(value) {
  const state = (Math.imul(value, 747796405) + 2891336453) >>> 0;
  const word = Math.imul((state >>> ((state >>> 28) + 4)) ^ state, 277803737) >>> 0;
  return ((word >>> 22) ^ word) >>> 0;
}

/** Combine the seed and the step number into one integer for the shaders. */
function stepBase(step, seed) {
  return pcgHash((step + pcgHash(seed >>> 0)) >>> 0);
}
