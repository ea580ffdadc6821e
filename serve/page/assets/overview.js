// The overview: what is wrong first, then a compact grid of all the rest, kept live.
import { $, el, fill, put, sign } from "./dom.js";
import { card } from "./cards.js";
import { cellOf, drop, refresh } from "./cells.js";
import { filterForm, filterOf, matches, showFilter, watchFilter } from "./filter.js";
import { Grid } from "./grid.js";
import { hearActs } from "./acts.js";
import { note } from "./say.js";
import { followObserving, observingTiles } from "./observing.js";
import { shell, title } from "./shell.js";
import { groupOf, lab, counts, watch } from "./store.js";
import { notices, strip } from "./strip.js";
import { followAll } from "./sync.js";
import { age, clockTime } from "./time.js";
import { headline, plural } from "./words.js";

const mostCards = 60; // of more, the others are cells
const collator = new Intl.Collator("en", { numeric: true });
const byName = (a, b) => collator.compare(a, b) || (a < b ? -1 : a > b ? 1 : 0);
const byAge = (a, b) => lab.rows.get(b).since - lab.rows.get(a).since || byName(a, b);

const groups = [
  { id: "need", heading: "Needs you", cards: true },
  { id: "cared", heading: "Cared for: acknowledged, silenced or in maintenance", cards: true },
  { id: "unknown", heading: "Not known at the moment", wide: true },
  { id: "starting", heading: "Starting: not judged yet", wide: true },
  { id: "healthy", heading: "Well" },
];

let filter = filterOf(location);
const shown = new Map(); // by name, the id of the group it is shown in

function build() {
  for (const group of groups) {
    group.names = [];
    group.grid = new Grid(cellOf, byName, group.wide ? 15 : 10);
    group.list = group.cards ? el("div.cards") : null;
    group.count = el("span.count");
    group.section = el("section", { id: group.id, "aria-labelledby": `${group.id}-heading`, hidden: true },
      el(`h2#${group.id}-heading`, null, group.heading, " ", group.count), group.list, group.grid.element);
  }
  const main = $("#main");
  if (!$("#filter")) { // a page that was closed to its reader until now
    main.replaceChildren(el("h1#headline"), el("p#asof.quiet"), el("div#notices"),
      el("ul#strip.strip", { "aria-label": "Sources, mail and store" }), filterForm(filter));
  }
  const form = $("#filter");
  while (form.nextSibling) form.nextSibling.remove(); // what the server made in our place
  main.append(el("p#none", { hidden: true }), ...groups.map((group) => group.section));
}

/** Shows the headline, the counts and the system. */
function showTop(changed) {
  const c = counts();
  const [words, tone] = headline(c, !Number.isNaN(lab.asOf));
  const h1 = $("#headline");
  h1.className = tone;
  fill(h1, sign(tone), words);
  title(words, tone);
  fill($("#asof"), Number.isNaN(lab.asOf) ? "No report has come in yet" : ["As of ", clockTime(lab.asOf), ", ", age(lab.asOf), " ago"]);
  if (changed.system || changed.all) {
    if (lab.system) {
      fill($("#notices"), notices(lab.system));
      showStrip();
      document.body.classList.toggle("readonly", !lab.system.can_change);
    }
  }
  showFilter(filter, c);
}

const showStrip = () => fill($("#strip"), strip(lab.system, observingTiles()));

const placeOf = (row) => (matches(filter, row) ? row.group : undefined);

/** Sorts everything into its group anew. */
function showAll() {
  shown.clear();
  const names = Object.fromEntries(groups.map((group) => [group.id, []]));
  for (const row of lab.rows.values()) {
    refresh(row.name);
    const place = placeOf(row);
    if (!place) continue;
    shown.set(row.name, place);
    names[place].push(row.name);
  }
  for (const group of groups) {
    group.names = names[group.id];
    showGroup(group, null);
  }
  showNone();
}

/** Shows one group; changed are its names that differ, null for all. */
function showGroup(group, changed) {
  put(group.count, plural(group.names.length, "experiment"));
  group.section.hidden = group.names.length === 0;
  if (!group.cards) {
    if (changed === null) group.grid.set(group.names.sort(byName));
    return;
  }
  group.names.sort(byAge);
  const first = group.names.slice(0, mostCards);
  if (changed === null || first.some((name) => changed.has(name)) || first.length !== group.list.childElementCount) {
    fill(group.list, first.map((name) => card(lab.rows.get(name))));
  }
  group.grid.set(group.names.slice(mostCards).sort(byName));
}

function apply(change) {
  if (change.all) {
    showTop(change);
    showAll();
    return;
  }
  const touched = new Map(groups.map((group) => [group.id, { added: [], gone: [], changed: new Set() }]));
  const move = (name, from, to) => {
    if (from && from !== to) touched.get(from).gone.push(name);
    if (to && from !== to) touched.get(to).added.push(name);
    if (to) touched.get(to).changed.add(name);
    if (to) shown.set(name, to);
    else shown.delete(name);
  };
  for (const name of change.names) {
    const row = lab.rows.get(name);
    refresh(name);
    announce(name, shown.get(name), row);
    move(name, shown.get(name), placeOf(row));
  }
  for (const name of change.gone) {
    move(name, shown.get(name), undefined);
    drop(name);
  }
  // A cell is in one grid at a time: what leaves goes before what comes.
  for (const group of groups) {
    const { gone } = touched.get(group.id);
    if (!group.cards && gone.length) group.grid.change([], gone);
  }
  for (const group of groups) {
    const { added, gone, changed } = touched.get(group.id);
    if (group.cards && (changed.size || gone.length)) {
      const left = new Set(gone);
      group.names = [...group.names.filter((name) => !left.has(name)), ...added];
      showGroup(group, new Set([...changed, ...gone]));
    } else if (!group.cards && (added.length || gone.length)) {
      group.section.hidden = false; // its width is needed
      if (added.length) group.grid.change(added, []);
      group.names = group.grid.names;
      showGroup(group, changed);
    }
  }
  if (change.system || change.names.size || change.gone.size) showTop(change);
  showNone();
}

function announce(name, from, row) {
  const to = groupOf(row);
  if (from === to || from === undefined) return;
  if (to === "need") note(name, `${row.state}, ${row.issues.join(", ")}`);
  else if (from === "need" || to === "unknown") note(name, to === "cared" ? "cared for" : row.state);
}

function showNone() {
  const none = $("#none");
  none.hidden = shown.size > 0 || !lab.loaded || lab.rows.size === 0;
  if (!none.hidden) fill(none, "No experiment fits. ", el("a", { href: "./", "data-clear": true }, "Show all"));
}

let built = false;
$("#main").setAttribute("aria-busy", "true");
watch((change) => {
  if (!lab.loaded) return; // until then the page shows what the server made
  if (!built) {
    built = true;
    build();
    $("#main").removeAttribute("aria-busy");
    change = { ...change, all: true };
  }
  apply(change);
});
watchFilter(() => filter, (changed) => {
  filter = changed;
  if (!built) return;
  showTop({});
  showAll();
});
shell();
hearActs();
followAll();
followObserving(() => { if (built && lab.system) showStrip(); });
