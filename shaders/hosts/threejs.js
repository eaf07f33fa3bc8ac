
// Runs the automaton in a three.js renderer (WebGL 2) and draws it into the textures of a material:
//
//   import * as THREE from "three";
//   import { Automaton } from "./nca.js";
//   const automaton = new Automaton(renderer);
//   const material = new THREE.MeshStandardMaterial(automaton.maps);
//   renderer.setAnimationLoop(() => { automaton.update(); renderer.render(scene, camera); });
//
// Erase where a Raycaster has hit the mesh:
//
//   automaton.paint(automaton.texture.transformUv(hit.uv), 10);
//
// Move the vertices of a finely divided mesh, if the automaton has a height:
//
//   new THREE.MeshStandardMaterial({ ...automaton.maps, displacementScale: 0.1 })
//
// Let direction, size, pace and share of firing cells vary, by a texture of one RGBA8 texel per cell:
//
//   automaton.fields = new THREE.DataTexture(bytes, automaton.width, automaton.height);
//   automaton.fields.needsUpdate = true;
import * as THREE from "three";

const TYPES = {
  rgba32f: THREE.FloatType, rgba16f: THREE.HalfFloatType, rgba8: THREE.UnsignedByteType,
};

/** Properties in which a texture differs from the others, by its name in a material. */
const SPECIAL = {
  map: { colorSpace: THREE.SRGBColorSpace },
  displacementMap: { // bytes would have visible steps, but a state in bytes is for devices without floats
    type: NCA.format === "rgba8" ? THREE.UnsignedByteType : THREE.HalfFloatType,
    minFilter: THREE.LinearFilter, generateMipmaps: false, // vertices read the largest mipmap
  },
};
/** Factors that a material needs for a map; the scale of heights depends on the size of the mesh. */
const FACTORS = {
  roughnessMap: { roughness: 1 }, metalnessMap: { metalness: 1 }, displacementMap: { displacementScale: 0 },
};

const hash = (v) => {
  const s = (Math.imul(v, 747796405) + 2891336453) >>> 0;
  const w = Math.imul((s >>> ((s >>> 28) + 4)) ^ s, 277803737) >>> 0;
  return ((w >>> 22) ^ w) >>> 0;
};

/** Tools of the brush. */
export const ERASE = 0, PLANT = 1, NOISE = 2;
const START = 3;

export class Automaton {
  /**
   * @param {THREE.WebGLRenderer} renderer
   * @param {object} options width and height in cells, random seed, steps per update, fields, and
   *                         pixelsPerCell of the textures (default: the decoder's scale, or 1)
   */
  constructor(renderer, options = {}) {
    const { width = NCA.grid, height = width, seed = NCA.seed, stepsPerUpdate = NCA.steps, fields = null } = options;
    const { pixelsPerCell = NCA.scale } = options;
    const size = [width, height].map((side) => Math.round(pixelsPerCell * side));
    Object.assign(this, { renderer, width, height, seed, stepsPerUpdate });
    this.uniforms = {
      nca_size: { value: [width, height] }, nca_code: { value: NCA.code },
      nca_base: { value: 0 }, nca_picture: { value: size },
      nca_tool: { value: START }, nca_stroke: { value: [0, 0, 0, 0] }, nca_radius: { value: -1 },
      nca_number: { value: seed }, nca_wraps: { value: NCA.wraps }, nca_fields: { value: null },
    };
    for (let group = 0; group < NCA.groups; group++) {
      this.uniforms[`nca_state${group}`] = { value: null };
      this.uniforms[`nca_after${group}`] = { value: null };
    }
    const triangle = new THREE.BufferGeometry();
    triangle.setAttribute("position", new THREE.BufferAttribute(new Float32Array(9), 3));
    this.mesh = new THREE.Mesh(triangle);
    this.mesh.frustumCulled = false;
    this.camera = new THREE.Camera();
    const material = (fragment) => new THREE.RawShaderMaterial({
      glslVersion: THREE.GLSL3, vertexShader: NCA.vertex, fragmentShader: fragment,
      uniforms: this.uniforms, depthTest: false, depthWrite: false, blending: THREE.NoBlending,
    });
    const passes = (list) => list.map(({ fragment, groups }) => (
      { material: material(fragment), groups }));
    this.passes = {};
    for (const kind of ["step", "live", "brush"]) this.passes[kind] = passes(NCA[kind]);
    this.drawing = material(NCA.draw);
    [this.state, this.after, this.spare] = [0, 1, 2].map(() => this.passes.step.map(({ groups }) =>
      new THREE.WebGLRenderTarget(width, height, {
        count: groups.length, type: TYPES[NCA.format], format: THREE.RGBAFormat,
        minFilter: THREE.NearestFilter, magFilter: THREE.NearestFilter, depthBuffer: false,
      })));
    const wrap = NCA.wraps ? THREE.RepeatWrapping : THREE.ClampToEdgeWrapping;
    this.picture = new THREE.WebGLRenderTarget(...size, {
      count: NCA.textures.length, wrapS: wrap, wrapT: wrap, depthBuffer: false,
      minFilter: THREE.LinearMipmapLinearFilter, magFilter: THREE.LinearFilter,
      generateMipmaps: true, anisotropy: renderer.capabilities.getMaxAnisotropy(),
    });
    NCA.textures.forEach(([name], i) => Object.assign(this.textures[i], SPECIAL[name]));
    this.fields = fields;
    this.restart();
  }

