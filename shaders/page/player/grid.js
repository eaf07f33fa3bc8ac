// The size of the grid: as requested, within limits, or according to the size of the canvas.

const CELL_SIZE = 3; // initial CSS pixels per cell
const MAX_CELLS = 300_000;
const MIN_CELLS = 6_000;
const MIN_SIDE = 3, MAX_SIDE = 4096; // cells

/** A grid written as "256x128", or null if the text is invalid or out of range. */
function readGrid(text) {
  const [width, height] = /^(\d{1,4})x(\d{1,4})$/.exec(text ?? "")?.slice(1).map(Number) ?? [];
  const possible = Math.min(width, height) >= MIN_SIDE && Math.max(width, height) <= MAX_SIDE;
  return possible ? { width, height } : null;
}

/** Initial CSS pixels per cell of a rule. */
function cellSizeOf({ scale }) {
  return Math.max(CELL_SIZE, scale);
}

/** Whether an element has a place on the page; with `display: none`, it has none, and no size. */
function hasBox(element) {
  return element.getClientRects().length > 0;
}

/** Cells across and down: as requested, or so that cells have their initial size on the page. */
function gridFor(canvas, { grid, cellSize }, largestSide) {
  if (grid) return { width: Math.min(grid.width, largestSide), height: Math.min(grid.height, largestSide) };
  const width = canvas.clientWidth || 300, height = canvas.clientHeight || 150;
  const size = Math.max(cellSize, Math.sqrt((width * height) / MAX_CELLS));
  return { width: Math.max(32, Math.round(width / size)), height: Math.max(32, Math.round(height / size)) };
}
