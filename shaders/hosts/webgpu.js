
// Runs the automaton on a canvas of a page that is served over http or https:
//   import { start } from "./nca.js";
//   const automaton = await start(document.querySelector("canvas"));
// Drag on the canvas to erase, shift and drag to plant. `restart()` restarts it, `stop()` ends it.
//
// Fills textures for a renderer that shares the device, after the steps of every frame:
//   const { textures, paint } = await start(null, { device, textures: true });
// textures.color, textures.normal ... are GPUTextures with mipmaps; manifest.json describes them.
// paint(u, v, radius) erases a circle: u and v go from 0 to 1 across and down, the radius is in cells.
//
// start(canvas, { fields }) reads fields: a Uint8Array of RGBA texels, one per cell, see manifest.json.

const hash = (v) => {
  const s = (Math.imul(v, 747796405) + 2891336453) >>> 0;
  const w = Math.imul((s >>> ((s >>> 28) + 4)) ^ s, 277803737) >>> 0;
  return ((w >>> 22) ^ w) >>> 0;
};

const openDevice = async () => {
  const adapter = await navigator.gpu?.requestAdapter();
  if (!adapter) throw new Error("this browser has no WebGPU");
  return adapter.requestDevice();
};

export async function start(canvas, options = {}) {
  const file = (name) => fetch(new URL(name, import.meta.url));
  const manifest = await (await file("manifest.json")).json();
  const { brush = 10, fields = null, pixelsPerCell = Math.max(2, manifest.pixels_per_cell) } = options;
  const device = options.device ?? await openDevice();
  const shader = fields ? manifest.shader_with_fields : manifest.shader;
  const module = device.createShaderModule({ code: await (await file(shader)).text() });
  const side = manifest.grid;
  const owned = []; // what stop() destroys
  const createTexture = (details) => {
    owned.push(device.createTexture(details));
    return owned.at(-1);
  };
  const createBuffer = (size, usage) => {
    owned.push(device.createBuffer({ size, usage: usage | GPUBufferUsage.COPY_DST }));
    return owned.at(-1);
  };

  const pipelines = {};
  for (const entryPoint of manifest.entry_points) {
    const compute = { module, entryPoint };
    pipelines[entryPoint] = await device.createComputePipelineAsync({ layout: "auto", compute });
  }
  const renderPipeline = (entryPoint, formats) => device.createRenderPipelineAsync({
    layout: "auto",
    vertex: { module, entryPoint: "nca_vertex" },
    fragment: { module, entryPoint, targets: formats.map((format) => ({ format })) },
  });

  const usage = GPUTextureUsage.TEXTURE_BINDING | GPUTextureUsage.STORAGE_BINDING;
  const size = [side, side, manifest.state.groups];
  let [state, next, scratch] = [0, 1, 2].map(() =>
    createTexture({ size, format: manifest.texture_format, usage }));
  const shared = { 3: null, 5: null }; // resources that never change, by binding
  if (fields) {
    const usage = GPUTextureUsage.TEXTURE_BINDING | GPUTextureUsage.COPY_DST;
    const texture = createTexture({ size: [side, side], format: "rgba8unorm", usage });
    const layout = { bytesPerRow: 4 * side, rowsPerImage: side };
    device.queue.writeTexture({ texture }, fields, layout, [side, side]);
    shared[5] = texture.createView();
  }
  if (manifest.weights.store === "texture") {
    const data = await (await file(manifest.weights.file)).arrayBuffer();
    const buffer = createBuffer(data.byteLength, GPUBufferUsage.STORAGE);
    device.queue.writeBuffer(buffer, 0, data);
    shared[3] = { buffer };
  }
  // The shared bindings that entry points read.
  const drawn = manifest.rule.decoder ? [3] : [];
  const reads = { nca_step: [3, 5], nca_fragment: drawn, nca_textures: drawn };

  // One buffer per call in a frame, because all buffers are written before the frame runs.
  const frames = [];
  let call = 0;
  const bind = (entry, words, arrays) => {
    const buffer = frames[call++] ??= createBuffer(48, GPUBufferUsage.UNIFORM);
    device.queue.writeBuffer(buffer, 0, words);
    const bindings = [{ binding: 0, resource: { buffer } }];
    for (const [binding, texture] of Object.entries(arrays)) {
      const resource = texture.createView({ dimension: "2d-array" });
      bindings.push({ binding: Number(binding), resource });
    }
    for (const binding of reads[entry] ?? []) {
      if (shared[binding]) bindings.push({ binding, resource: shared[binding] });
    }
    return device.createBindGroup({ layout: pipelines[entry].getBindGroupLayout(0), entries: bindings });
  };

  let step = 0;
  const words = ([tool, x, y, radius] = [0, 0, 0, 0], cellsPerPixel = 1) => {
    const data = new ArrayBuffer(48);
    new Int32Array(data, 0, 2).set([side, side]);
    const base = hash((step + hash(manifest.seed)) >>> 0);
    new Uint32Array(data, 8, 2).set([base, manifest.seed]);
    new Float32Array(data, 16, 8).set([x, y, radius, tool, 0, 0, cellsPerPixel, 0]);
    return data;
  };
  const dispatch = (encoder, entry, data, arrays) => {
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipelines[entry]);
    pass.setBindGroup(0, bind(entry, data, arrays));
    pass.dispatchWorkgroups(Math.ceil(side / 8), Math.ceil(side / 8));
    pass.end();
  };
  const draw = (encoder, pipeline, group, views) => {
    const colorAttachments = views.map((view) => ({ view, loadOp: "clear", storeOp: "store" }));
    const pass = encoder.beginRenderPass({ colorAttachments });
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.draw(3);
    pass.end();
  };
  const show = (encoder, entry, views, cellsPerPixel) =>
    draw(encoder, pipelines[entry], bind(entry, words(undefined, cellsPerPixel), { 1: state }), views);

  let screen = null;
  if (canvas) {
    const format = navigator.gpu.getPreferredCanvasFormat();
    screen = canvas.getContext("webgpu");
    screen.configure({ device, format });
    pipelines.nca_fragment = await renderPipeline("nca_fragment", [format]);
  }
  const textures = {}, views = [], halvings = [];
  const width = Math.min(side * manifest.pixels_per_cell, device.limits.maxTextureDimension2D);
  if (options.textures) {
    const usage = GPUTextureUsage.TEXTURE_BINDING | GPUTextureUsage.RENDER_ATTACHMENT;
    const mipLevelCount = Math.floor(Math.log2(width)) + 1;
    const common = { size: [width, width], usage, mipLevelCount };
    for (const { name, format, drawn_as } of manifest.textures) {
      const texture = textures[name] = createTexture({ ...common, format, viewFormats: [drawn_as] });
      const level = (baseMipLevel, format) => texture.createView({ format, baseMipLevel, mipLevelCount: 1 });
      views.push(level(0, drawn_as));
      const pipeline = await renderPipeline("nca_half", [format]);
      for (let i = 1; i < mipLevelCount; i++) {
        const entries = [{ binding: 6, resource: level(i - 1, format) }];
        const group = device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
        halvings.push([pipeline, group, [level(i, format)]]);
      }
    }
    pipelines.nca_textures = await renderPipeline("nca_textures", manifest.textures.map((one) => one.drawn_as));
  }

  const strokes = [[3, 0, 0, -1]];
  const advance = () => {
    const encoder = device.createCommandEncoder();
    call = 0;
    for (const stroke of strokes.splice(0)) {
      dispatch(encoder, "nca_paint", words(stroke), { 1: state, 2: next });
      [state, next] = [next, state];
    }
    for (let i = 0; i < manifest.steps_per_frame; i++) {
      if (pipelines.nca_live) {
        dispatch(encoder, "nca_step", words(), { 1: state, 2: scratch });
        dispatch(encoder, "nca_live", words(), { 1: state, 2: next, 4: scratch });
      } else {
        dispatch(encoder, "nca_step", words(), { 1: state, 2: next });
      }
      [state, next] = [next, state];
      step++;
    }
    if (options.textures) {
      show(encoder, "nca_textures", views, side / width);
      for (const halving of halvings) draw(encoder, ...halving);
    }
    if (canvas) {
      const target = screen.getCurrentTexture().createView();
      const ratio = (canvas.clientWidth || canvas.width) / canvas.width; // CSS pixels per pixel
      show(encoder, "nca_fragment", [target], ratio / pixelsPerCell);
    }
    device.queue.submit([encoder.finish()]);
  };

  const drag = (event) => {
    if (!(event.buttons & 1)) return;
    const tool = event.shiftKey ? 1 : 0;
    strokes.push([tool, event.offsetX / pixelsPerCell, event.offsetY / pixelsPerCell, brush]);
  };
  canvas?.addEventListener("pointerdown", drag);
  canvas?.addEventListener("pointermove", drag);
  let running = true;
  const loop = async () => {
    advance();
    // Otherwise, work would pile up on a slow device.
    await device.queue.onSubmittedWorkDone();
    if (running) requestAnimationFrame(loop);
  };
  loop();
  return {
    device,
    textures,
    paint(u, v, radius = brush) {
      strokes.push([0, u * side, v * side, radius]);
    },
    restart() {
      step = 0;
      strokes.push([3, 0, 0, -1]);
    },
    stop() {
      running = false;
      canvas?.removeEventListener("pointerdown", drag);
      canvas?.removeEventListener("pointermove", drag);
      for (const one of owned) one.destroy();
      if (!options.device) device.destroy();
    },
  };
}
