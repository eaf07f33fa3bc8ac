// Read states back from the device, and check whether the values are reliable.

/**
 * Starts to read the texels of a state texture. Call `poll` until it returns them, without waiting, or
 * `take`, which waits. Each reader returns the texels once, and then frees its resources.
 */
class TexelReader {
  constructor(state) {
    const { gl, width, height, layers, format } = state;
    Object.assign(this, { gl, format });
    const bytes = width * height * (format === "rgba8" ? 4 : 16);
    this.length = bytes * layers;
    this.buffer = gl.createBuffer();
    gl.bindBuffer(gl.PIXEL_PACK_BUFFER, this.buffer);
    gl.bufferData(gl.PIXEL_PACK_BUFFER, this.length, gl.STREAM_READ);
    for (let layer = 0; layer < layers; layer++) {
      gl.bindFramebuffer(gl.FRAMEBUFFER, state.framebuffer([layer]));
      gl.readPixels(0, 0, width, height, gl.RGBA, gl[STATE_FORMATS[format].type], layer * bytes);
    }
    gl.bindBuffer(gl.PIXEL_PACK_BUFFER, null);
    this.fence = gl.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0);
  }

  /** The texels, or null while the device is not ready; does not wait. */
  poll() {
    const { gl } = this;
    return gl.clientWaitSync(this.fence, 0, 0) === gl.TIMEOUT_EXPIRED ? null : this.take();
  }

  /** The texels; waits for the device. */
  take() {
    const { gl } = this, bytes = new Uint8Array(this.length);
    gl.bindBuffer(gl.PIXEL_PACK_BUFFER, this.buffer);
    gl.getBufferSubData(gl.PIXEL_PACK_BUFFER, 0, bytes);
    gl.bindBuffer(gl.PIXEL_PACK_BUFFER, null);
    this.dispose();
    return this.format === "rgba8" ? bytes : new Float32Array(bytes.buffer);
  }

  dispose() {
    this.gl.deleteBuffer(this.buffer);
    this.gl.deleteSync(this.fence);
  }
}

/**
 * Largest difference between written and read values. To prevent fingerprinting, some browsers add
 * noise to what is read: to all values (Firefox with the setting resistFingerprinting), or to the last
 * bit of some bytes (Brave).
 */
function readBackDifference(gl, format) {
  const probe = new StateTexture(gl, 16, 16, 1, format);
  const Values = format === "rgba8" ? Uint8Array : Float32Array;
  const written = Values.from({ length: 16 * 16 * 4 }, (_, i) => (37 * i) % 251);
  probe.write(written);
  const ways = [probe.read(), new TexelReader(probe).take()];
  probe.dispose();
  let largest = 0;
  for (const read of ways) {
    written.forEach((value, i) => { largest = Math.max(largest, Math.abs(value - read[i])); });
  }
  return Number.isNaN(largest) ? Infinity : largest;
}
