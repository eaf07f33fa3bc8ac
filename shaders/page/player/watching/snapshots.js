// Snapshots of a state, from which the simulation continues after the context was lost.

const SNAPSHOT_EVERY = 2000; // milliseconds

/** Reads the state of a simulation every two seconds, without waiting for the device. */
class Snapshots {
  last = null; // as Simulation.capture() returns it
  due = 0;
  changed = false; // since the last reading began
  reader = null;

  /** Called once per frame; returns a new snapshot, or null. */
  poll(simulation, now) {
    if (this.reader) {
      const texels = this.reader.poll();
      if (!texels) return null;
      this.reader = null;
      this.last = { ...this.reading, texels };
      return this.last;
    }
    if (!this.changed || now < this.due) return null;
    this.changed = false;
    this.due = now + SNAPSHOT_EVERY;
    this.reading = simulation.capture(null);
    this.reader = new TexelReader(simulation.state);
    return null;
  }

  /** Make one now, waiting for the device. */
  take(simulation) {
    this.cancel();
    this.last = simulation.capture();
    this.changed = false;
  }

  /** Stop reading. */
  cancel() {
    this.reader?.dispose();
    this.reader = null;
  }
}
