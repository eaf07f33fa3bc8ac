
// Runs the automaton on a canvas of a page that is served over http or https:
//   import { start } from "./nca.js";
//   const automaton = await start(document.querySelector("canvas"));
// start(canvas, { fields }) reads fields: a Uint8Array of RGBA texels, one per cell, see manifest.json.
// Drag on the canvas to erase, shift and drag to plant. `restart()` restarts it, `stop()` ends it.

const hash = (v) => {
  const s = (Math.imul(v, 747796405) + 2891336453) >>> 0;
  const w = Math.imul((s >>> ((s >>> 28) + 4)) ^ s, 277803737) >>> 0;
  return ((w >>> 22) ^ w) >>> 0;
};

export async function start(canvas, { pixelsPerCell = 2, brush = 10, fields = null } = {}) {
  const file = (name) => fetch(new URL(name, import.meta.url));
  const manifest = await (await file("manifest.json")).json();
  const adapter = await navigator.gpu?.requestAdapter();
  if (!adapter) throw new Error("this browser has no WebGPU");
  const device = await adapter.requestDevice();
  const shader = fields ? manifest.shader_with_fields : manifest.shader;
  const module = device.createShaderModule({ code: await (await file(shader)).text() });
  const format = navigator.gpu.getPreferredCanvasFormat();
  const screen = canvas.getContext("webgpu");
  screen.configure({ device, format });

  const compute = async (entryPoint) =>
    device.createComputePipelineAsync({ layout: "auto", compute: { module, entryPoint } });
  const entries = manifest.entry_points;
  const pipelines = {};
  for (const entry of entries) pipelines[entry] = await compute(entry);
  const view = await device.createRenderPipelineAsync({
    layout: "auto",
    vertex: { module, entryPoint: "nca_vertex" },
    fragment: { module, entryPoint: "nca_fragment", targets: [{ format }] },
  });

  const side = manifest.grid;
  const usage = GPUTextureUsage.TEXTURE_BINDING | GPUTextureUsage.STORAGE_BINDING;
  const size = [side, side, manifest.state.groups];
  let [state, next, scratch] = [0, 1, 2].map(() =>
    device.createTexture({ size, format: manifest.texture_format, usage }));
  let fieldTexture = null;
  if (fields) {
    const format = "rgba8unorm", usage = GPUTextureUsage.TEXTURE_BINDING | GPUTextureUsage.COPY_DST;
    fieldTexture = device.createTexture({ size: [side, side], format, usage });
    const layout = { bytesPerRow: 4 * side, rowsPerImage: side };
    device.queue.writeTexture({ texture: fieldTexture }, fields, layout, [side, side]);
  }
  let weights = null;
  if (manifest.weights.store === "texture") {
    const data = await (await file(manifest.weights.file)).arrayBuffer();
    weights = device.createBuffer({
      size: data.byteLength,
      usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST,
    });
    device.queue.writeBuffer(weights, 0, data);
  }

  // One buffer per call in a frame, because all buffers are written before the frame runs.
  const frames = [];
  const bind = (pipeline, call, words, textures) => {
    frames[call] ??= device.createBuffer({
      size: 48,
      usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
    });
    device.queue.writeBuffer(frames[call], 0, words);
    const bindings = [{ binding: 0, resource: { buffer: frames[call] } }];
    for (const [binding, texture] of Object.entries(textures)) {
      const resource = texture.createView({ dimension: "2d-array" });
      bindings.push({ binding: Number(binding), resource });
    }
    if (pipeline === pipelines.nca_step && weights) {
      bindings.push({ binding: 3, resource: { buffer: weights } });
    }
    if (pipeline === pipelines.nca_step && fieldTexture) {
      bindings.push({ binding: 5, resource: fieldTexture.createView() });
    }
    return device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries: bindings });
  };

  let step = 0;
  const words = (tool = 0, x = 0, y = 0, radius = 0) => {
    const data = new ArrayBuffer(48);
    new Int32Array(data, 0, 2).set([side, side]);
    const base = hash((step + hash(manifest.seed)) >>> 0);
    new Uint32Array(data, 8, 2).set([base, manifest.seed]);
    const cells = 1 / (pixelsPerCell * (globalThis.devicePixelRatio || 1));
    new Float32Array(data, 16, 8).set(
      [x, y, radius, tool, canvas.width, canvas.height, cells, 0]);
    return data;
  };

  const strokes = [[3, 0, 0, -1]];
  const draw = () => {
    const encoder = device.createCommandEncoder();
    let call = 0;
    const dispatch = (entry, data, textures) => {
      const pass = encoder.beginComputePass();
      pass.setPipeline(pipelines[entry]);
      pass.setBindGroup(0, bind(pipelines[entry], call++, data, textures));
      pass.dispatchWorkgroups(Math.ceil(side / 8), Math.ceil(side / 8));
      pass.end();
    };
    for (const stroke of strokes.splice(0)) {
      dispatch("nca_paint", words(...stroke), { 1: state, 2: next });
      [state, next] = [next, state];
    }
    for (let i = 0; i < manifest.steps_per_frame; i++) {
      if (pipelines.nca_live) {
        dispatch("nca_step", words(), { 1: state, 2: scratch });
        dispatch("nca_live", words(), { 1: state, 2: next, 4: scratch });
      } else {
        dispatch("nca_step", words(), { 1: state, 2: next });
      }
      [state, next] = [next, state];
      step++;
    }
    const target = screen.getCurrentTexture().createView();
    const pass = encoder.beginRenderPass({
      colorAttachments: [{ view: target, loadOp: "clear", storeOp: "store" }],
    });
    pass.setPipeline(view);
    pass.setBindGroup(0, bind(view, call++, words(), { 1: state }));
    pass.draw(3);
    pass.end();
    device.queue.submit([encoder.finish()]);
  };

  const paint = (event) => {
    if (!(event.buttons & 1)) return;
    const tool = event.shiftKey ? 1 : 0;
    strokes.push([tool, event.offsetX / pixelsPerCell, event.offsetY / pixelsPerCell, brush]);
  };
  canvas.addEventListener("pointerdown", paint);
  canvas.addEventListener("pointermove", paint);
  let running = true;
  const loop = async () => {
    draw();
    // Otherwise, work would pile up on a slow device.
    await device.queue.onSubmittedWorkDone();
    if (running) requestAnimationFrame(loop);
  };
  loop();
  return {
    restart() {
      step = 0;
      strokes.push([3, 0, 0, -1]);
    },
    stop() {
      running = false;
      canvas.removeEventListener("pointerdown", paint);
      canvas.removeEventListener("pointermove", paint);
      device.destroy();
    },
  };
}
