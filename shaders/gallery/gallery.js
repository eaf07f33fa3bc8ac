(() => {
"use strict";
const WAIT = 120;   // ms until a texture under the pointer starts
const GROWN = 200;  // steps before it replaces its image
const still = matchMedia("(prefers-reduced-motion: reduce)");
const scripts = new Map();

/** Load the element of a texture, once. */
function load(stem) {
  if (!scripts.has(stem)) {
    scripts.set(stem, new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = `${stem}/texture.js`;
      script.onload = resolve;
      script.onerror = reject;
      document.head.append(script);
    }));
  }
  return scripts.get(stem);
}

/** Only one texture runs at a time: a browser has few graphics contexts. */
let awake = null;

async function wake(picture) {
  if (awake === picture || still.matches) return;
  awake = picture;
  await new Promise((resolve) => setTimeout(resolve, WAIT));
  if (awake !== picture) return;
  try {
    await load(picture.dataset.stem);
  } catch {
    return;  // the image stays
  }
  if (awake !== picture || picture.querySelector("nca-texture")) return;
  const texture = document.createElement("nca-texture");
  texture.setAttribute("rule", picture.dataset.stem);
  texture.setAttribute("inert", "");
  texture.setAttribute("aria-hidden", "true");
  const { cells } = picture.dataset;
  texture.setAttribute("grid", `${cells}x${cells}`);
  texture.setAttribute("speed", "4");
  picture.append(texture);
  const show = () => {
    if (!texture.isConnected) return;
    if (texture.player?.simulation?.stepNumber >= GROWN) texture.classList.add("grown");
    else setTimeout(show, 100);
  };
  show();
}

/** The lamp of a material follows the pointer. */
function light(picture, { clientX, clientY }) {
  const player = picture.querySelector("nca-texture")?.player;
  if (!player) return;
  const { left, top, width, height } = picture.getBoundingClientRect();
  player.look.lamp = [(clientX - left) / width, (clientY - top) / height];
  player.touch();
}

function sleep(picture) {
  if (awake === picture) awake = null;
  const texture = picture.querySelector("nca-texture");
  if (!texture) return;
  texture.classList.remove("grown");
  setTimeout(() => awake !== picture && texture.remove(), 600);
}

for (const picture of document.querySelectorAll(".picture")) {
  picture.addEventListener("pointerenter", () => wake(picture));
  picture.addEventListener("pointermove", (event) => light(picture, event));
  picture.addEventListener("pointerleave", () => sleep(picture));
  picture.addEventListener("focus", () => wake(picture));
  picture.addEventListener("blur", () => sleep(picture));
}

const find = document.getElementById("find");
find?.addEventListener("input", () => {
  const words = find.value.trim().toLowerCase();
  let count = 0;
  for (const article of document.querySelectorAll("article")) {
    article.hidden = !article.dataset.name.toLowerCase().includes(words);
    count += !article.hidden;
  }
  document.getElementById("none").hidden = count > 0;
});
})();
