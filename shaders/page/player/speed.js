// The number of steps per frame: as requested, if the device keeps up.

/** The steps of each frame; stepsPerFrame is the requested number. Below 1, a step is made only in some frames. */
class SpeedControl {
  constructor(stepsPerFrame) {
    Object.assign(this, { stepsPerFrame, limit: 1, credit: 0 });
  }

  set(stepsPerFrame) {
    this.stepsPerFrame = stepsPerFrame;
  }

  faster() {
    this.set(SPEEDS.find((speed) => speed > this.stepsPerFrame) ?? SPEEDS.at(-1));
  }

  slower() {
    this.set(SPEEDS.findLast((speed) => speed < this.stepsPerFrame) ?? SPEEDS[0]);
  }

  /** Run fewer steps if the device is late, and more if it is not. */
  adapt(late) {
    this.limit = late ? Math.max(1 / 16, 0.8 * this.limit) : Math.min(64, 1.05 * this.limit);
  }

  /** Drop steps that are overdue. */
  rest() {
    this.credit = 0;
  }

  /** Number of steps to run now. */
  steps() {
    this.credit = Math.min(this.credit + Math.min(this.stepsPerFrame, Math.max(this.limit, 1 / 8)), 64);
    const steps = Math.floor(this.credit);
    this.credit -= steps;
    return steps;
  }
}

function speedText(speed) {
  if (speed >= 1) return `${speed} ${speed === 1 ? "step" : "steps"} per frame`;
  return `one step in ${1 / speed} frames`;
}
