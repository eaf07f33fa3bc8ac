// Counts frames and steps, and checks which of them the device has finished.

/** The frames of a player. */
class Frames {
  constructor(gl) {
    Object.assign(this, { gl, fences: [] });
    this.restart();
  }

  restart() {
    Object.assign(this, { since: performance.now(), drawn: 0, steps: 0 });
  }

  /** Report that work was given to the device. */
  submitted() {
    const { gl } = this;
    this.fences.push(gl.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0));
  }

  /** Whether the device has not finished earlier frames. */
  late() {
    const { gl } = this;
    this.fences = this.fences.filter((fence) => {
      if (gl.getSyncParameter(fence, gl.SYNC_STATUS) !== gl.SIGNALED) return true;
      gl.deleteSync(fence);
      return false;
    });
    return this.fences.length >= 2;
  }

  /** Frames and steps per second, twice a second; otherwise null. */
  rates(now) {
    const seconds = (now - this.since) / 1000;
    if (seconds < 0.5) return null;
    const rates = { fps: this.drawn / seconds, steps: this.steps / seconds };
    this.restart();
    return rates;
  }

  /** Forget the work that the device has not finished. */
  cancel() {
    for (const fence of this.fences) this.gl.deleteSync(fence);
    this.fences = [];
  }
}
