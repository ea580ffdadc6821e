// The keyboard: / searches, arrows walk, Enter opens, ? helps.
import { $, el, sign } from "./dom.js";

const keys = [
  ["/", "Find: go to the search field; on other pages, to the overview's"],
  ["← ↑ → ↓", "Walk from experiment to experiment, or from line to line"],
  ["Home, End", "To the first, to the last"],
  ["Enter", "Open"],
  ["Esc", "Empty the search field, or close what is open"],
  ["f, Space", "On the board: fill the screen, turn over"],
  ["?", "This help"],
];

const signs = [
  ["healthy", "healthy", "jump, every stream that is required or connected, and every tunnel are well"],
  ["unhealthy", "unhealthy", "something is known to be wrong"],
  ["flapping", "flapping", "changes too often to be relied on"],
  ["unknown", "unknown", "a source is silent: what was last known is shown, and is no fault"],
  ["starting", "starting", "first seen only a moment ago, not judged yet"],
];

export function showHelp() {
  if ($("dialog[open]")) return;
  const dialog = el("dialog.help", { "aria-labelledby": "help-title" },
    el("h2#help-title", null, "Keys and signs"),
    el("dl.keys", null, keys.map(([key, what]) => el("div", null, el("dt", null, el("kbd", null, key)), el("dd", null, what)))),
    el("dl.keys", null, signs.map(([state, word, what]) => el("div", null, el("dt", null, sign(state), word), el("dd", null, what)))),
    el("form", { method: "dialog" }, el("button.main", null, "Close")));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

export function listenToKeys() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const typing = event.target.closest?.("input:not([type=checkbox], [type=radio]), textarea, select");
    if ($("dialog[open]")) return;
    if (event.key === "Escape" && event.target.id === "q") return leaveSearch(event);
    if (typing) {
      if (event.key === "ArrowDown" && event.target.id === "q") walk(event, 0, 1);
      return;
    }
    switch (event.key) {
      case "/": return search(event);
      case "?": event.preventDefault(); return showHelp();
      case "ArrowLeft": return walk(event, -1, 0);
      case "ArrowRight": return walk(event, 1, 0);
      case "ArrowUp": return walk(event, 0, -1);
      case "ArrowDown": return walk(event, 0, 1);
      case "Home": return end(event, 0);
      case "End": return end(event, -1);
    }
  });
}

function search(event) {
  event.preventDefault();
  const field = $("#q");
  if (!field) {
    location.href = "./?find";
    return;
  }
  field.focus();
  field.select();
}

function leaveSearch(event) {
  const field = event.target;
  if (field.value === "") {
    field.blur();
    return;
  }
  event.preventDefault();
  field.value = "";
  field.dispatchEvent(new Event("input", { bubbles: true }));
}

// What can be walked through carries data-walk. Of a whole grid one cell at a time
// can be reached by Tab; the arrows carry that along.
const stops = () => [...document.querySelectorAll("[data-walk]")].filter((one) => one.closest("[hidden]") === null);

function walk(event, right, down) {
  if (event.target.matches("pre, .wide")) return; // it scrolls
  const all = stops();
  const at = all.indexOf(document.activeElement);
  let next;
  if (at >= 0) next = right ? all[at + right] : nextRow(all, at, down);
  else next = fromOutside(all, event.target, right + down > 0);
  if (at < 0 && !next) return; // the page scrolls as ever
  event.preventDefault();
  goTo(next);
}

// From something that is no stop: to the next in the order of the page; from nowhere,
// downwards to the first that can be seen.
function fromOutside(all, target, onward) {
  if (target === document.body) return onward ? all.find((one) => one.getBoundingClientRect().bottom > 0) : undefined;
  const side = onward ? Node.DOCUMENT_POSITION_FOLLOWING : Node.DOCUMENT_POSITION_PRECEDING;
  const found = all.filter((one) => target.compareDocumentPosition(one) & side);
  return onward ? found[0] : found.at(-1);
}

function end(event, which) {
  const all = stops();
  if (!all.includes(document.activeElement)) return;
  event.preventDefault();
  goTo(all.at(which));
}

// The nearest in the next row: rows are where tops differ.
function nextRow(all, at, step) {
  const here = all[at].getBoundingClientRect();
  const middle = (r) => r.left + r.width / 2;
  let best, bestTop, bestOff = Infinity;
  for (let i = at + step; i >= 0 && i < all.length; i += step) {
    const there = all[i].getBoundingClientRect();
    if (Math.abs(there.top - here.top) < 4) continue;
    bestTop ??= there.top;
    if (Math.abs(there.top - bestTop) >= 4) break;
    const off = Math.abs(middle(there) - middle(here));
    if (off < bestOff) [best, bestOff] = [all[i], off];
  }
  return best;
}

function goTo(stop) {
  if (!stop) return;
  if (stop.tabIndex < 0) {
    const grid = stop.closest(".grid");
    for (const other of grid?.querySelectorAll('[data-walk][tabindex="0"]') ?? []) other.tabIndex = -1;
    stop.tabIndex = 0;
  }
  stop.focus();
  stop.scrollIntoView({ block: "nearest" });
}
