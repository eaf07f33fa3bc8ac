// The key map. The help lists it, the keyboard obeys it, and every line has a button too.

const KEYS = [
  { keys: [" ", "Enter"], show: "Space", does: "Pause, go on", run: "toggle" },
  { keys: ["n", "."], show: "N", does: "One step (Shift: ten)", run: "step", shift: "tenSteps" },
  { keys: ["r"], show: "R", does: "Reset to the seed", run: "reset" },
  { keys: ["c"], show: "C", does: "Empty, with one seed cell", run: "centerSeed" },
  { keys: ["x"], show: "X", does: "Fill with noise", run: "noiseEverywhere" },
  { keys: ["+", "="], show: "+", does: "Faster", run: "faster" },
  { keys: ["-", "_"], show: "\u2212", does: "Slower", run: "slower" },
  { keys: ["1"], show: "1", does: "Brush: plant seeds", run: "sproutTool" },
  { keys: ["2"], show: "2", does: "Brush: erase", run: "eraseTool" },
  { keys: ["3"], show: "3", does: "Brush: noise", run: "noiseTool" },
  { keys: ["4"], show: "4", does: "Brush: another texture", run: "ruleTool", several: true },
  { keys: ["j"], show: "J", does: "Next texture (Shift: previous)", run: "nextRule", shift: "previousRule", several: true },
  { keys: ["g"], show: "G", does: "Grow this texture everywhere", run: "fillRule", several: true },
  { keys: ["["], show: "[", does: "Smaller brush", run: "smallerBrush" },
  { keys: ["]"], show: "]", does: "Larger brush", run: "largerBrush" },
  { keys: ["ArrowLeft"], show: "\u2190 \u2191 \u2192 \u2193", does: "Move the brush (Shift: the view)", run: "brushLeft", shift: "viewLeft" },
  { keys: ["ArrowRight"], run: "brushRight", shift: "viewRight" },
  { keys: ["ArrowUp"], run: "brushUp", shift: "viewUp" },
  { keys: ["ArrowDown"], run: "brushDown", shift: "viewDown" },
  { keys: ["d"], show: "D", does: "Paint where the brush is", run: "dab" },
  { keys: ["z"], control: true, show: "Ctrl Z", does: "Undo the last stroke or reset", run: "undo" },
  { keys: ["i"], show: "I", does: "Zoom in", run: "zoomIn" },
  { keys: ["o"], show: "O", does: "Zoom out", run: "zoomOut" },
  { keys: ["f"], show: "F", does: "Fit to the window", run: "fit", shift: "fullscreen" },
  { keys: ["f"], show: "Shift F", does: "Full screen", listed: true },
  { keys: ["v"], show: "V", does: "Next view (Shift: previous)", run: "nextView", shift: "previousView" },
  { keys: ["m"], show: "M", does: "Color map of channel views", run: "nextPalette" },
  { keys: ["b"], show: "B", does: "Smooth, or square cells", run: "smooth" },
  { keys: ["t"], show: "T", does: "Lines between tiles", run: "borders" },
  { keys: ["s", "F2"], show: "S", does: "Save a picture (Shift: of the window)", run: "savePicture", shift: "saveWindow" },
  { keys: ["p"], show: "P", does: "Record a video", run: "record" },
  { keys: ["s"], control: true, show: "Ctrl S", does: "Save the state", run: "saveState" },
  { keys: ["o"], control: true, show: "Ctrl O", does: "Open a state or a picture", run: "openState" },
  { keys: ["u"], show: "U", does: "Show or hide the controls", run: "hideControls" },
  { keys: ["h", "?", "F1"], show: "H", does: "This help", run: "help" },
];

const GESTURES = [
  ["Drag", "Paint with the brush"],
  ["Right drag, Shift drag", "Erase"],
  ["Wheel, two fingers", "Zoom"],
  ["Middle drag, Alt drag", "Move"],
  ["Shift wheel", "Size of the brush"],
  ["Drop a file", "Open a state or a picture"],
];

/** Name of the action that a key event asks for, or null. */
function actionOf(event) {
  const typing = event.target.closest?.("input, select, textarea, dialog[open]");
  const pressing = event.target.closest?.("button, a, summary") && [" ", "Enter"].includes(event.key);
  const control = event.ctrlKey || event.metaKey;
  if (event.altKey || pressing || (typing && !(control && event.key.toLowerCase() === "s"))) return null;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const entry = KEYS.find((k) => k.keys.includes(key) && Boolean(k.control) === control && !k.listed);
  if (!entry) return null;
  return (event.shiftKey && entry.shift) || entry.run;
}
