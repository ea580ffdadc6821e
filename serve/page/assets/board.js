// The board for a corridor: what needs somebody, large enough to be read in passing,
// and nothing that has to be scrolled or pressed. Where there is more than fits, it
// turns over.
import { $, el, fill, named, put, sign } from "./dom.js";
import { Grid } from "./grid.js";
import { cellOf, drop, refresh } from "./cells.js";
import { connection } from "./live.js";
import { shell, title } from "./shell.js";
import { counts, lab, watch } from "./store.js";
import { strip } from "./strip.js";
import { followAll } from "./sync.js";
import { age, clockTime, each, now } from "./time.js";
import { bookingLine, headline } from "./words.js";

const turnEvery = 12; // seconds
const mostNamed = 400; // of more, the board shows how many there are and not which
let page = 0;
let ticks = 0;
let grid = null;

function build() {
  grid = new Grid(cellOf, (a, b) => (a < b ? -1 : a > b ? 1 : 0), 13);
  $("#main").setAttribute("aria-busy", "true");
  $("#main").replaceChildren(
    el("div.boardtop", null, el("h1#headline", null, "Connecting"), el("p#clock.quiet")),
    el("ul#strip.strip", { "aria-label": "Sources, mail and store" }),
    el("div#problems"),
    el("p#turn.quiet"),
    el("div#tally"),
    grid.element);
  $("#tools").prepend(el("button#full", { type: "button", on: { click: fullScreen } }, "Fill the screen"));
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, button, dialog")) return;
    if (event.key === "f") fullScreen();
    else if (event.key === " ") turn(event);
  });
  document.addEventListener("fullscreenchange", () => document.body.classList.toggle("full", Boolean(document.fullscreenElement)));
  addEventListener("resize", show);
}

function turn(event) {
  event?.preventDefault();
  ticks = 0;
  page++;
  show();
}

function fullScreen() {
  if (document.fullscreenElement) document.exitFullscreen();
  else document.documentElement.requestFullscreen?.().catch(() => {});
}

// A monitor in a corridor shall not go dark. Where the browser won't, nothing is lost.
async function stayAwake() {
  if (document.hidden) return;
  await navigator.wakeLock?.request("screen").catch(() => {});
}

const wrong = () => [...lab.rows.values()].filter((row) => row.group === "need" || row.group === "cared")
  .sort((a, b) => (a.group === b.group ? b.since - a.since : a.group === "need" ? -1 : 1));

function show() {
  if (!lab.loaded) return;
  $("#main").removeAttribute("aria-busy");
  showClock();
  const c = counts();
  const [words, tone] = headline(c, !Number.isNaN(lab.asOf));
  $("#headline").className = tone;
  fill($("#headline"), sign(tone), words);
  title(words, tone);
  if (lab.system) fill($("#strip"), strip(lab.system));
  showProblems(wrong());
  fill($("#tally"), ["unknown", "starting", "healthy"].filter((state) => c[state]).map((state) =>
    el("span", { "data-key": state }, sign(state), `${c[state].toLocaleString("en")} ${state}`)));
  const rest = [...lab.rows.values()].filter((row) => row.group !== "need" && row.group !== "cared").map((row) => row.name);
  grid.element.hidden = rest.length > mostNamed;
  if (grid.element.hidden) return;
  grid.set(rest.sort());
  grid.element.hidden = grid.element.getBoundingClientRect().bottom > innerHeight && innerWidth > 736;
}

/** Shows as many problems as there is room for, and the others in their turn. */
function showProblems(all) {
  const columns = Math.max(1, Math.floor($("#problems").clientWidth / (26 * rem())));
  const narrow = innerWidth < 736; // a phone scrolls
  for (let room = narrow ? all.length || 1 : columns * 6; ; room -= columns) {
    const pages = Math.max(1, Math.ceil(all.length / room));
    fill($("#problems"), all.slice((page % pages) * room, (page % pages + 1) * room).map(problem));
    put($("#turn"), pages > 1 ? `${page % pages + 1} of ${pages}` : "");
    if (narrow || room <= columns || $("#turn").getBoundingClientRect().bottom + 4 * rem() < innerHeight) return;
  }
}

const problem = (row) => el("article", { class: `${row.state} ${row.group}`, "data-key": row.name, "aria-label": row.name },
  el("h2", null, sign(row.state), named(row.name)),
  el("p.for", null, row.state, " for ", age(row.since)),
  el("p.why", null, row.issues.map((issue, i) => [i ? ", " : null, named(issue)])),
  el("p.quiet", null, cared(row), named(bookingLine(row))));

const rem = () => parseFloat(getComputedStyle(document.documentElement).fontSize);

const cared = (row) => (row.maintenance ? "in maintenance; " : row.silence ? "silenced; " : row.ack ? ["acknowledged by ", named(row.ack.by), "; "] : null);

watch((change) => {
  for (const name of change.gone) drop(name);
  for (const name of change.all ? lab.rows.keys() : change.names) refresh(name);
  show();
});

function showClock() {
  put($("#clock"), `${clockTime(now())}${Number.isNaN(lab.asOf) ? "" : `, as of ${clockTime(lab.asOf)}`}${connection.state === "lost" ? ", NOT CONNECTED" : ""}`);
}

each(() => {
  showClock();
  if (++ticks >= turnEvery) turn();
});
document.addEventListener("visibilitychange", stayAwake);
shell();
build();
stayAwake();
followAll();
