// The visible part of the plane of cells.

/** x, y is the cell at the top left corner of the image, zoom is pixels per cell. */
class Camera {
  constructor() {
    Object.assign(this, { x: 0, y: 0, zoom: 1, fitted: true });
  }

  /** Fill the image with a grid that wraps, or show all of another grid. */
  fit(grid, picture) {
    const scales = [picture.width / grid.width, picture.height / grid.height];
    this.zoom = grid.wraps ? Math.max(...scales) : Math.min(...scales);
    this.center(grid, picture);
    this.fitted = true;
  }

  /** Show the grid `times` times in each direction. */
  showTiles(grid, picture, times) {
    this.zoom = Math.min(picture.width / grid.width, picture.height / grid.height) / times;
    this.center(grid, picture);
    this.fitted = false;
  }

  center(grid, picture) {
    this.x = (grid.width - picture.width / this.zoom) / 2;
    this.y = (grid.height - picture.height / this.zoom) / 2;
  }

  /** The cell under a pixel. */
  cellAt(px, py) {
    return { x: this.x + px / this.zoom, y: this.y + py / this.zoom };
  }

  /** Zoom, keeping the position under a pixel. */
  zoomAt(px, py, factor) {
    const { x, y } = this.cellAt(px, py), [least, most] = LIMITS.zoom;
    this.zoom = Math.min(most, Math.max(least, this.zoom * factor));
    this.x = x - px / this.zoom;
    this.y = y - py / this.zoom;
    this.fitted = false;
  }

  pan(dx, dy) {
    this.x -= dx / this.zoom;
    this.y -= dy / this.zoom;
    this.fitted = false;
  }

  /** Keep the center of the image, or fit again. */
  resize(grid, before, after) {
    if (this.fitted) this.fit(grid, after);
    else {
      this.x += (before.width - after.width) / 2 / this.zoom;
      this.y += (before.height - after.height) / 2 / this.zoom;
    }
  }
}
