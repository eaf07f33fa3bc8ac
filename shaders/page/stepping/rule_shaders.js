// The programs of a rule, compiled in the background.

const PATIENCE = 1000; // milliseconds to wait for the fast programs before slower ones are used

/**
 * The programs of one rule. Weights as literals run fastest, but some compilers take long to compile
 * them. Until these programs are ready, the weights come from a texture.
 */
class RuleShaders {
  /** With `fields`, there are only the programs of a step, and these read the texture of fields. */
  constructor(gl, data, rule, fields = false) {
    Object.assign(this, { gl, data, rule });
    this.maps = null; // the program of all maps, made when it is first used
    const { vertex, general, groups, digits } = data;
    this.directed = null; // the programs with fields, made when they are first used
    const weights = packWeights(rule);
    const outputs = groups > 4 && gl.getParameter(gl.MAX_DRAW_BUFFERS) >= 8 ? 8 : 4;
    const make = (passes) => passes.map(({ fragment, groups: drawn }) => (
      { program: new Program(gl, vertex, fragment), groups: drawn }));
    const passes = (name) => make(generalPasses(general, name, rule, groups, outputs, fields));
    this.life = fields || rule.settings.alive_threshold === null ? [] : passes("life");
    this.paint = fields ? [] : passes("paint");
    this.decoded = fields ? [] : decodedPasses(gl, data, rule, weights);
    // Literals were written for the number of groups that the state had when it was exported.
    const inline = rule.inline?.[outputs] ?? rule.inline?.[4];
    const fits = inline?.flatMap((pass) => pass.groups).length === groups;
    this.candidates = [];
    if (fits) {
      const written = inline.map((pass) => {
        const fragment = withWeights(pass.fragment, weights, digits);
        return { ...pass, fragment: fields ? withMacro(fragment, "NCA_FIELDS") : fragment };
      });
      this.candidates.push({ store: "inline", passes: make(written) });
    }
    const slow = !fits || rule.stores.includes("texture");
    if (slow) this.candidates.push({ store: "texture", passes: passes("step") });
    if (slow || (this.decoded.length && !rule.decoder)) {
      this.weights = new Table(gl, gl.RGBA32F, gl.FLOAT, WEIGHTS_WIDTH, weights.length / (4 * WEIGHTS_WIDTH), weights);
    }
    this.steps = null;
    this.store = null;
    this.since = performance.now();
  }

  /** The program that draws all maps of a rule with a decoder. */
  get fine() {
    this.maps ??= fineProgram(this.gl, this.data, this.rule, this.decoded[0].details);
    return this.maps;
  }

  get ready() {
    return this.steps !== null;
  }

  /** Whether better programs may still become ready. */
  get settling() {
    return this.candidates.length > 0;
  }

  /** Use what the compiler has finished; called once per frame. Throws if nothing compiles. */
  poll() {
    this.directed?.poll();
    const settled = ({ passes }) => passes.every(({ program }) => program.settled);
    const rushed = performance.now() - this.since > PATIENCE;
    const [first] = this.candidates;
    const chosen = !first || settled(first) ? first
      : rushed && !this.ready ? this.candidates.slice(1).find(settled) : null;
    if (!chosen || !settled({ passes: [...this.life, ...this.paint, ...this.decoded] })) return;
    try {
      for (const { program } of [...chosen.passes, ...this.life, ...this.paint, ...this.decoded]) program.finish();
    } catch (error) {
      this.candidates = this.candidates.filter((c) => c !== chosen);
      if (!this.ready && !this.candidates.length) throw error;
      return;
    }
    this.drop(this.steps ?? []);
    this.steps = chosen.passes;
    this.store = chosen.store;
    // Better programs than the current one come first; worse ones are no longer needed.
    const place = this.candidates.indexOf(chosen);
    for (const { passes } of this.candidates.slice(place + 1)) this.drop(passes);
    this.candidates = this.candidates.slice(0, place);
  }

  drop(passes) {
    for (const { program } of passes) program.dispose();
  }

  dispose() {
    this.drop([...this.life, ...this.paint, ...this.decoded, ...(this.steps ?? [])]);
    for (const { passes } of this.candidates) this.drop(passes);
    this.weights?.dispose();
    this.directed?.dispose();
    this.maps?.dispose();
  }
}
