// The part of the plane of cells that is seen.

/** x, y is the cell at the top left corner of the picture, zoom is pixels a cell. */
class Camera {
  constructor() {
    Object.assign(this, { x: 0, y: 0, zoom: 1, fitted: true });
  }

  /** Cover the picture with the grid, or show all of a grid that ends. */
  fit(grid, picture) {
    const scales = [picture.width / grid.width, picture.height / grid.height];
    this.zoom = grid.wraps ? Math.max(...scales) : Math.min(...scales);
    this.center(grid, picture);
    this.fitted = true;
  }

  /** Show the grid so many times in each direction. */
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

  /** Zoom and keep the place under a pixel where it is. */
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

  /** Keep what is in the middle of the picture there, or fit again. */
  resize(grid, before, after) {
    if (this.fitted) this.fit(grid, after);
    else {
      this.x += (before.width - after.width) / 2 / this.zoom;
      this.y += (before.height - after.height) / 2 / this.zoom;
    }
  }
}
