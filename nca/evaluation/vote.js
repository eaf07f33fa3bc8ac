(() => {
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const KEYS = { ArrowLeft: "left", ArrowRight: "right", ArrowDown: "equal" };
const element = (id) => document.getElementById(id);
const choices = []; // one per pair, in the order in which the pairs are shown
let link = null;

function vote(choice) {
  if (choices.length === data.pairs.length) return;
  choices.push(choice);
  show();
}

function back() {
  choices.pop();
  show();
}

// The saved votes name the preferred side (OLD or NEW), wherever it was shown.
function result() {
  const wins = Object.fromEntries(data.sides.map((side) => [side, 0]));
  const votes = choices.map((choice, i) => {
    const { texture, left, right } = data.pairs[i];
    const preferred = choice === "equal" ? null : data.pairs[i][choice].side;
    if (preferred !== null) wins[preferred] += 1;
    return { texture, left: left.side, right: right.side, choice, preferred };
  });
  const equal = choices.filter((choice) => choice === "equal").length;
  return { nca: data.nca, seed: data.seed, wins, equal, votes };
}

function show() {
  const number = choices.length;
  const done = number === data.pairs.length;
  element("ballot").hidden = done;
  element("result").hidden = !done;
  if (done) return showResult();
  const { target, left, right } = data.pairs[number];
  element("target").src = target;
  element("left").firstElementChild.src = left.picture;
  element("right").firstElementChild.src = right.picture;
  element("count").textContent = `${number + 1} of ${data.pairs.length}`;
  element("back").disabled = number === 0;
}

function showResult() {
  const found = result();
  element("wins").replaceChildren(...[...Object.entries(found.wins), ["equal", found.equal]].map(([side, count]) => {
    const row = document.createElement("tr");
    for (const text of [side, count]) row.insertCell().textContent = text;
    return row;
  }));
  if (link !== null) URL.revokeObjectURL(link);
  link = URL.createObjectURL(new Blob([JSON.stringify(found, null, 1)], { type: "application/json" }));
  const save = element("save");
  save.href = link;
  save.download = "votes.json";
}

for (const choice of ["left", "right", "equal"]) {
  element(choice).addEventListener("click", () => vote(choice));
}
element("back").addEventListener("click", back);
element("again").addEventListener("click", back);
document.addEventListener("keydown", (event) => {
  if (event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.key in KEYS) vote(KEYS[event.key]);
  else if (event.key === "Backspace") back();
  else return;
  event.preventDefault();
});
show();
})();