  /** The texture of fields; null: none. */
  get fields() {
    return this.uniforms.nca_fields.value;
  }

  set fields(texture) {
    this.uniforms.nca_fields.value = texture;
    for (const { material } of this.passes.step) {
      material.defines = texture ? { NCA_FIELDS: "" } : {};
      material.needsUpdate = true;
    }
  }

  /** The colors. */
  get texture() {
    return this.picture.texture;
  }

  /** All textures; the first holds the colors. Repeat and turn them together. */
  get textures() {
    return this.picture.textures;
  }

  /** Parameters of a MeshStandardMaterial: its textures, and the factors that they need. */
  get maps() {
    const maps = {};
    NCA.textures.forEach((names, i) => {
      for (const name of names) Object.assign(maps, { [name]: this.textures[i] }, FACTORS[name]);
    });
    return maps;
  }

  /** Start again from the initial state. */
  restart() {
    this.step = 0;
    this.#apply(START, [0, 0], -1);
    this.update(0);
  }

  /** Run some steps and draw the textures. */
  update(steps = this.stepsPerUpdate) {
    for (let i = 0; i < steps; i++) {
      this.uniforms.nca_base.value = hash((this.step + hash(this.seed)) >>> 0);
      this.#bind("nca_state", this.state);
      this.#draw(this.passes.step, this.after);
      if (this.passes.live.length) {
        this.#bind("nca_after", this.after);
        this.#draw(this.passes.live, this.spare);
        [this.state, this.spare] = [this.spare, this.state];
      } else {
        [this.state, this.after] = [this.after, this.state];
      }
      this.step++;
    }
    this.#bind("nca_state", this.state);
    this.#draw([{ material: this.drawing }], [this.picture]);
  }

  /** Paint at a position in the texture, from 0 to 1, y up, with a radius in cells. */
  paint({ x, y }, radius = 10, tool = ERASE) {
    this.#apply(tool, [x * this.width, (1 - y) * this.height], radius);
  }

  /** Free all textures and programs. */
  dispose() {
    for (const { material } of Object.values(this.passes).flat()) material.dispose();
    for (const target of [...this.state, ...this.after, ...this.spare, this.picture]) target.dispose();
    this.drawing.dispose();
    this.mesh.geometry.dispose();
  }

  #apply(tool, [x, y], radius) {
    this.uniforms.nca_tool.value = tool;
    this.uniforms.nca_stroke.value = [x, y, x, y];
    this.uniforms.nca_radius.value = radius;
    this.uniforms.nca_number.value = tool === START ? this.seed : hash(this.seed + this.step);
    this.#draw(this.passes.brush, this.state);
  }

  #bind(name, targets) {
    const textures = targets.flatMap((target) => target.textures);
    textures.forEach((texture, group) => { this.uniforms[`${name}${group}`].value = texture; });
  }

  #draw(passes, targets) {
    const { renderer } = this;
    const before = renderer.getRenderTarget();
    const { autoClear } = renderer;
    const { enabled } = renderer.xr;
    renderer.autoClear = renderer.xr.enabled = false;
    passes.forEach(({ material }, i) => {
      this.mesh.material = material;
      renderer.setRenderTarget(targets[i]);
      renderer.render(this.mesh, this.camera);
    });
    renderer.setRenderTarget(before);
    Object.assign(renderer, { autoClear });
    renderer.xr.enabled = enabled;
  }
}
