// WebGL2: programs compiled in the background, and states stored as texture arrays.

/** Formats of a state, best first. A texel t holds (t - zero) * range. */
const STATE_FORMATS = {
  rgba32f: { internal: "RGBA32F", type: "FLOAT", bytes: 16, label: "32-bit float" },
  rgba16f: { internal: "RGBA16F", type: "FLOAT", bytes: 8, label: "16-bit float" },
  rgba8: { internal: "RGBA8", type: "UNSIGNED_BYTE", bytes: 4, label: "8-bit" },
};

/** A shader with one more macro. */
function withMacro(fragment, definition) {
  return fragment.replace("\n", `\n#define ${definition}\n`);
}

/** A vertex and a fragment shader. Only finish() waits for the compiler. */
class Program {
  constructor(gl, vertex, fragment) {
    this.gl = gl;
    this.handle = gl.createProgram();
    this.shaders = [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]].map(
      ([type, source]) => {
        const shader = gl.createShader(type);
        gl.shaderSource(shader, source);
        gl.compileShader(shader);
        gl.attachShader(this.handle, shader);
        return shader;
      },
    );
    gl.linkProgram(this.handle);
    this.uniforms = null;
  }

  /** Whether finish() would return at once. */
  get settled() {
    const parallel = this.gl.getExtension("KHR_parallel_shader_compile");
    if (!parallel || this.gl.isContextLost()) return true;
    return this.gl.getProgramParameter(this.handle, parallel.COMPLETION_STATUS_KHR);
  }

  /** Look up the uniforms. Throws the compiler's message if it failed. */
  finish() {
    const { gl, handle } = this;
    if (this.uniforms) return;
    if (!gl.getProgramParameter(handle, gl.LINK_STATUS) && !gl.isContextLost()) {
      const logs = [...this.shaders.map((s) => gl.getShaderInfoLog(s)), gl.getProgramInfoLog(handle)];
      throw new Error(`shader: ${logs.filter(Boolean).join(" ")}`);
    }
    for (const shader of this.shaders) gl.deleteShader(shader);
    this.uniforms = new Map();
    const count = gl.getProgramParameter(handle, gl.ACTIVE_UNIFORMS) ?? 0;
    for (let i = 0; i < count; i++) {
      const { name, type } = gl.getActiveUniform(handle, i);
      this.uniforms.set(name, { type, location: gl.getUniformLocation(handle, name) });
    }
  }

  /** Draw the viewport. Values and textures that the shader does not use are ignored. */
  draw(values, textures) {
    const { gl } = this;
    this.finish();
    gl.useProgram(this.handle);
    let unit = 0;
    for (const [name, { type, location }] of this.uniforms) {
      const texture = textures[name];
      if (texture) {
        gl.activeTexture(gl.TEXTURE0 + unit);
        gl.bindTexture(texture.target, texture.handle);
        gl.uniform1i(location, unit++);
      } else {
        setUniform(gl, type, location, values[name]);
      }
    }
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  dispose() {
    this.gl.deleteProgram(this.handle);
  }
}

function setUniform(gl, type, location, value) {
  switch (type) {
    case gl.FLOAT: return gl.uniform1f(location, value);
    case gl.FLOAT_VEC2: return gl.uniform2fv(location, value);
    case gl.FLOAT_VEC3: return gl.uniform3fv(location, value);
    case gl.FLOAT_VEC4: return gl.uniform4fv(location, value);
    case gl.INT: return gl.uniform1i(location, value);
    case gl.INT_VEC2: return gl.uniform2iv(location, value);
    case gl.UNSIGNED_INT: return gl.uniform1ui(location, value);
    case gl.BOOL: return gl.uniform1i(location, value ? 1 : 0);
    default: throw new Error(`uniform type ${type} is not handled`);
  }
}

function nearest(gl, target) {
  for (const [key, value] of [
    [gl.TEXTURE_MIN_FILTER, gl.NEAREST], [gl.TEXTURE_MAG_FILTER, gl.NEAREST],
    [gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE], [gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE],
  ]) gl.texParameteri(target, key, value);
}

/** A plain two-dimensional texture: weights, shares of the rules, colors. */
class Table {
  constructor(gl, internal, type, width, height, data) {
    Object.assign(this, { gl, type, width, height, target: gl.TEXTURE_2D });
    this.handle = gl.createTexture();
    gl.bindTexture(this.target, this.handle);
    gl.texStorage2D(this.target, 1, internal, width, height);
    nearest(gl, this.target);
    this.write(data);
  }

  write(data) {
    const { gl } = this;
    gl.bindTexture(this.target, this.handle);
    gl.texSubImage2D(this.target, 0, 0, 0, this.width, this.height, gl.RGBA, this.type, data);
  }

  dispose() {
    this.gl.deleteTexture(this.handle);
  }
}

/** A texture to draw into and to sample: linearly with mipmaps, or without smoothing. */
class Canvas {
  constructor(gl, internal, width, height, smooth = true) {
    Object.assign(this, { gl, internal, width, height, target: gl.TEXTURE_2D });
    this.handle = gl.createTexture();
    this.framebuffer = gl.createFramebuffer();
    gl.bindTexture(this.target, this.handle);
    gl.texStorage2D(this.target, smooth ? Math.floor(Math.log2(Math.max(width, height))) + 1 : 1, internal, width, height);
    if (smooth) gl.texParameteri(this.target, gl.TEXTURE_MIN_FILTER, gl.LINEAR_MIPMAP_LINEAR);
    else nearest(gl, this.target);
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.framebuffer);
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, this.target, this.handle, 0);
  }

  /** Make the next drawing go here. */
  use() {
    const { gl, width, height } = this;
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.framebuffer);
    gl.viewport(0, 0, width, height);
  }

  shrink() {
    this.gl.bindTexture(this.target, this.handle);
    this.gl.generateMipmap(this.target);
  }

  dispose() {
    this.gl.deleteTexture(this.handle);
    this.gl.deleteFramebuffer(this.framebuffer);
  }
}

/** A state: one layer of RGBA for every four channels. */
class StateTexture {
  constructor(gl, width, height, layers, format) {
    Object.assign(this, { gl, width, height, layers, format, target: gl.TEXTURE_2D_ARRAY });
    this.handle = gl.createTexture();
    this.framebuffers = new Map();
    gl.bindTexture(this.target, this.handle);
    gl.texStorage3D(this.target, 1, gl[STATE_FORMATS[format].internal], width, height, layers);
    nearest(gl, this.target);
  }

  /** Framebuffer whose output i is the layer groups[i]. */
  framebuffer(groups) {
    const { gl } = this;
    const key = groups.join();
    if (!this.framebuffers.has(key)) {
      const framebuffer = gl.createFramebuffer();
      gl.bindFramebuffer(gl.FRAMEBUFFER, framebuffer);
      groups.forEach((layer, i) => {
        const attachment = gl.COLOR_ATTACHMENT0 + i;
        gl.framebufferTextureLayer(gl.FRAMEBUFFER, attachment, this.handle, 0, layer);
      });
      gl.drawBuffers(groups.map((_, i) => gl.COLOR_ATTACHMENT0 + i));
      this.framebuffers.set(key, framebuffer);
    }
    return this.framebuffers.get(key);
  }

  /** Whether this device can draw into such a texture. */
  complete(groups) {
    const { gl } = this;
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.framebuffer(groups));
    return gl.checkFramebufferStatus(gl.FRAMEBUFFER) === gl.FRAMEBUFFER_COMPLETE;
  }

  /** Stored texels of all layers, [layers, height, width, 4]. Waits for the device. */
  read() {
    const { gl, width, height, layers } = this;
    const Values = this.format === "rgba8" ? Uint8Array : Float32Array;
    const texels = new Values(layers * height * width * 4);
    for (let layer = 0; layer < layers; layer++) {
      gl.bindFramebuffer(gl.FRAMEBUFFER, this.framebuffer([layer]));
      const part = texels.subarray(layer * height * width * 4, (layer + 1) * height * width * 4);
      gl.readPixels(0, 0, width, height, gl.RGBA, gl[STATE_FORMATS[this.format].type], part);
    }
    return texels;
  }

  write(texels) {
    const { gl, width, height, layers } = this;
    gl.bindTexture(this.target, this.handle);
    const type = gl[STATE_FORMATS[this.format].type];
    gl.texSubImage3D(this.target, 0, 0, 0, 0, width, height, layers, gl.RGBA, type, texels);
  }

  /** Copy another state of the same size into this one, on the device. */
  copyFrom(other) {
    const { gl, width, height, layers } = this;
    gl.bindTexture(this.target, this.handle);
    for (let layer = 0; layer < layers; layer++) {
      gl.bindFramebuffer(gl.FRAMEBUFFER, other.framebuffer([layer]));
      gl.copyTexSubImage3D(this.target, 0, 0, 0, layer, 0, 0, width, height);
    }
  }

  dispose() {
    for (const framebuffer of this.framebuffers.values()) this.gl.deleteFramebuffer(framebuffer);
    this.gl.deleteTexture(this.handle);
  }
}

/** The best of the wanted formats that this device can draw into; null if it supports none of them. */
function chooseFormat(gl, wanted, groups) {
  gl.getExtension("EXT_color_buffer_float") ?? gl.getExtension("EXT_color_buffer_half_float");
  for (const format of wanted) {
    const probe = new StateTexture(gl, 4, 4, groups.length, format);
    const works = probe.complete(groups);
    probe.dispose();
    if (works || gl.isContextLost()) return format;
  }
  return null;
}
